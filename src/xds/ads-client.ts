import { envoy } from "#gen/protos.js";
import type { Log } from "../lib/log.ts";
import type { ProxyNodeMetadata } from "../proxy-node.ts";
import type { Random } from "../random/random.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { GrpcStream } from "./grpc-call.ts";
import type { GrpcClient } from "./grpc-client.ts";
import {
  formatGrpcStatus,
  GRPC_INTERNAL,
  GRPC_PERMISSION_DENIED,
  GRPC_UNAUTHENTICATED,
  GRPC_UNAVAILABLE,
  GrpcError,
  type GrpcStatus,
} from "./grpc-status.ts";
import { DeltaState, type ResourceUpsert } from "./delta-state.ts";
import { CLUSTER_TYPE, DELIVERY_ORDER, LISTENER_TYPE } from "./names.ts";
import { ReconnectBackoff } from "./reconnect-backoff.ts";
import { encodeRefusal, type Rejection } from "./rejections.ts";
import { toStruct } from "./struct-json.ts";

export interface AdsClientOptions {
  /** Its credentials may change; `refresh` is called when the control plane refused them. */
  readonly channel: Pick<GrpcClient, "openStream" | "refresh">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What this proxy is; its id is "<namespace>/<workload>". */
  readonly node: ProxyNodeMetadata;
  /**
   * Puts one response in force and returns what it refused; everything else of the response counts as accepted. Called for
   * empty responses too: the first one of listeners or clusters means "there are none". `removed` holds names that are gone
   * and names that were subscribed and do not exist. It may call `subscribe`. It must not throw; if it does, all of the
   * response counts as refused.
   */
  readonly apply: (
    typeUrl: string,
    upserts: readonly ResourceUpsert[],
    removed: readonly string[],
  ) => readonly Rejection[];
  /** By type: name to version of what is in force at the start, so that the control plane sends only what differs. */
  readonly held?: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface AdsClient {
  /** Connects, and keeps connecting until `close`. */
  start(): void;
  /** Replaces the names wanted of a type; not for listeners and clusters, of which everything is wanted. */
  subscribe(typeUrl: string, names: Iterable<string>): void;
  state(): AdsClientState;
  /** Ends the stream and opens another at once: the channel leads to another control plane now. */
  move(): void;
  close(): void;
}

/** For metrics and status pages. */
export interface AdsClientState {
  /** The control plane answered on the stream that is open now. */
  readonly connected: boolean;
  /** When the last response was applied; null before the first. */
  readonly lastUpdateWallMs: number | null;
  /** Streams that ended, attempts that failed included. */
  readonly disconnects: number;
  readonly responses: number;
  /** Responses of which something was refused. */
  readonly nacks: number;
  /** Why the last stream ended, or null. */
  readonly lastFailure: string | null;
}

const METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/** The proxy's ADS stream: everything of CDS and LDS, and of EDS, SDS and RDS what the proxy asks for by name. */
export function createAdsClient(options: AdsClientOptions): AdsClient {
  return new DeltaAdsClient(options);
}

class DeltaAdsClient implements AdsClient {
  readonly #options: AdsClientOptions;
  readonly #states: ReadonlyMap<string, DeltaState>;
  readonly #backoff: ReconnectBackoff;
  /** Grows with every stream; what comes late from an older one is dropped. */
  #generation = 0;
  #stream: GrpcStream | null = null;
  #timer: Timer | null = null;
  #isApplying = false;
  #isClosed = false;
  #nodeSent = false;
  #connected = false;
  #lastUpdateWallMs: number | null = null;
  #disconnects = 0;
  #responses = 0;
  #nacks = 0;
  #lastFailure: string | null = null;

  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#backoff = new ReconnectBackoff(options);
    this.#states = new Map(
      DELIVERY_ORDER.map((typeUrl) => {
        const wildcard = typeUrl === LISTENER_TYPE || typeUrl === CLUSTER_TYPE;
        return [typeUrl, new DeltaState(typeUrl, { wildcard, held: options.held?.get(typeUrl) ?? new Map() })];
      }),
    );
  }

  start(): void {
    if (this.#generation === 0) this.connect();
  }

  subscribe(typeUrl: string, names: Iterable<string>): void {
    const state = this.#states.get(typeUrl);
    if (state === undefined)
      throw new Error(`Cannot subscribe to ${typeUrl}; expected one of ${DELIVERY_ORDER.join(", ")}`);
    state.subscribe(names);
    // Inside apply(), changes ride on the answer or follow it.
    if (!this.#isApplying) this.#flush();
  }

  state(): AdsClientState {
    return {
      connected: this.#connected,
      lastUpdateWallMs: this.#lastUpdateWallMs,
      disconnects: this.#disconnects,
      responses: this.#responses,
      nacks: this.#nacks,
      lastFailure: this.#lastFailure,
    };
  }

  move(): void {
    if (this.#isClosed || this.#stream === null) return;
    this.#stream.cancel();
    this.#stream = null;
    this.connect();
  }

  close(): void {
    this.#isClosed = true;
    this.#generation += 1;
    this.#timer?.clear();
    this.#stream?.cancel();
    this.#stream = null;
    this.#connected = false;
  }

  connect(): void {
    this.#generation += 1;
    const generation = this.#generation;
    this.#timer = null;
    void this.#openStream(generation);
  }

  /** Never rejects. */
  async #openStream(generation: number): Promise<void> {
    let stream: GrpcStream;
    try {
      stream = await this.#options.channel.openStream(METHOD, {
        onMessage: (message) => {
          if (generation === this.#generation) this.#onMessage(message);
        },
        onEnd: (status) => {
          if (generation === this.#generation) this.#onEnd(status);
        },
      });
    } catch (error) {
      if (generation === this.#generation) this.#onEnd(toStatus(error));
      return;
    }
    if (generation === this.#generation) this.#onOpen(stream);
    else stream.cancel();
  }

  #onOpen(stream: GrpcStream): void {
    this.#stream = stream;
    this.#nodeSent = false;
    for (const state of this.#states.values()) state.reset();
    this.#flush();
  }

  #onEnd(status: GrpcStatus): void {
    this.#generation += 1;
    this.#stream = null;
    this.#disconnects += 1;
    this.#lastFailure = formatGrpcStatus(status);
    if (status.code === GRPC_UNAUTHENTICATED || status.code === GRPC_PERMISSION_DENIED) this.#options.channel.refresh();
    const delayMs = this.#backoff.nextDelayMs();
    const fields = { reason: this.#lastFailure, retryInMs: Math.round(delayMs) };
    // Told once per outage; the attempts that follow fail for the same reason.
    if (this.#connected || this.#disconnects === 1) {
      this.#options.log.warn("The control plane is out of reach; serving on with the configuration in force", fields);
    } else {
      this.#options.log.debug("The control plane is still out of reach", fields);
    }
    this.#connected = false;
    this.#timer = this.#options.clock.after(delayMs, reconnect, this);
  }

  #onMessage(message: Uint8Array): void {
    let response: envoy.service.discovery.v3.DeltaDiscoveryResponse;
    try {
      response = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(message);
    } catch (error) {
      this.#abort({ code: GRPC_INTERNAL, message: `a response cannot be decoded: ${String(error)}` });
      return;
    }
    this.#backoff.succeed();
    if (!this.#connected) this.#options.log.info("The control plane answers", { disconnects: this.#disconnects });
    this.#connected = true;
    this.#responses += 1;
    this.#onResponse(response);
    this.#flush();
  }

  #onResponse(response: envoy.service.discovery.v3.DeltaDiscoveryResponse): void {
    const typeUrl = response.typeUrl ?? "";
    const state = this.#states.get(typeUrl);
    if (state === undefined) {
      const errorDetail = encodeRefusal(`the type "${typeUrl}" was not asked for`);
      this.#refuse({ typeUrl, responseNonce: response.nonce ?? "", errorDetail });
      return;
    }
    const received = state.receive(response);
    if ("refusal" in received) {
      this.#refuse(received.refusal);
      return;
    }
    const { upserts, removed } = received.update;
    const rejections = this.#apply(typeUrl, upserts, removed);
    this.#lastUpdateWallMs = this.#options.clock.wallMs();
    if (rejections.length > 0) {
      this.#nacks += 1;
      this.#options.log.warn("Configuration was refused; the last good one stays in force", {
        type: typeUrl,
        rejections,
      });
    }
    this.#send(state.answer(rejections));
  }

  #apply(typeUrl: string, upserts: readonly ResourceUpsert[], removed: readonly string[]): readonly Rejection[] {
    this.#isApplying = true;
    try {
      return this.#options.apply(typeUrl, upserts, removed);
    } catch (error) {
      this.#options.log.error("Applying configuration failed", { type: typeUrl, error });
      const reason = `the proxy failed to apply it: ${error instanceof Error ? error.message : String(error)}`;
      return upserts.map(({ name }) => ({ name, reason }));
    } finally {
      this.#isApplying = false;
    }
  }

  #refuse(request: envoy.service.discovery.v3.DeltaDiscoveryRequest): void {
    this.#nacks += 1;
    this.#options.log.warn("A response was refused", { type: request.typeUrl, reason: request.errorDetail?.message });
    this.#send(request);
  }

  /** Tells the server about changed subscriptions, clusters first: the server orders its delivery by what it knows of. */
  #flush(): void {
    for (const typeUrl of DELIVERY_ORDER) {
      if (this.#stream === null) return;
      const request = this.#states.get(typeUrl)?.takeRequest() ?? null;
      if (request !== null) this.#send(request);
    }
  }

  #send(request: envoy.service.discovery.v3.DeltaDiscoveryRequest): void {
    const withNode = this.#nodeSent ? request : { ...request, node: encodeNode(this.#options.node) };
    this.#nodeSent = true;
    this.#stream?.write(envoy.service.discovery.v3.DeltaDiscoveryRequest.encode(withNode).finish());
  }

  #abort(status: GrpcStatus): void {
    const stream = this.#stream;
    this.#onEnd(status);
    stream?.cancel();
  }

  isClosed(): boolean {
    return this.#isClosed;
  }
}

function reconnect(client: DeltaAdsClient): void {
  if (!client.isClosed()) client.connect();
}

function encodeNode(metadata: ProxyNodeMetadata): envoy.config.core.v3.Node {
  return {
    id: `${metadata.namespace}/${metadata.workload}`,
    cluster: metadata.namespace,
    metadata: toStruct(metadata),
    userAgentName: "weft",
    userAgentVersion: metadata.weftVersion,
  };
}

function toStatus(error: unknown): GrpcStatus {
  if (error instanceof GrpcError) return { code: error.code, message: error.message };
  return { code: GRPC_UNAVAILABLE, message: error instanceof Error ? error.message : String(error) };
}
