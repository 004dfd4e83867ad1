import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChangeScope, ProxyNode, ProxyView } from "../../src/control/config-source.ts";
import { compileModel } from "../../src/control/model/compile-model.ts";
import { ModelCompiler } from "../../src/control/model/model-compiler.ts";
import {
  sampleGroup,
  sampleMesh,
  samplePolicy,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
  sampleTcpRoute,
} from "../../src/control/model/sample-resources.ts";
import { createConfigSource } from "../../src/control/translate/create-config-source.ts";
import {
  SAMPLE_BUNDLE,
  SAMPLE_TRUST_DOMAIN,
  sampleInbound,
  sampleNode,
} from "../../src/control/translate/sample-node.ts";
import type { Resource } from "../../src/resources/resource.ts";

// The control plane follows its resources step by step. After every step it must be where it would be if it had started
// with these resources, and it must have said whom the step concerns.

const name = fc.constantFrom("a", "b", "c");
const port = fc.constantFrom(80, 81);
const protocol = fc.constantFrom("http", "tcp", "detect");

const resource: fc.Arbitrary<Resource> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(name, name, fc.nat(3), fc.boolean(), name, fc.constantFrom("v1", undefined)).map(toSlice),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(name, fc.uniqueArray(port, { minLength: 1 }), protocol)
      .map(([service, ports, appProtocol]) =>
        sampleService(service, { ports: ports.map((number) => ({ port: number, name: `p${number}`, appProtocol })) }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        name,
        name,
        fc.uniqueArray(name, { maxLength: 2, minLength: 1 }),
        fc.constantFrom("HTTPRouteGroup/a", "HTTPRouteGroup/b", "TCPRoute/a"),
      )
      .map(([key, destination, sources, rule]) => sampleTarget(key, destination, { sources, rules: [rule] })),
  },
  fc
    .tuple(name, fc.constantFrom("a", "b", "root"), name, fc.nat(2), fc.option(fc.constantFrom("a", "b")))
    .map(([key, root, backend, weight, group]) =>
      sampleSplit(key, root, { weights: { [backend]: weight }, groups: group === null ? [] : [group] }),
    ),
  fc
    .tuple(
      name,
      fc.constantFrom("a", "b"),
      fc.constantFrom(
        { timeouts: { request: "1s" } },
        { retries: { attempts: 1 } },
        { mirrors: [{ service: "c", port: 80 }] },
        { overload: { enabled: false } },
      ),
    )
    .map(([key, service, spec]) => samplePolicy(key, { targetRef: { kind: "Service", name: service }, ...spec })),
  fc
    .tuple(fc.constantFrom("a", "b"), fc.constantFrom("/x", "/y"))
    .map(([key, pathRegex]) => sampleGroup(key, [{ name: "m", pathRegex }])),
  fc.uniqueArray(port).map((ports) => sampleTcpRoute("a", ports)),
  fc
    .tuple(
      fc.constantFrom<"strict" | "permissive">("strict", "strict", "permissive"),
      fc.constantFrom<"allow" | "deny">("allow", "deny"),
    )
    .map(([access, egress]) => sampleMesh({ access, egress })),
);

function toSlice([key, service, host, ready, serviceAccount, version]: [
  string,
  string,
  number,
  boolean,
  string,
  string | undefined,
]): Resource {
  return sampleSlice(key, service, {
    port: 9000,
    portName: "p80",
    address: `10.0.0.${host + 1}`,
    ready,
    serviceAccount,
    workload: `${key}-0`,
    ...(version === undefined ? {} : { version }),
  });
}

/** Null = the resource goes. */
const step = fc.record({ resource, goes: fc.boolean() }).map(({ resource: one, goes }) => ({ one, goes }));

const NODES: readonly ProxyNode[] = [
  ...["a", "b", "c"].map((account) =>
    sampleNode({ serviceAccount: account, workload: `${account}-0`, inbound: [{ ...sampleInbound(), port: 9000 }] }),
  ),
  sampleNode({ namespace: "other", serviceAccount: "a" }),
  sampleNode({
    workload: "gate",
    ingress: [{ address: "127.0.0.1", port: 8080, service: "default/a", servicePort: 80 }],
  }),
];

test("a mesh that is followed step by step is as it would be from the start, and says whom each step concerns", () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 12 }), (batches) => {
      const resources = new Map<string, Resource>();
      const compiler = new ModelCompiler();
      const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
      let concerns: ChangeScope = () => false;
      source.onChange((scope) => {
        concerns = scope;
      });
      source.update(compiler.compile(), SAMPLE_BUNDLE);
      const views = new Map(NODES.map((node) => [node, describe(source.viewFor(node))]));
      for (const batch of batches) {
        for (const { one, goes } of batch) {
          const key = `${one.kind} ${one.metadata.name}`;
          if (goes && resources.delete(key)) compiler.delete(one);
          else {
            resources.set(key, one);
            compiler.put(one);
          }
        }
        const model = compiler.compile();
        const expected = compileModel([...resources.values()], null);
        assert.deepEqual(model, expected);
        assert.deepEqual([...model.services.keys()], [...expected.services.keys()]);
        assert.equal(compiler.compile(), model);
        concerns = () => false;
        source.update(model, SAMPLE_BUNDLE);
        const fresh = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
        fresh.update(expected, SAMPLE_BUNDLE);
        for (const node of NODES) {
          const before = views.get(node);
          const after = describe(fresh.viewFor(node));
          if (!isEqual(before, after)) assert.equal(concerns(node), true, `${node.id} is concerned`);
          assert.deepEqual(describe(source.viewFor(node)), after);
          views.set(node, after);
        }
      }
    }),
    { numRuns: 300 },
  );
});

/** Versions are hashes of contents. */
function describe(view: ProxyView): readonly string[] {
  return [...view]
    .flatMap(([type, resources]) => [...resources.values()].map((one) => `${type} ${one.name} ${one.version}`))
    .sort();
}

function isEqual(one: readonly string[] | undefined, other: readonly string[]): boolean {
  return one?.length === other.length && one.every((line, at) => line === other[at]);
}
