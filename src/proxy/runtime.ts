import type { Clock } from "../time/clock.ts";
import type { TimerWheel } from "../time/timer-wheel.ts";
import type { Random } from "../random/random.ts";
import type { KeyPair, PeerVerifier, TlsClientOptions, Transport } from "../transport/transport.ts";
import type { EdgeTable } from "../observe/edge-stats.ts";
import type { AccessLog } from "../observe/access-log.ts";
import type { Log } from "../lib/log.ts";
import type { EvenDraw } from "./route/even-draw.ts";
import type { Snapshot, WeightedClusters } from "./snapshot.ts";
import { TCP_ALPN, UDP_ALPN } from "../xds/names.ts";
import type { Datagrams } from "../transport/datagrams.ts";
import { NodeDatagrams } from "../transport/node-datagrams.ts";
import { ProxyCounters } from "./counters.ts";
import { LoadReport } from "./load/load-report.ts";

/** What every part of one proxy shares. One per worker; nothing in it is global to the process. */
export class ProxyRuntime {
  readonly transport: Transport;
  readonly datagrams: Datagrams;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly edges: EdgeTable;
  readonly counters: ProxyCounters = new ProxyCounters();
  /** How far each split has come. */
  readonly splitDraws: WeakMap<WeightedClusters, EvenDraw> = new WeakMap();
  /** How busy the app beside this proxy is. */
  readonly loadReport: LoadReport;
  readonly accessLog: AccessLog | null;
  readonly log: Log;
  /** "<namespace>/<service account>" of this proxy. */
  readonly self: string;
  readonly namespace: string;
  /** Where this proxy runs; "" = unknown. Instances of the same zone are preferred. */
  readonly zone: string;
  /** Replaced as a whole by the configuration side; requests read it once. Null until the first one. */
  snapshot: Snapshot | null = null;
  /** Current SVID and roots; null until the first certificate. */
  credentials: Credentials | null = null;
  /** Own plain listeners' ports, to refuse calls that would come back. */
  readonly ownPorts: Set<number> = new Set();
  /** Open downstream connections and sessions, for drain and for policies that change under them. */
  readonly downstreams: Set<Drainable> = new Set();
  /** Those that workers hold; in the main process of workers only. */
  workerDownstreams: number = 0;
  /** Called once when the last downstream is gone; set by whoever drains. */
  onIdle: (() => void) | null = null;
  /** Set once draining begins: answers carry `connection: close`. */
  draining: boolean = false;

  constructor(options: ProxyRuntimeOptions) {
    this.transport = options.transport;
    this.datagrams = options.datagrams ?? new NodeDatagrams();
    this.clock = options.clock;
    this.wheel = options.wheel;
    this.random = options.random;
    this.edges = options.edges;
    this.loadReport = new LoadReport(options.clock);
    this.accessLog = options.accessLog;
    this.log = options.log;
    this.self = options.self;
    this.namespace = options.namespace;
    this.zone = options.zone ?? "";
  }

  /** An open downstream has closed. */
  forget(downstream: Drainable): void {
    this.downstreams.delete(downstream);
    if (this.downstreams.size === 0) this.onIdle?.();
  }
}

/** An open downstream connection: what is asked of it when the proxy drains. */
export interface Drainable {
  /** Finish what is open, take nothing new, close. */
  drain(): void;
  /** Ends now, whatever is open. */
  close(): void;
}

export interface Credentials {
  readonly keyPair: KeyPair;
  readonly trustBundlePem: string;
  /** Left out: not for use yet; a proxy adds its own. */
  readonly peers?: PeerVerifier;
  /** One object for all links dialled with these credentials, so that the transport makes one context for them. */
  readonly linkTls: TlsClientOptions;
  /** The same for connections of opaque bytes. */
  readonly tcpTls: TlsClientOptions;
  /** And for flows of UDP. */
  readonly udpTls: TlsClientOptions;
}

/** What carries requests between proxies. */
export const LINK_ALPN: readonly string[] = ["h2", "http/1.1"];

export function createCredentials(keyPair: KeyPair, trustBundlePem: string, peers?: PeerVerifier): Credentials {
  const verified = { keyPair, trustBundlePem, ...(peers === undefined ? {} : { peers }) };
  const own = { ...verified, serverName: null };
  return {
    ...verified,
    linkTls: { ...own, alpn: LINK_ALPN },
    tcpTls: { ...own, alpn: [TCP_ALPN] },
    udpTls: { ...own, alpn: [UDP_ALPN] },
  };
}

export interface ProxyRuntimeOptions {
  readonly transport: Transport;
  /** Default: the platform's. */
  readonly datagrams?: Datagrams;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly edges: EdgeTable;
  readonly accessLog: AccessLog | null;
  readonly log: Log;
  readonly self: string;
  readonly namespace: string;
  /** Default "". */
  readonly zone?: string;
}
