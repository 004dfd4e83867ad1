import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { envoy } from "#gen/protos.js";
import { ResourceReferences } from "../../src/control/ads/resource-references.ts";
import { StreamSession } from "../../src/control/ads/stream-session.ts";
import { createSubscriptionPool } from "../../src/control/ads/subscription.ts";
import type { ProxyNode } from "../../src/control/config-source.ts";
import { compileModel } from "../../src/control/model/compile-model.ts";
import { sampleGroup, sampleService, sampleSlice, sampleTarget } from "../../src/control/model/sample-resources.ts";
import { createConfigSource, type MeshConfigSource } from "../../src/control/translate/create-config-source.ts";
import {
  SAMPLE_BUNDLE,
  SAMPLE_TRUST_DOMAIN,
  sampleInbound,
  sampleNode,
} from "../../src/control/translate/sample-node.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { DeltaState } from "../../src/xds/delta-state.ts";
import {
  CLUSTER_TYPE,
  DELIVERY_ORDER,
  ENDPOINT_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from "../../src/xds/names.ts";

// A control plane starts again while a proxy is away. It knows nothing of the proxy; the proxy says what it holds. Only what
// differs is sent, whatever changed meanwhile, and at the end the proxy has what a new one would have.

const SERVICES = ["a", "b", "c", "d"] as const;
const NODE = sampleNode({ serviceAccount: "web", inbound: [sampleInbound()] });
const { Cluster } = envoy.config.cluster.v3;

interface Mesh {
  /** Of these there are instances, on these hosts. */
  readonly hosts: Readonly<Partial<Record<(typeof SERVICES)[number], number>>>;
  /** These the proxy may call. */
  readonly granted: readonly (typeof SERVICES)[number][];
}

const mesh: fc.Arbitrary<Mesh> = fc.record({
  hosts: fc.record({ a: fc.nat(2), b: fc.nat(2), c: fc.nat(2), d: fc.nat(2) }, { requiredKeys: [] }),
  granted: fc.subarray([...SERVICES]),
});

function startControlPlane({ hosts, granted }: Mesh): MeshConfigSource {
  const resources: Resource[] = [sampleGroup("any", [{ name: "any" }])];
  for (const [name, host] of Object.entries(hosts)) {
    resources.push(sampleService(name), sampleSlice(`${name}-0`, name, { port: 9000, address: `10.0.0.${host + 1}` }));
  }
  for (const name of granted)
    resources.push(sampleTarget(name, name, { sources: ["web"], rules: ["HTTPRouteGroup/any"] }));
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(compileModel(resources, null), SAMPLE_BUNDLE);
  return source;
}

/** A proxy that takes everything; its states live on from stream to stream. */
class Proxy {
  readonly states = new Map(
    DELIVERY_ORDER.map((type) => [
      type,
      new DeltaState(type, { wildcard: type === LISTENER_TYPE || type === CLUSTER_TYPE }),
    ]),
  );
  readonly #discovered = new Set<string>();

  constructor(node: ProxyNode) {
    this.#state(SECRET_TYPE).subscribe(["trust-bundle"]);
    this.#state(ROUTE_TYPE).subscribe([`outbound/${node.namespace}`]);
  }

  /** Resolves everything that a new stream brings; returns what was sent, as "type name version". */
  sync(session: StreamSession): readonly string[] {
    const sent: string[] = [];
    for (const state of this.states.values()) state.reset();
    for (let turns = 0; turns < 100; turns += 1) {
      for (const type of DELIVERY_ORDER) {
        const request = this.#state(type).takeRequest();
        if (request !== null) assert.equal(session.onRequest(request).failure, null);
      }
      const response = session.nextResponse();
      if (response === null) return sent;
      sent.push(...response.upserts.map(({ typeUrl, name, version }) => `${typeUrl} ${name} ${version}`));
      const resources = response.upserts.map(({ bytes }) => envoy.service.discovery.v3.Resource.decode(bytes));
      const state = this.#state(response.typeUrl);
      const { typeUrl, nonce, removals } = response;
      assert.ok("update" in state.receive({ typeUrl, nonce, resources, removedResources: [...removals] }));
      if (typeUrl === CLUSTER_TYPE) this.#followClusters(resources, removals);
      assert.equal(session.onRequest(state.answer([])).outcome, "ack");
    }
    throw new Error("It never ends");
  }

  held(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    return new Map([...this.states].map(([type, state]) => [type, new Map(state.held())]));
  }

  #followClusters(resources: readonly envoy.service.discovery.v3.Resource[], removals: readonly string[]): void {
    for (const { name, resource } of resources) {
      const isDiscovered = Cluster.decode(resource?.value ?? new Uint8Array()).type === Cluster.DiscoveryType.EDS;
      if (isDiscovered) this.#discovered.add(name ?? "");
      else this.#discovered.delete(name ?? "");
    }
    for (const name of removals) this.#discovered.delete(name);
    this.#state(ENDPOINT_TYPE).subscribe(this.#discovered);
  }

  #state(type: string): DeltaState {
    const state = this.states.get(type);
    assert.ok(state !== undefined);
    return state;
  }
}

function open(source: MeshConfigSource, noncePrefix: string): StreamSession {
  return new StreamSession({
    node: NODE,
    source,
    references: new ResourceReferences(),
    pool: createSubscriptionPool(),
    noncePrefix,
    resendsEndpoints: false,
    maxResponseBytes: 1 << 20,
  });
}

test("after a restart of the control plane a proxy is sent what differs from what it holds, and nothing else", () => {
  fc.assert(
    fc.property(mesh, mesh, fc.boolean(), (before, after, isSame) => {
      const proxy = new Proxy(NODE);
      const first = startControlPlane(before);
      proxy.sync(open(first, "1"));
      const held = proxy.held();
      const second = startControlPlane(isSame ? before : after);
      const sent = proxy.sync(open(second, "2"));
      const view = second.viewFor(NODE);
      for (const line of sent) {
        const [type = "", name = "", version = ""] = line.split(" ");
        assert.notEqual(held.get(type)?.get(name), version, `${name} was there already`);
      }
      if (isSame) assert.deepEqual(sent, []);
      for (const [type, state] of proxy.states) {
        const wanted = [...(view.get(type) ?? [])].map(([name, { version }]) => [name, version]);
        assert.deepEqual(new Map(state.held()), new Map(wanted as [string, string][]), type);
      }
    }),
    { numRuns: 300 },
  );
});
