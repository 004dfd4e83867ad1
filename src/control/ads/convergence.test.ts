import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { envoy } from "#gen/protos.js";
import {
  createTestCluster,
  createTestEndpoints,
  createTestListener,
  createTestRoutes,
  MemoryConfigSource,
} from "../../testing/memory-config-source.ts";
import { DeltaState } from "../../xds/delta-state.ts";
import { CLUSTER_TYPE, DELIVERY_ORDER, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";
import type { Rejection } from "../../xds/rejections.ts";
import type { EncodedResource, ProxyNode } from "../config-source.ts";
import { encodeDeltaResponse } from "./delta-response.ts";
import { type References, ResourceReferences } from "./resource-references.ts";
import { StreamSession } from "./stream-session.ts";

/**
 * Server and client state machines joined by a pipe that keeps order and loses everything when the stream breaks. Whatever
 * the interleaving of changes, deliveries and reconnects: the proxy ends with the source's view; no route ever sends to a
 * cluster, or to a cluster without endpoints, that the proxy does not have; and nothing unchanged is sent again.
 */
interface World {
  /** Cluster number to the number of its version; clusters of an even number get endpoints by EDS. */
  readonly clusters: readonly (readonly [number, number])[];
  /** Positions in `clusters`; [] = the listener and its routes do not exist. */
  readonly routes: readonly number[];
  /** Position in `clusters` for a TCP listener, or -1 for none. */
  readonly tcp: number;
  readonly hosts: number;
}

type Step = { readonly do: "change"; readonly world: World } | { readonly do: "up" | "down" | "break" };

/** The version that the proxy refuses. */
const BAD = 3;

const worlds: fc.Arbitrary<World> = fc.record({
  clusters: fc.uniqueArray(
    fc.tuple(fc.nat(2), fc.oneof({ weight: 6, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.constant(BAD) })),
    { selector: ([number]) => number, maxLength: 3 },
  ),
  routes: fc.array(fc.nat(2), { maxLength: 2 }),
  tcp: fc.integer({ min: -1, max: 2 }),
  hosts: fc.nat(1),
});

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: worlds.map((world): Step => ({ do: "change", world })) },
    { weight: 6, arbitrary: fc.constant<Step>({ do: "up" }) },
    { weight: 6, arbitrary: fc.constant<Step>({ do: "down" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "break" }) },
  ),
  // Without a size fast-check stays near ten steps, which is too short to come back to an earlier state.
  { maxLength: 80, size: "max" },
);

for (const resendsEndpoints of [false, true]) {
  test(`ADS converges, makes before it breaks and repeats nothing (resendsEndpoints: ${resendsEndpoints})`, () => {
    fc.assert(
      fc.property(steps, worlds, (before, last) => {
        const mesh = new Mesh(resendsEndpoints);
        for (const step of before) mesh.run(step);
        const goodEnd = {
          ...last,
          clusters: last.clusters.map(([number, version]) => [number, version % BAD] as const),
        };
        mesh.run({ do: "change", world: goodEnd });
        mesh.settle();
        mesh.assertConverged();
      }),
      { seed: 7, numRuns: 1_500 },
    );
  });
}

const NODE = { id: "default/web-0" } as ProxyNode;

class Mesh {
  readonly #source = new MemoryConfigSource();
  readonly #references = new ResourceReferences();
  readonly #resendsEndpoints: boolean;
  readonly #proxy = new ModelProxy();
  #session: StreamSession;
  #up: Uint8Array[] = [];
  #down: Uint8Array[] = [];
  #streams = 0;

  constructor(resendsEndpoints: boolean) {
    this.#resendsEndpoints = resendsEndpoints;
    this.#session = this.#openStream();
  }

  run(step: Step): void {
    switch (step.do) {
      case "change":
        this.#change(step.world);
        break;
      case "up":
        this.#deliverUp();
        break;
      case "down":
        this.#deliverDown();
        break;
      case "break":
        this.#session = this.#openStream();
        break;
    }
  }

  settle(): void {
    for (let turn = 0; this.#up.length + this.#down.length > 0; turn += 1) {
      assert.ok(turn < 1_000, "the two sides never come to rest");
      this.#deliverUp();
      this.#deliverDown();
    }
  }

  assertConverged(): void {
    const view = (typeUrl: string): ReadonlyMap<string, EncodedResource> => this.#source.resources(typeUrl);
    for (const typeUrl of [CLUSTER_TYPE, LISTENER_TYPE]) {
      assert.deepEqual(this.#proxy.versions(typeUrl), versionsOf(view(typeUrl).values()), typeUrl);
    }
    const wanted = this.#proxy.wanted();
    for (const typeUrl of [ENDPOINT_TYPE, ROUTE_TYPE]) {
      const names = wanted.get(typeUrl) ?? new Set();
      const expected = [...view(typeUrl).values()].filter(({ name }) => names.has(name));
      assert.deepEqual(this.#proxy.versions(typeUrl), versionsOf(expected), typeUrl);
    }
    assert.equal(this.#session.waitsForProxy(), false);
    for (const { type, state, reason } of this.#session.types())
      assert.equal(state, "SYNCED", `${type}: ${String(reason)}`);
  }

  #openStream(): StreamSession {
    this.#streams += 1;
    this.#up = [];
    this.#down = [];
    this.#proxy.openStream();
    this.#up.push(...this.#proxy.takeRequests());
    return new StreamSession({
      node: NODE,
      source: this.#source,
      references: this.#references,
      noncePrefix: String(this.#streams),
      resendsEndpoints: this.#resendsEndpoints,
      maxResponseBytes: 200,
    });
  }

  #change(world: World): void {
    for (const typeUrl of DELIVERY_ORDER) {
      for (const name of this.#source.resources(typeUrl).keys()) this.#source.delete(typeUrl, name);
    }
    const names: string[] = [];
    const put = (resource: EncodedResource): void => {
      this.#proxy.remember(resource);
      this.#source.put(resource);
    };
    for (const [number, version] of world.clusters) {
      const name = `c${number}`;
      names.push(name);
      put(createTestCluster(name, { eds: number % 2 === 0, note: version === BAD ? "bad" : String(version) }));
      if (number % 2 === 0) put(createTestEndpoints(name, [`10.0.0.${world.hosts}`]));
    }
    const routed = world.routes.flatMap((position) => names[position] ?? []);
    if (routed.length > 0) {
      put(createTestListener("http", { routes: "routes" }));
      put(createTestRoutes("routes", routed));
    }
    const target = names[world.tcp];
    if (target !== undefined) put(createTestListener("tcp", { cluster: target }));
    this.#session.onSourceChange();
    this.#pump();
  }

  #deliverUp(): void {
    const bytes = this.#up.shift();
    if (bytes === undefined) return;
    const { failure } = this.#session.onRequest(envoy.service.discovery.v3.DeltaDiscoveryRequest.decode(bytes));
    assert.equal(failure, null);
    this.#pump();
  }

  #deliverDown(): void {
    const bytes = this.#down.shift();
    if (bytes === undefined) return;
    this.#up.push(...this.#proxy.receive(bytes, this.#resendsEndpoints));
  }

  #pump(): void {
    for (let next = this.#session.nextResponse(); next !== null; next = this.#session.nextResponse()) {
      this.#down.push(encodeDeltaResponse(next));
    }
    // At most one response of each type is ever under way.
    assert.ok(this.#down.length <= DELIVERY_ORDER.length);
  }
}

/** A proxy that asks for the endpoints of its clusters and the routes of its listeners, and refuses bad clusters. */
class ModelProxy {
  readonly #states = new Map(
    DELIVERY_ORDER.map((typeUrl) => [
      typeUrl,
      new DeltaState(typeUrl, { wildcard: typeUrl === CLUSTER_TYPE || typeUrl === LISTENER_TYPE }),
    ]),
  );
  readonly #inForce = new Map<string, Map<string, EncodedResource>>(
    DELIVERY_ORDER.map((typeUrl) => [typeUrl, new Map()]),
  );
  readonly #known = new Map<string, EncodedResource>();
  readonly #references = new ResourceReferences();
  /** "type name" that may be sent again unchanged: refused since, or asked for twice on this stream. */
  readonly #mayRepeat = new Set<string>();
  readonly #asked = new Set<string>();

  remember(resource: EncodedResource): void {
    this.#known.set(`${resource.typeUrl} ${resource.version}`, resource);
  }

  openStream(): void {
    this.#asked.clear();
    for (const state of this.#states.values()) state.reset();
  }

  takeRequests(): readonly Uint8Array[] {
    return DELIVERY_ORDER.flatMap((typeUrl) => {
      const request = this.#states.get(typeUrl)?.takeRequest() ?? null;
      return request === null ? [] : [this.#encode(request)];
    });
  }

  receive(bytes: Uint8Array, mayRepeatEndpoints: boolean): readonly Uint8Array[] {
    const response = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes);
    const typeUrl = response.typeUrl ?? "";
    const state = this.#state(typeUrl);
    const received = state.receive(response);
    assert.ok("update" in received, "the server's response is well-formed");
    const rejections: Rejection[] = [];
    const resources = this.#resources(typeUrl);
    for (const name of received.update.removed) resources.delete(name);
    for (const { name, version } of received.update.upserts) {
      const resource = this.#known.get(`${typeUrl} ${version}`);
      assert.ok(resource !== undefined);
      const key = `${typeUrl} ${name}`;
      const isRepeated = state.held().get(name) === version;
      const isAllowed = this.#mayRepeat.has(key) || (mayRepeatEndpoints && typeUrl === ENDPOINT_TYPE);
      assert.ok(!isRepeated || isAllowed, `${key} was sent again unchanged`);
      // A response that was under way when the name was asked for again is not the answer to that.
      if (isRepeated) this.#mayRepeat.delete(key);
      if (isBad(resource)) {
        rejections.push({ name, reason: "it is bad" });
        this.#mayRepeat.add(key);
      } else {
        resources.set(name, resource);
      }
    }
    this.#subscribe();
    this.#assertMadeBeforeBroken();
    return [this.#encode(state.answer(rejections)), ...this.takeRequests()];
  }

  versions(typeUrl: string): Record<string, string> {
    return versionsOf(this.#resources(typeUrl).values());
  }

  wanted(): ReadonlyMap<string, ReadonlySet<string>> {
    const endpoints = this.#referred(CLUSTER_TYPE).flatMap((references) => references.endpoints ?? []);
    const routes = this.#referred(LISTENER_TYPE).flatMap((references) => references.routes);
    return new Map([
      [ENDPOINT_TYPE, new Set(endpoints)],
      [ROUTE_TYPE, new Set(routes)],
    ]);
  }

  #subscribe(): void {
    for (const [typeUrl, names] of this.wanted()) {
      this.#state(typeUrl).subscribe(names);
      const resources = this.#resources(typeUrl);
      for (const name of resources.keys()) if (!names.has(name)) resources.delete(name);
    }
  }

  #assertMadeBeforeBroken(): void {
    const senders = [...this.#referred(ROUTE_TYPE), ...this.#referred(LISTENER_TYPE)];
    for (const name of senders.flatMap(({ clusters }) => clusters)) {
      const cluster = this.#resources(CLUSTER_TYPE).get(name);
      assert.ok(cluster !== undefined, `traffic goes to ${name}, which the proxy does not have`);
      const { endpoints } = this.#references.of(cluster);
      if (endpoints !== null)
        assert.ok(this.#resources(ENDPOINT_TYPE).has(endpoints), `traffic goes to ${name} without endpoints`);
    }
  }

  #referred(typeUrl: string): readonly References[] {
    return [...this.#resources(typeUrl).values()].map((resource) => this.#references.of(resource));
  }

  #encode(request: envoy.service.discovery.v3.DeltaDiscoveryRequest): Uint8Array {
    for (const name of request.resourceNamesSubscribe ?? []) {
      const key = `${request.typeUrl ?? ""} ${name}`;
      if (this.#asked.has(key)) this.#mayRepeat.add(key);
      this.#asked.add(key);
    }
    return envoy.service.discovery.v3.DeltaDiscoveryRequest.encode(request).finish();
  }

  #state(typeUrl: string): DeltaState {
    const state = this.#states.get(typeUrl);
    assert.ok(state !== undefined);
    return state;
  }

  #resources(typeUrl: string): Map<string, EncodedResource> {
    const resources = this.#inForce.get(typeUrl);
    assert.ok(resources !== undefined);
    return resources;
  }
}

function isBad(resource: EncodedResource): boolean {
  return resource.typeUrl === CLUSTER_TYPE && Buffer.from(resource.bytes).includes("bad");
}

function versionsOf(resources: Iterable<EncodedResource>): Record<string, string> {
  return Object.fromEntries([...resources].map(({ name, version }) => [name, version]));
}
