import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ProxyNode } from "../../src/control/config-source.ts";
import { compileModel } from "../../src/control/model/compile-model.ts";
import type { MeshModel } from "../../src/control/model/mesh-model.ts";
import { sampleMesh, sampleService, sampleSlice } from "../../src/control/model/sample-resources.ts";
import { createConfigSource } from "../../src/control/translate/create-config-source.ts";
import { decodeFrom, SAMPLE_BUNDLE, SAMPLE_TRUST_DOMAIN, sampleNode } from "../../src/control/translate/sample-node.ts";
import { envoy } from "#gen/protos.js";
import { decodeListener } from "../../src/proxy/config/decode-listener.ts";
import { ProxyCounters } from "../../src/proxy/counters.ts";
import { checkAccess, isConnectionAllowed } from "../../src/proxy/filters/access-filter.ts";
import { CONTINUE } from "../../src/proxy/filters/filter.ts";
import { readRequest, type WrittenRequest } from "../../src/proxy/filters/judge-request.ts";
import { findInboundHandler } from "../../src/proxy/listener/find-inbound-handler.ts";
import type { AccessPolicy } from "../../src/proxy/snapshot.ts";
import type { AppProtocol, InboundPort } from "../../src/proxy-node.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { validateResource } from "../../src/resources/validate.ts";
import { formatInboundListener, LISTENER_TYPE, TCP_ALPN, UDP_ALPN } from "../../src/xds/names.ts";
import { type Call, isAllowedBySpec, type WrittenPolicies, type WrittenTarget } from "./access-reference.ts";

// Who may call whom: resources as users write them, compiled by the control plane, sent as xDS, decoded and decided by the
// proxy, against a reference that knows nothing of any of these.

const RUNS = { numRuns: 10_000, seed: 20_261_123 };
const SELF = { namespace: "a", name: "web" };

/** Two ports of one instance: the first is known by three numbers, the second by two. */
const PORTS = [
  { bound: 9000, app: 8000, numbers: [8000, 80, 8080] },
  { bound: 9001, app: 8001, numbers: [8001, 81] },
] as const;

const BASE: readonly Resource[] = [
  ...[
    ["web", 80, 9000],
    ["web-alt", 8080, 9000],
    ["web-admin", 81, 9001],
  ].flatMap(([name, port, bound]) => [
    sampleService(String(name), { namespace: "a", ports: [{ port, appProtocol: "http" }] }),
    sampleSlice(`${name}-0`, String(name), {
      namespace: "a",
      serviceAccount: "web",
      workload: "web-0",
      port: Number(bound),
    }),
  ]),
];

// What fits together is likelier than what does not: else nearly everything would be denied.
const namespace = fc.constantFrom("a", "a", "a", "b");
const account = fc.constantFrom("api", "api", "api", "web");
const subject = fc.record({ name: account, namespace }, { requiredKeys: ["name"] });
const groupName = fc.constantFrom("g", "h");
const matchName = fc.constantFrom("m", "n", "o");
const regex = fc.constantFrom(
  ...["/", "/a", ".*"],
  ...[
    "",
    "*",
    ".*",
    "/",
    "/a",
    "/a$",
    "^/a",
    "/a.*",
    "/a/?$",
    "/api/v[12]",
    "/api/v[0-9]+/x$",
    "/(a|b)",
    "a",
    "(?i)/A",
  ],
  ...["/a\\.b", "/[^/]+$", "/a|/b", "^/a|b$", "\\Q/a.b", "/%2F", "$", "/a*"],
);
const pattern = fc.constantFrom(
  "",
  ".*",
  "^admin$",
  "admin",
  "^ad",
  "min$",
  "a|b",
  "^x, y$",
  "; b=1",
  "(?i)ADMIN",
  ".",
  "^$",
  "x.*y",
);
const headers = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  fc.dictionary(fc.constantFrom("x-role", "X-Team", "host", "cookie"), pattern, { maxKeys: 2 }),
);
const method = fc.constantFrom("GET", "GET", "GET", "POST", "DELETE");
const match = fc.record(
  {
    name: matchName,
    pathRegex: regex,
    methods: fc.array(fc.oneof({ weight: 4, arbitrary: method }, fc.constant("*")), { maxLength: 3 }),
    headers,
  },
  { requiredKeys: ["name"] },
);
const group = fc.record({
  name: groupName,
  namespace,
  matches: fc.uniqueArray(match, { maxLength: 3, size: "max", selector: (one) => one.name }),
});
const tcpRoute = fc.record(
  {
    name: fc.constantFrom("t", "u"),
    namespace,
    ports: fc.array(fc.constantFrom(80, 81, 8000, 8001, 8080, 9000, 22), { maxLength: 3 }),
  },
  { requiredKeys: ["name", "namespace"] },
);
/** "gone" and "p" name nothing. */
const rule = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record(
      {
        kind: fc.constant("HTTPRouteGroup" as const),
        name: fc.oneof({ weight: 12, arbitrary: groupName }, fc.constant("gone")),
        matches: fc.array(fc.oneof({ weight: 9, arbitrary: matchName }, fc.constant("p")), { maxLength: 2 }),
      },
      { requiredKeys: ["kind", "name"] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("TCPRoute" as const, "TCPRoute" as const, "UDPRoute" as const),
      name: fc.constantFrom("t", "t", "u", "u", "gone"),
    }),
  },
);
const target: fc.Arbitrary<WrittenTarget> = fc.record({
  name: fc.constantFrom("one", "two", "three", "four"),
  namespace: fc.oneof({ weight: 3, arbitrary: fc.constant("a") }, fc.constant("b")),
  destination: fc.oneof({ weight: 5, arbitrary: fc.constant({ name: "web" }) }, subject),
  rules: fc.array(rule, { maxLength: 3 }),
  sources: fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant({ name: "api" }) }, subject), {
    maxLength: 3,
    size: "max",
  }),
});
const full = (one: { readonly name: string; readonly namespace: string }): string => `${one.namespace}/${one.name}`;
const policies: fc.Arbitrary<WrittenPolicies> = fc.record({
  groups: fc.uniqueArray(group, { minLength: 1, maxLength: 4, size: "max", selector: full }),
  tcpRoutes: fc.uniqueArray(tcpRoute, { minLength: 1, maxLength: 3, size: "max", selector: full }),
  udpRoutes: fc.uniqueArray(tcpRoute, { minLength: 1, maxLength: 3, size: "max", selector: full }),
  targets: fc.uniqueArray(target, { minLength: 1, maxLength: 4, size: "max", selector: full }),
});
const request = fc.record({
  method: fc.constantFrom("GET", "GET", "GET", "POST", "DELETE", "PURGE", "get"),
  path: fc.constantFrom(
    ...[
      "/",
      "/a",
      "/ab",
      "/a/b",
      "/b",
      "/A",
      "/a.b",
      "/axb",
      "/api/v1",
      "/api/v2/x",
      "/api/v12/x",
      "/a?b=/b",
      "/?/a",
      "/c",
    ],
  ),
  authority: fc.constantFrom("web", "web.a:80", "admin", "x"),
  headers: fc.array(
    fc.tuple(
      fc.constantFrom("x-role", "X-Role", "x-team", "cookie"),
      fc.constantFrom("", "admin", "a", "x", "y", "b=1", "xADMINy"),
    ),
    { maxLength: 3 },
  ),
});
const call = fc.record({
  from: fc.option(fc.record({ name: account, namespace }), { freq: 20 }),
  port: fc.constantFrom<0 | 1>(0, 0, 0, 1),
  request: fc.option(request, { freq: 5 }),
});
const scenario = fc.record({
  policies,
  calls: fc.array(call, { minLength: 1, maxLength: 4 }),
  protocol: fc.constantFrom<AppProtocol>("http", "http", "http2", "grpc", "tcp", "udp", "detect"),
  access: fc.constantFrom("strict", "strict", "permissive", null),
});

test("10,000 sets of policies and requests: the proxy decides what the specification says", () => {
  let allowed = 0;
  let denied = 0;
  fc.assert(
    fc.property(scenario, ({ policies: written, calls, protocol, access }) => {
      const decide = createDecider(written, protocol, access);
      for (const { from, port, request: asked } of calls) {
        // Nothing of UDP leads to the app but its own port.
        const numbers = protocol === "udp" ? [PORTS[port].app] : PORTS[port].numbers;
        // A port takes requests, opaque bytes or both; the other kind has no handler, and nothing to decide.
        const sent = protocol === "tcp" || protocol === "udp" ? null : protocol === "detect" ? asked : (asked ?? PLAIN);
        const wanted: Call = {
          from,
          to: SELF,
          ports: numbers,
          isUdp: protocol === "udp",
          request: sent === null ? null : { ...sent, headers: [["host", sent.authority], ...sent.headers] },
          declared: protocol === "tcp",
        };
        const expected = isAllowedBySpec(written, wanted);
        if (expected) allowed += 1;
        else denied += 1;
        const peerId = from === null ? null : `spiffe://${SAMPLE_TRUST_DOMAIN}/ns/${from.namespace}/sa/${from.name}`;
        assert.equal(decide(port, peerId, sent), expected);
        // Another trust domain's workload of the same name is somebody else.
        if (from !== null)
          assert.equal(decide(port, `spiffe://other.mesh/ns/${from.namespace}/sa/${from.name}`, sent), false);
      }
    }),
    RUNS,
  );
  // Neither answer is rare: else the test would say little.
  assert.ok(allowed > 2_000 && denied > 2_000, `${allowed} allowed, ${denied} denied`);
});

const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
let model: MeshModel | null = null;
const NODES: Readonly<Record<AppProtocol, ProxyNode>> = {
  http: createNode("http"),
  http2: createNode("http2"),
  grpc: createNode("grpc"),
  tcp: createNode("tcp"),
  udp: createNode("udp"),
  detect: createNode("detect"),
};
const PLAIN: WrittenRequest = { method: "GET", path: "/", authority: "web", headers: [] };

function createNode(protocol: AppProtocol): ProxyNode {
  const inbound = PORTS.map(({ bound, app }): InboundPort => {
    return { address: "127.0.0.1", port: bound, appAddress: "127.0.0.1", appPort: app, protocol };
  });
  return sampleNode({ namespace: SELF.namespace, inbound });
}

type Decide = (port: 0 | 1, peerId: string | null, request: WrittenRequest | null) => boolean;

/** Of strict access; under permissive access, what is counted as denied, while everything passes. */
function createDecider(written: WrittenPolicies, protocol: AppProtocol, access: string | null): Decide {
  const resources = [...BASE, ...toResources(written), ...(access === null ? [] : [sampleMesh({ access })])];
  // One control plane sees all the sets one after the other, so that what it keeps of the one before is tested too.
  model = compileModel(resources, model);
  source.update(model, SAMPLE_BUNDLE);
  const view = source.viewFor(NODES[protocol]);
  const listeners = PORTS.map(({ app }) => {
    const wire = decodeFrom(
      view,
      LISTENER_TYPE,
      formatInboundListener(app, protocol === "udp"),
      envoy.config.listener.v3.Listener,
    );
    return decodeListener(wire, full(SELF));
  });
  return (port, peerId, request) => {
    const listener = listeners[port];
    assert.ok(listener !== undefined);
    const handler = findInboundHandler(listener, request === null ? (protocol === "udp" ? UDP_ALPN : TCP_ALPN) : "h2");
    const policy = handler?.access ?? null;
    assert.ok(policy !== null, "every inbound port is guarded");
    assert.equal(policy.enforced, access !== "permissive");
    return request === null ? isConnectionAllowed(policy, peerId) : decideRequest(policy, peerId, request);
  };
}

function decideRequest(policy: AccessPolicy, peerId: string | null, request: WrittenRequest): boolean {
  const x = readRequest(request);
  assert.ok(typeof x !== "string", String(x));
  const counters = new ProxyCounters();
  x.origin = { listener: "", direction: "inbound", source: "", peerId, peerAddress: "", authority: null, edge: null };
  const passes = checkAccess(policy, x, counters) === CONTINUE;
  if (policy.enforced) {
    assert.equal(counters.accessDenied, passes ? 0 : 1);
    return passes;
  }
  assert.ok(passes, "permissive access denies nothing");
  assert.equal(counters.accessShadowDenied, x.shadowDenied ? 1 : 0);
  return !x.shadowDenied;
}

/** As a store would hold them. What the schema refuses reaches the model all the same: another writer may have put it there. */
function toResources({ groups, tcpRoutes, udpRoutes, targets }: WrittenPolicies): readonly Resource[] {
  return [
    ...groups.map((one) => toResource("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", one, { matches: one.matches })),
    ...tcpRoutes.map((one) => {
      return toResource("specs.smi-spec.io/v1alpha4", "TCPRoute", one, {
        matches: one.ports === undefined ? {} : { ports: one.ports },
      });
    }),
    ...udpRoutes.map((one) => {
      return toResource("specs.smi-spec.io/v1alpha4", "UDPRoute", one, {
        matches: one.ports === undefined ? {} : { ports: one.ports },
      });
    }),
    ...targets.map((one) => {
      const account = (written: WrittenTarget["destination"]): object => ({ kind: "ServiceAccount", ...written });
      const { destination, rules, sources } = one;
      return toResource("access.smi-spec.io/v1alpha4", "TrafficTarget", one, {
        destination: account(destination),
        rules,
        sources: sources.map(account),
      });
    }),
  ];
}

function toResource(
  apiVersion: string,
  kind: string,
  { name, namespace: own }: { readonly name: string; readonly namespace: string },
  spec: Readonly<Record<string, unknown>>,
): Resource {
  const written = { apiVersion, kind, metadata: { name, namespace: own }, spec };
  const { resource, problems } = validateResource(written, { file: "test" });
  if (resource !== null) return resource;
  // Destinations elsewhere and targets without rules are the schema's to refuse, and the model's not to take.
  const refused = problems.map((problem) => problem.path).join();
  assert.match(refused, /^(spec\.destination\.namespace|spec\.rules)/, JSON.stringify(problems));
  return withDefaults(written as unknown as Resource & { readonly spec: WrittenTarget });
}

function withDefaults(target: Resource & { readonly spec: WrittenTarget }): Resource {
  const own = target.metadata.namespace;
  const { destination, rules, sources } = target.spec;
  const spec = {
    destination: { namespace: own, ...destination },
    rules: rules.map((one) => ({ matches: [], ...one })),
    sources: sources.map((source) => ({ namespace: own, ...source })),
  };
  return { ...target, spec } as Resource;
}
