import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createConfigSource } from "../../src/control/translate/create-config-source.ts";
import {
  SAMPLE_BUNDLE,
  SAMPLE_TRUST_DOMAIN,
  sampleInbound,
  sampleNode,
} from "../../src/control/translate/sample-node.ts";
import { compileModel } from "../../src/control/model/compile-model.ts";
import type { MeshModel } from "../../src/control/model/mesh-model.ts";
import {
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleTarget,
  sampleTcpRoute,
} from "../../src/control/model/sample-resources.ts";
import type { ProxyNode } from "../../src/control/config-source.ts";
import { SnapshotBuilder } from "../../src/proxy/config/snapshot-builder.ts";
import type { AccessPolicy, Snapshot } from "../../src/proxy/snapshot.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { envoy } from "#gen/protos.js";

// What is kept from a proxy must be just what it may not call: decided by the control plane for the caller's proxy, and by
// the called app's own proxy for each request.

const ACCOUNTS = ["web", "jobs", "orders", "stock"] as const;
const account = fc.constantFrom(...ACCOUNTS);

const slice = fc.record({ service: fc.constantFrom("orders", "stock"), account, ready: fc.boolean() });
const target = fc.record({
  destination: account,
  sources: fc.uniqueArray(account, { minLength: 1, maxLength: 2 }),
  rule: fc.constantFrom("HTTPRouteGroup/g", "HTTPRouteGroup/missing", "TCPRoute/all", "TCPRoute/other"),
});

test("endpoints are withheld under strict access only from those whom no rule of any instance names", () => {
  fc.assert(
    fc.property(
      fc.array(slice, { maxLength: 5 }),
      fc.array(target, { maxLength: 6 }),
      fc.constantFrom<"strict" | "permissive">("strict", "strict", "permissive"),
      (slices, targets, access) => {
        const resources: Resource[] = [
          sampleMesh({ access }),
          sampleService("orders"),
          sampleService("stock"),
          sampleGroup("g", [{ name: "read", pathRegex: "/read", methods: ["GET"] }]),
          sampleTcpRoute("all", []),
          sampleTcpRoute("other", [7]),
          ...slices.map((one, index) =>
            sampleSlice(`s-${index}`, one.service, {
              port: 9000,
              address: `10.0.0.${index + 1}`,
              serviceAccount: one.account,
              ready: one.ready,
            }),
          ),
          ...targets.map((one, index) =>
            sampleTarget(`t-${index}`, one.destination, { sources: one.sources, rules: [one.rule] }),
          ),
        ];
        const model = compileModel(resources, null);
        for (const caller of ACCOUNTS) checkCaller(model, slices, { caller, access });
      },
    ),
    { numRuns: 300 },
  );
});

interface Slice {
  readonly service: string;
  readonly account: string;
  readonly ready: boolean;
}

function checkCaller(
  model: MeshModel,
  slices: readonly Slice[],
  { caller, access }: { readonly caller: string; readonly access: string },
): void {
  const snapshot = snapshotOf(model, sampleNode({ serviceAccount: caller, workload: `${caller}-0` }));
  const id = `spiffe://${SAMPLE_TRUST_DOMAIN}/ns/default/sa/${caller}`;
  for (const service of ["orders", "stock"]) {
    const behind = slices.filter((one) => one.service === service);
    const cluster = snapshot.clusters.get(`default/${service}:80`);
    const isNamed = behind.some((one) =>
      rulesOf(model, one.account).rules.some(({ principals }) => principals.has(id)),
    );
    if (access === "permissive" || behind.length === 0) assert.equal(cluster?.withheld, null);
    else if (isNamed) assert.equal(cluster?.withheld, null, "what some instance would allow is not withheld");
    if (cluster?.withheld === null) {
      assert.equal(cluster.endpoints.length, behind.filter(({ ready }) => ready).length);
      continue;
    }
    assert.deepEqual(cluster?.endpoints, []);
    // The words are made of the rules, so these must be the same but for those whom they allow.
    const [first] = behind.map((one) => one.account).toSorted();
    const told = rulesOf(model, first ?? "").rules;
    assert.deepEqual(
      cluster?.withheld?.rules.map(({ name, matches }) => ({ name, matches: JSON.stringify(matches) })),
      told.map(({ name, matches }) => ({ name, matches: JSON.stringify(matches) })),
    );
  }
}

/** What the proxy beside an app of this identity enforces, on a port that takes requests. */
function rulesOf(model: MeshModel, serviceAccount: string): AccessPolicy {
  const inbound = [{ ...sampleInbound(), port: 9000, appPort: 80 }];
  const snapshot = snapshotOf(model, sampleNode({ serviceAccount, workload: "callee", inbound }));
  const handler = [...snapshot.listeners.values()].find(({ direction }) => direction === "inbound")?.defaultChain
    ?.handler;
  assert.ok(handler !== undefined && handler.kind === "http" && handler.access !== null);
  return handler.access;
}

function snapshotOf(model: MeshModel, node: ProxyNode): Snapshot {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(model, SAMPLE_BUNDLE);
  const builder = new SnapshotBuilder(`${node.namespace}/${node.serviceAccount}`);
  for (const [typeUrl, resources] of source.viewFor(node)) {
    for (const { name, bytes } of resources.values()) {
      const content = envoy.service.discovery.v3.Resource.decode(bytes).resource?.value ?? new Uint8Array();
      assert.equal(builder.upsert(typeUrl, name, content), null, name);
    }
  }
  return builder.build();
}
