// The objects that the published conformance suite and SMI's own tools write, in every version: what is valid is taken, what is not is
// refused with the place and the reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Lab, split, target, tcpRoute, group } from "./lab.ts";

const ACCOUNTS =
  "destination: { kind: ServiceAccount, name: app-b, namespace: default }, sources: [{ kind: ServiceAccount, name: app-a, namespace: default }]";
const PORT =
  "destination: { kind: ServiceAccount, name: app-b, namespace: default, port: 9091 }, sources: [{ kind: ServiceAccount, name: app-a, namespace: default }]";
const MATCH = 'name: testMatch, pathRegex: "/metrics", methods: ["*"]';
const RULE = "[{ kind: TCPRoute, name: tcp-route }]";
const SPLIT = "service: app-svc, backends: [{ service: app-b, weight: 75 }, { service: app-c, weight: 25 }]";

/** Kind, version and content of what is valid. */
const VALID: readonly (readonly [kind: string, apiVersion: string, content: string])[] = [
  ["TCPRoute", "specs.smi-spec.io/v1alpha4", "spec: { matches: { ports: [] } }"],
  ["TCPRoute", "specs.smi-spec.io/v1alpha3", "spec: {}"],
  ["TCPRoute", "specs.smi-spec.io/v1alpha2", ""],
  ["TCPRoute", "specs.smi-spec.io/v1alpha1", ""],
  ["HTTPRouteGroup", "specs.smi-spec.io/v1alpha4", `spec: { matches: [{ ${MATCH}, headers: { X-A: a } }] }`],
  ["HTTPRouteGroup", "specs.smi-spec.io/v1alpha3", `spec: { matches: [{ ${MATCH}, headers: [{ X-A: a }] }] }`],
  ["HTTPRouteGroup", "specs.smi-spec.io/v1alpha2", `matches: [{ ${MATCH}, headers: [{ X-A: a }] }]`],
  ["HTTPRouteGroup", "specs.smi-spec.io/v1alpha1", `matches: [{ ${MATCH} }]`],
  ["TrafficTarget", "access.smi-spec.io/v1alpha4", `spec: { ${ACCOUNTS}, rules: ${RULE} }`],
  ["TrafficTarget", "access.smi-spec.io/v1alpha3", `spec: { ${ACCOUNTS}, rules: ${RULE} }`],
  ["TrafficTarget", "access.smi-spec.io/v1alpha2", `spec: { ${PORT}, rules: ${RULE} }`],
  ["TrafficTarget", "access.smi-spec.io/v1alpha1", `${PORT}, specs: ${RULE}`],
  ["TrafficSplit", "split.smi-spec.io/v1alpha4", `spec: { ${SPLIT} }`],
  ["TrafficSplit", "split.smi-spec.io/v1alpha3", `spec: { ${SPLIT}, matches: [{ kind: HTTPRouteGroup, name: g }] }`],
  ["TrafficSplit", "split.smi-spec.io/v1alpha2", `spec: { ${SPLIT} }`],
  [
    "TrafficSplit",
    "split.smi-spec.io/v1alpha1",
    "spec: { service: app-svc, backends: [{ service: app-b, weight: 50m }, { service: app-c, weight: 50m }] }",
  ],
];

const WRONG: readonly (readonly [what: string, kind: string, apiVersion: string, content: string, says: RegExp])[] = [
  [
    "matches beside spec (step 3 of traffic-spec)",
    "HTTPRouteGroup",
    "specs.smi-spec.io/v1alpha4",
    `matches: [{ ${MATCH} }]`,
    /found unknown field "matches"/,
  ],
  [
    "a port in the destination (step 3 of traffic-spec)",
    "TrafficTarget",
    "access.smi-spec.io/v1alpha3",
    `spec: { ${PORT.replace("9091", '"9091"')}, rules: ${RULE} }`,
    /spec\.destination: found unknown field "port"/,
  ],
  [
    "ports in a version that has none",
    "TCPRoute",
    "specs.smi-spec.io/v1alpha3",
    "spec: { matches: { ports: [80] } }",
    /found unknown field "matches"/,
  ],
  [
    "matches in a version that has none",
    "TrafficSplit",
    "split.smi-spec.io/v1alpha2",
    `spec: { ${SPLIT}, matches: [{ kind: HTTPRouteGroup, name: g }] }`,
    /found unknown field "matches"/,
  ],
];

export function describePublishedInputs(running: () => Lab): void {
  for (const [kind, apiVersion, content] of VALID) {
    test(`K C inputs: a ${kind} of ${apiVersion} is taken, and shown in that version`, async () => {
      const lab = running();
      const drafts = { TCPRoute: tcpRoute("in", []), HTTPRouteGroup: group("in", []) }[kind] ?? {
        ...(kind === "TrafficSplit"
          ? split("in", "app-svc", "app-b=1")
          : target("in", { to: "app-b", from: ["app-a"], rules: ["tcp:tcp-route"] })),
      };
      await lab.applyVersions(toText(kind, apiVersion, content), [drafts]);
      const plural = `${kind.toLowerCase()}s`;
      const found = await lab.raw(`/apis/${apiVersion}/namespaces/default/${plural}/in`);
      assert.equal((found as { readonly apiVersion: string }).apiVersion, apiVersion);
      await lab.clear();
    });
  }

  for (const [what, kind, apiVersion, content, says] of WRONG) {
    test(`K C inputs: ${what} is refused, ${kind} of ${apiVersion}`, async () => {
      const { code, stderr } = await running().applyText(toText(kind, apiVersion, content));
      assert.notEqual(code, 0);
      assert.match(stderr, says);
    });
  }
}

function toText(kind: string, apiVersion: string, content: string): string {
  return `{ apiVersion: ${apiVersion}, kind: ${kind}, metadata: { name: in }${content === "" ? "" : `, ${content}`} }`;
}
