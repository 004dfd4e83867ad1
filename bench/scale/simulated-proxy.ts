import { envoy } from "#gen/protos.js";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import type { GrpcStream } from "../../src/xds/grpc-call.ts";
import { GrpcClient } from "../../src/xds/grpc-client.ts";
import {
  CLUSTER_TYPE,
  DELIVERY_ORDER,
  ENDPOINT_TYPE,
  formatOutboundRoutes,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
  TRUST_BUNDLE_SECRET,
} from "../../src/xds/names.ts";
import { ReconnectBackoff } from "../../src/xds/reconnect-backoff.ts";
import { toStruct } from "../../src/xds/struct-json.ts";
import { encodeSubscribe, HeldResources } from "./held-resources.ts";
import { type AckRow, type LoadOrder, type LoadProxy, readMonotonicMs } from "./load-orders.ts";
import { type ReadResponse, readResponse } from "./response-reader.ts";
import type { ServerGate } from "./server-gate.ts";

const METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const { DeltaDiscoveryRequest } = envoy.service.discovery.v3;

export interface SimulatedProxyEvents {
  /** Waited for before each attempt to connect. */
  readonly gate: ServerGate;
  readonly onAck: (row: AckRow) => void;
  readonly onDisconnect: (reason: string) => void;
}

/**
 * The ADS side of a sidecar: it asks for what a sidecar asks for, in its order, acknowledges at once whatever comes, and
 * comes back with the versions it holds. It applies nothing.
 */
export class SimulatedProxy {
  readonly #proxy: LoadProxy;
  readonly #client: GrpcClient;
  readonly #gate: ServerGate;
  readonly #backoff: ReconnectBackoff;
  readonly #onAck: (row: AckRow) => void;
  readonly #onDisconnect: (reason: string) => void;
  readonly #held: ReadonlyMap<string, HeldResources> = new Map(
    DELIVERY_ORDER.map((type) => [type, new HeldResources()]),
  );
  /** Types answered on this stream. */
  readonly #answered = new Set<string>();
  /** Clusters that get their endpoints by EDS. */
  readonly #discovered = new Set<string>();
  /** Endpoints asked for on this stream. */
  readonly #asked = new Set<string>();
  #wasComplete = false;
  #stream: GrpcStream | null = null;

  constructor(proxy: LoadProxy, order: LoadOrder, events: SimulatedProxyEvents) {
    this.#proxy = proxy;
    this.#gate = events.gate;
    this.#onAck = events.onAck;
    this.#onDisconnect = events.onDisconnect;
    this.#backoff = new ReconnectBackoff({ clock: systemClock, random: createSeededRandom(proxy.index) });
    const { keyPem, certificateChainPem } = proxy;
    const credentials = { keyPair: { keyPem, certificateChainPem }, trustBundlePem: order.trustBundlePem };
    this.#client = new GrpcClient({
      host: "127.0.0.1",
      port: order.xdsPort,
      serverSpiffeId: order.serverSpiffeId,
      credentials: () => credentials,
      clock: systemClock,
      connectTimeoutMs: 30_000,
      keepaliveTimeoutMs: 30_000,
    });
  }

  async connect(): Promise<void> {
    try {
      this.#stream = await this.#client.openStream(METHOD, {
        onMessage: (message) => this.#onMessage(message),
        onEnd: (status) => this.#onEnd(`${status.code} ${status.message}`),
      });
    } catch (error) {
      this.#onEnd(String(error));
      return;
    }
    this.#answered.clear();
    this.#asked.clear();
    this.#wasComplete = false;
    this.#sendFirst(CLUSTER_TYPE, []);
    const services = [...this.#discovered];
    if (services.length > 0) this.#subscribeEndpoints(services);
    this.#sendFirst(SECRET_TYPE, [TRUST_BUNDLE_SECRET]);
    this.#sendFirst(LISTENER_TYPE, []);
    if (this.#of(LISTENER_TYPE).size > 0) this.#sendFirst(ROUTE_TYPE, this.#routeNames());
  }

  #onEnd(reason: string): void {
    this.#stream = null;
    this.#onDisconnect(reason);
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    await this.#gate.whenOpen();
    systemClock.after(this.#backoff.nextDelayMs(), (proxy: SimulatedProxy) => void proxy.connect(), this);
  }

  #onMessage(message: Uint8Array): void {
    this.#backoff.succeed();
    const response = readResponse(message);
    const { typeUrl, nonce, upserts, removals } = response;
    const held = this.#of(typeUrl);
    let repeats = 0;
    for (let i = 0; i < upserts.length; i += 2) if (!held.put(upserts[i] ?? "", upserts[i + 1] ?? "")) repeats += 1;
    for (const name of removals) held.remove(name);
    const isFirst = !this.#answered.has(typeUrl);
    this.#answered.add(typeUrl);
    this.#stream?.write(DeltaDiscoveryRequest.encode({ typeUrl, responseNonce: nonce }).finish());
    if (typeUrl === CLUSTER_TYPE) this.#followClusters(response);
    if (typeUrl === LISTENER_TYPE && isFirst && upserts.length > 0) this.#sendFirst(ROUTE_TYPE, this.#routeNames());
    this.#onAck({
      proxy: this.#proxy.index,
      atMs: readMonotonicMs(),
      bytes: message.length,
      upserts: upserts.length / 2,
      removals: removals.length,
      repeats,
      isEndpoints: typeUrl === ENDPOINT_TYPE,
      isComplete: this.#checkComplete(),
    });
  }

  /** True once for each stream. */
  #checkComplete(): boolean {
    if (this.#wasComplete || !this.#answered.has(CLUSTER_TYPE) || !this.#answered.has(LISTENER_TYPE)) return false;
    const endpoints = this.#of(ENDPOINT_TYPE);
    if (this.#of(ROUTE_TYPE).size === 0 || this.#of(SECRET_TYPE).size === 0) return false;
    for (const name of this.#asked) if (!endpoints.has(name)) return false;
    this.#wasComplete = true;
    return true;
  }

  /** Asks for the endpoints of new clusters, and no longer for those of clusters that have none any more. */
  #followClusters({ upserts, discovered, removals }: ReadResponse): void {
    const now = new Set(discovered);
    const gone = [...upserts.filter((name, at) => at % 2 === 0 && !now.has(name)), ...removals];
    const news = discovered.filter((name) => !this.#asked.has(name));
    for (const name of discovered) this.#discovered.add(name);
    for (const name of gone) {
      if (!this.#discovered.delete(name)) continue;
      this.#asked.delete(name);
      this.#of(ENDPOINT_TYPE).remove(name);
      this.#stream?.write(
        DeltaDiscoveryRequest.encode({ typeUrl: ENDPOINT_TYPE, resourceNamesUnsubscribe: [name] }).finish(),
      );
    }
    if (news.length > 0) this.#subscribeEndpoints(news);
  }

  #subscribeEndpoints(names: readonly string[]): void {
    const isFirst = this.#asked.size === 0;
    for (const name of names) this.#asked.add(name);
    if (isFirst) this.#sendFirst(ENDPOINT_TYPE, names);
    else this.#stream?.write(Buffer.concat([encodeType(ENDPOINT_TYPE), ...names.map(encodeSubscribe)]));
  }

  #sendFirst(typeUrl: string, names: readonly string[]): void {
    const head = typeUrl === CLUSTER_TYPE ? encodeNode(this.#proxy, typeUrl) : encodeType(typeUrl);
    this.#stream?.write(Buffer.concat([head, ...names.map(encodeSubscribe), ...this.#of(typeUrl).encodeVersions()]));
  }

  #routeNames(): readonly string[] {
    return [formatOutboundRoutes(this.#proxy.metadata.namespace)];
  }

  #of(typeUrl: string): HeldResources {
    const held = this.#held.get(typeUrl);
    if (held === undefined) throw new Error(`Found a response of type ${typeUrl}, which nobody asked for`);
    return held;
  }
}

function encodeType(typeUrl: string): Uint8Array {
  return DeltaDiscoveryRequest.encode({ typeUrl }).finish();
}

function encodeNode({ metadata }: LoadProxy, typeUrl: string): Uint8Array {
  const node = {
    id: `${metadata.namespace}/${metadata.workload}`,
    cluster: metadata.namespace,
    metadata: toStruct(metadata),
    userAgentName: "weft",
    userAgentVersion: metadata.weftVersion,
  };
  return DeltaDiscoveryRequest.encode({ typeUrl, node }).finish();
}
