import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Log } from "../../lib/log.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import {
  GRPC_RESOURCE_EXHAUSTED,
  GRPC_UNAUTHENTICATED,
  GRPC_UNAVAILABLE,
  GRPC_UNIMPLEMENTED,
} from "../../xds/grpc-status.ts";
import type { ChangeScope, ConfigSource } from "../config-source.ts";
import type { ProxyStatus } from "../views.ts";
import { AdsStream } from "./ads-stream.ts";
import { type AuthenticatedCall, authenticatePeer, type PeerIdentity } from "./peer-identity.ts";
import { decodeProxyNode } from "./proxy-node-decoder.ts";
import { ProxyRegistry } from "./proxy-registry.ts";
import { ResourceReferences } from "./resource-references.ts";
import { StreamSession } from "./stream-session.ts";
import { createSubscriptionPool } from "./subscription.ts";
import { Turns } from "./turns.ts";

export interface AdsServiceOptions {
  readonly source: ConfigSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Who is calling; null ends the stream with UNAUTHENTICATED. Default: the verified client certificate. */
  readonly authenticate?: (call: AuthenticatedCall) => PeerIdentity | null;
  /** More streams than this are refused with RESOURCE_EXHAUSTED. Default 10,000. */
  readonly maxStreams?: number;
  /** How long a stream may take to say who it is, and to subscribe to what it was just told about. Default 15,000. */
  readonly patienceMs?: number;
  /** Responses are cut at this size. Default 2 MiB: half of what gRPC clients take by default. */
  readonly maxResponseBytes?: number;
  /** How long a proxy that left is listed. Default one hour. */
  readonly keepLeftMs?: number;
  /** How many proxies that left are listed at most. Default 256. */
  readonly maxLeft?: number;
}

/** To be registered on a grpc-js Server: `server.addService(ads.definition, ads.implementation)`. */
export interface AdsService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  proxies(): readonly ProxyStatus[];
  /** What the proxy "<namespace>/<workload>" acknowledged, as JSON by type and name; null when it is not known. */
  proxyConfig(id: string): unknown;
  /** Ends the streams of peers who would not be let in now. */
  recheckPeers(): void;
  /** Ends every stream with UNAVAILABLE, so that proxies connect elsewhere or again. */
  close(): void;
}

/** What a grpc-js Server that carries ADS should be made with: dead proxies are noticed within half a minute. */
export const ADS_CHANNEL_OPTIONS: Readonly<Record<string, number>> = {
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // A reconnect names every subscription and every version held.
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
  "grpc.max_send_message_length": -1,
};

const SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService";
const MAX_STREAMS = 10_000;
const PATIENCE_MS = 15_000;
const MAX_RESPONSE_BYTES = 2 * 1024 * 1024;
const KEEP_LEFT_MS = 3_600_000;
const MAX_LEFT = 256;
/** Proxies that get a first configuration, or another large one, at the same time. */
const TURNS = 8;
const STALL_MS = 250;
const LINGER_MS = 10;
/** Streams that one turn of the event loop serves after a change; the rest wait for the next turn. */
const PUSH_BATCH = 64;
/** How our own proxy calls itself in node.user_agent_name. */
const OWN_USER_AGENT = "weft";

/** Envoy's aggregated discovery service, incremental variant, over `source`. */
export function createAdsService(options: AdsServiceOptions): AdsService {
  const server = new AdsServer(options);
  const raw = {
    requestStream: true,
    responseStream: true,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  };
  return {
    definition: {
      DeltaAggregatedResources: { path: `${SERVICE}/DeltaAggregatedResources`, ...raw },
      StreamAggregatedResources: { path: `${SERVICE}/StreamAggregatedResources`, ...raw },
    },
    implementation: {
      DeltaAggregatedResources: (call: ServerDuplexStream<Buffer, Buffer>) => server.accept(call),
      StreamAggregatedResources: refuseStateOfTheWorld,
    },
    proxies: () => server.registry.statuses(),
    proxyConfig: (id) => server.registry.config(id),
    recheckPeers: () => server.recheckPeers(),
    close: () => server.close(),
  };
}

class AdsServer {
  readonly registry: ProxyRegistry;
  readonly #options: AdsServiceOptions;
  readonly #references = new ResourceReferences();
  readonly #pool = createSubscriptionPool();
  readonly #turns: Turns;
  readonly #streams = new Map<AdsStream, AuthenticatedCall>();
  readonly #streamsById = new Map<string, AdsStream>();
  #accepted = 0;
  /** Streams whose view may have changed, in the order in which they will be served. */
  readonly #changed = new Set<AdsStream>();
  #pushTimer: Timer | null = null;
  readonly #stopWatching: () => void;
  #isClosed = false;

  constructor(options: AdsServiceOptions) {
    this.#options = options;
    this.#turns = new Turns({ clock: options.clock, count: TURNS, stallMs: STALL_MS, lingerMs: LINGER_MS });
    this.registry = new ProxyRegistry({
      clock: options.clock,
      keepLeftMs: options.keepLeftMs ?? KEEP_LEFT_MS,
      maxLeft: options.maxLeft ?? MAX_LEFT,
    });
    this.#stopWatching = options.source.onChange((concerns) => this.#onSourceChange(concerns));
  }

  accept(call: ServerDuplexStream<Buffer, Buffer>): void {
    const peer = (this.#options.authenticate ?? authenticatePeer)(call);
    if (peer === null) {
      call.emit("error", {
        code: GRPC_UNAUTHENTICATED,
        details: "Cannot serve configuration without a client certificate that holds one SPIFFE ID and one CN",
      });
      return;
    }
    const maxStreams = this.#options.maxStreams ?? MAX_STREAMS;
    if (this.#isClosed || this.#streams.size >= maxStreams) {
      call.emit("error", {
        code: this.#isClosed ? GRPC_UNAVAILABLE : GRPC_RESOURCE_EXHAUSTED,
        details: this.#isClosed
          ? "The control plane is stopping"
          : `The control plane serves ${maxStreams} streams already`,
      });
      return;
    }
    this.#start(call, peer);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWatching();
    this.#pushTimer?.clear();
    for (const stream of this.#streams.keys()) {
      stream.close({ code: GRPC_UNAVAILABLE, message: "The control plane is stopping" });
    }
  }

  recheckPeers(): void {
    for (const [stream, call] of this.#streams) {
      if ((this.#options.authenticate ?? authenticatePeer)(call) !== null) continue;
      stream.close({ code: GRPC_UNAUTHENTICATED, message: "The certificate is no longer accepted" });
    }
  }

  #start(call: ServerDuplexStream<Buffer, Buffer>, peer: PeerIdentity): void {
    const { clock, log, source } = this.#options;
    const stream: AdsStream = new AdsStream(call, {
      clock,
      log,
      turns: this.#turns,
      patienceMs: this.#options.patienceMs ?? PATIENCE_MS,
      open: (nodeMessage) => {
        const decoded = decodeProxyNode(nodeMessage, peer);
        if ("failure" in decoded) return decoded;
        this.#accepted += 1;
        const session = new StreamSession({
          node: decoded.node,
          source,
          references: this.#references,
          pool: this.#pool,
          noncePrefix: this.#accepted.toString(36),
          resendsEndpoints: nodeMessage.userAgentName !== OWN_USER_AGENT,
          maxResponseBytes: this.#options.maxResponseBytes ?? MAX_RESPONSE_BYTES,
        });
        this.#replace(decoded.node.id, stream);
        this.registry.join(session);
        log.info("A proxy connected", { proxy: decoded.node.id, spiffeId: peer.spiffeId });
        return { session };
      },
      onClose: () => this.#onStreamClose(stream),
    });
    this.#streams.set(stream, call);
  }

  /** A proxy has one stream: an older one is what a broken connection left behind, or a second process with its name. */
  #replace(id: string, stream: AdsStream): void {
    const old = this.#streamsById.get(id);
    this.#streamsById.set(id, stream);
    if (old === undefined) return;
    this.#options.log.warn("A proxy connected again while its old stream was open", { proxy: id });
    old.close({ code: GRPC_UNAVAILABLE, message: `A newer stream of "${id}" took over` });
  }

  #onStreamClose(stream: AdsStream): void {
    this.#streams.delete(stream);
    this.#changed.delete(stream);
    const session = stream.session();
    if (session === null) return;
    if (this.#streamsById.get(session.node.id) === stream) this.#streamsById.delete(session.node.id);
    this.registry.leave(session);
    this.#options.log.info("A proxy disconnected", { proxy: session.node.id });
  }

  #onSourceChange(concerns: ChangeScope): void {
    for (const stream of this.#streams.keys()) {
      const session = stream.session();
      // A stream without one reads its view when it says who it is.
      if (session === null || !concerns(session.node)) continue;
      session.onSourceChange();
      this.#changed.add(stream);
    }
    this.#schedulePush();
  }

  #schedulePush(): void {
    if (this.#pushTimer !== null || this.#changed.size === 0 || this.#isClosed) return;
    this.#pushTimer = this.#options.clock.after(0, pushChanged, this);
  }

  pushChanged(): void {
    this.#pushTimer = null;
    let left = PUSH_BATCH;
    for (const stream of this.#changed) {
      if (left === 0) break;
      left -= 1;
      this.#changed.delete(stream);
      stream.push();
    }
    this.#schedulePush();
  }
}

function pushChanged(server: AdsServer): void {
  server.pushChanged();
}

function passThrough(bytes: Buffer): Buffer {
  return bytes;
}

function refuseStateOfTheWorld(call: ServerDuplexStream<Buffer, Buffer>): void {
  call.emit("error", {
    code: GRPC_UNIMPLEMENTED,
    details: "weft serves incremental xDS only; set ads_config.api_type to DELTA_GRPC",
  });
}
