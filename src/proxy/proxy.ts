import type {
  BoundAddress,
  InboundPort,
  IngressPort,
  UdpPort,
  ProxyBootstrap,
  ProxyNodeMetadata,
} from "../proxy-node.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { Random } from "../random/random.ts";
import type { Datagrams } from "../transport/datagrams.ts";
import type { Listener, Transport } from "../transport/transport.ts";
import type { AccessLog } from "../observe/access-log.ts";
import type { Log } from "../lib/log.ts";
import type { HeldResource } from "./config/config-disk.ts";
import type { Credentials } from "./runtime.ts";
import { EdgeTable } from "../observe/edge-stats.ts";
import { formatMetrics } from "../observe/prometheus-text.ts";
import { TimerWheel } from "../time/timer-wheel.ts";
import { WEFT_VERSION } from "../version.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "../xds/names.ts";
import { AdminConnection, type AdminAnswer } from "./admin/admin-connection.ts";
import { collectMetrics, type ProxyFacts } from "./admin/proxy-metrics.ts";
import { describeSnapshot } from "./admin/describe-snapshot.ts";
import { SnapshotBuilder } from "./config/snapshot-builder.ts";
import { FAILURES } from "./failures.ts";
import { ListenerSet } from "./listener/listener-set.ts";
import type { TrafficListeners } from "./listener/traffic-listeners.ts";
import { collectMeshNames } from "./mesh-names.ts";
import { RevocationList } from "../identity/revocation-list.ts";
import { NO_PEER_RULES, type PeerRules } from "../xds/peer-rules-secret.ts";
import { PeerGuard } from "./peer-guard.ts";
import { ProxyRuntime, createCredentials } from "./runtime.ts";
import { Stack } from "./stack.ts";
import { TcpSession } from "./tcp/tcp-session.ts";
import { UpstreamRegistry } from "./upstream/upstream-registry.ts";

/** Of the time to drain: for the ends of tunnels to reach both sides, so that they do not look like a crash. */
const FAREWELL_MS = 1_000;

/** Names of resources that the configuration refers to. */
export interface ConfigReferences {
  readonly endpointNames: readonly string[];
  readonly routeNames: readonly string[];
  /** Of server certificates. */
  readonly secretNames: readonly string[];
}

export interface ProxyOptions {
  readonly bootstrap: ProxyBootstrap;
  readonly transport: Transport;
  /** Default: the platform's. */
  readonly datagrams?: Datagrams;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly accessLog: AccessLog | null;
  /** "node 20.20.2", "bun 1.4.5". */
  readonly runtimeName: string;
  readonly facts: () => Pick<ProxyFacts, "residentBytes" | "certificateExpiryMs" | "xdsConnected" | "workers">;
  /** The names that captured connections may dial changed (sorted, lower-case, without trailing dot). */
  readonly onMeshNames: (names: readonly string[]) => void;
  /** The mesh's own roots (PEM) changed, or came for the first time. Default: nobody asks. */
  readonly onRoots?: (trustBundlePem: string) => void;
  /** Has an identity and a complete configuration for the first time. */
  readonly onReady: () => void;
  /** Which EDS and RDS names the configuration refers to. */
  readonly onReferences: (references: ConfigReferences) => void;
  /** Where traffic is served; left out: in this process. */
  readonly createTraffic?: (runtime: ProxyRuntime) => TrafficListeners;
  /** False for a worker, whose main process answers for it; default true. */
  readonly hasAdmin?: boolean;
}

/** What one proxy bound: the runner and the control plane are told. */
export interface BoundPorts {
  readonly outbound: BoundAddress | null;
  readonly udp?: readonly UdpPort[];
  readonly inbound: readonly InboundPort[];
  readonly ingress: readonly IngressPort[];
  readonly admin: BoundAddress;
}

export interface ResourceUpdate {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}

export interface ResourceRejection {
  readonly name: string;
  readonly reason: string;
}

/**
 * One proxy: sockets, the request path, and the configuration that rules it. It is told its identity and its resources;
 * where they come from (the control plane, the disk, a test) is not its business.
 */
export class Proxy {
  readonly runtime: ProxyRuntime;
  readonly #options: ProxyOptions;
  readonly #builder: SnapshotBuilder;
  readonly #upstreams: UpstreamRegistry;
  readonly #stack: Stack;
  readonly #listeners: TrafficListeners;
  readonly #guard: PeerGuard;
  readonly #held: Map<string, HeldResource> = new Map();
  #admin: Listener | null = null;
  #identity: Credentials | null = null;
  #bound: BoundPorts | null = null;
  #names: string = "";
  #ready: boolean = false;
  #drainTimer: Timer | null = null;

  constructor(options: ProxyOptions) {
    this.#options = options;
    const { bootstrap, clock } = options;
    const self = `${bootstrap.namespace}/${bootstrap.serviceAccount}`;
    this.runtime = new ProxyRuntime({
      transport: options.transport,
      ...(options.datagrams === undefined ? {} : { datagrams: options.datagrams }),
      clock,
      wheel: new TimerWheel(clock),
      random: options.random,
      edges: new EdgeTable(FAILURES.length),
      accessLog: options.accessLog,
      log: options.log,
      self,
      namespace: bootstrap.namespace,
      zone: bootstrap.zone ?? "",
    });
    const bundles = new Map([[bootstrap.trustDomain, bootstrap.trustBundlePem]]);
    this.#guard = new PeerGuard({ ownTrustDomain: bootstrap.trustDomain, bundles }, clock);
    this.#builder = new SnapshotBuilder(self);
    this.#upstreams = new UpstreamRegistry(this.runtime);
    this.#stack = new Stack(this.runtime, this.#upstreams);
    this.#listeners =
      options.createTraffic?.(this.runtime) ?? new ListenerSet(this.runtime, this.#stack, this.#upstreams);
  }

  /** Binds everything. Inbound ports speak mutual TLS from the first connection, so they need the identity. */
  async listen(identity: Credentials): Promise<BoundPorts> {
    this.#identity = identity;
    const credentials = this.#credentials(identity);
    this.runtime.credentials = credentials;
    const { bootstrap, transport } = this.#options;
    if (this.#options.hasAdmin !== false) {
      this.#admin = await transport.listen(
        { address: bootstrap.admin.address, port: bootstrap.admin.port, tls: null },
        () => new AdminConnection((path) => this.#page(path)),
      );
    }
    const outbound = bootstrap.outbound === null ? null : await this.#listeners.bindOutbound(bootstrap.outbound);
    const udp: UdpPort[] = [];
    for (const wanted of bootstrap.udp ?? []) udp.push(await this.#listeners.bindUdp(wanted));
    const ingress: IngressPort[] = [];
    for (const wanted of bootstrap.ingress) ingress.push(await this.#listeners.bindIngress(wanted));
    const inbound: InboundPort[] = [];
    for (const wanted of bootstrap.inbound) inbound.push(await this.#listeners.bindInbound(wanted, credentials));
    this.#bound = {
      outbound,
      ...(udp.length === 0 ? {} : { udp }),
      inbound,
      ingress,
      admin: { address: bootstrap.admin.address, port: this.#admin?.port ?? 0 },
    };
    return this.#bound;
  }

  /** The xDS node's metadata; only after `listen`. */
  metadata(): ProxyNodeMetadata {
    const { bootstrap, runtimeName } = this.#options;
    const bound = this.#bound;
    if (bound === null) throw new Error("The proxy has no ports before listen()");
    const { role, namespace, workload } = bootstrap;
    return { role, namespace, workload, runtime: runtimeName, weftVersion: WEFT_VERSION, ...bound };
  }

  /** A renewed certificate or other roots: used by every handshake from now on. */
  async setIdentity(identity: Credentials): Promise<void> {
    this.#identity = identity;
    await this.#useCredentials();
  }

  /** Takes a batch of resources of one type; what is refused keeps its last good version. */
  apply(typeUrl: string, upserts: readonly ResourceUpdate[], removed: readonly string[]): readonly ResourceRejection[] {
    const { counters, log } = this.runtime;
    const rejections: ResourceRejection[] = [];
    for (const { name, version, bytes } of upserts) {
      const reason = this.#builder.upsert(typeUrl, name, bytes);
      if (reason === null) {
        counters.xdsAccepted += 1;
        this.#held.set(`${typeUrl} ${name}`, { typeUrl, name, version, bytes });
      } else {
        counters.xdsRejected += 1;
        log.warn("configuration resource refused; the last good one stays", { typeUrl, name, reason });
        rejections.push({ name, reason });
      }
    }
    for (const name of removed) {
      this.#builder.remove(typeUrl, name);
      this.#held.delete(`${typeUrl} ${name}`);
    }
    if (typeUrl === CLUSTER_TYPE || typeUrl === LISTENER_TYPE) {
      this.#options.onReferences(this.references());
    }
    this.#publish();
    return rejections;
  }

  references(): ConfigReferences {
    return {
      endpointNames: this.#builder.endpointNames(),
      routeNames: this.#builder.routeNames(),
      secretNames: this.#builder.secretNames(),
    };
  }

  /** Every accepted resource, for the disk. */
  held(): Iterable<HeldResource> {
    return this.#held.values();
  }

  /** Stops taking new work and resolves when open exchanges have ended, or after `drainMs`. */
  async drain(drainMs: number): Promise<void> {
    const { runtime } = this;
    runtime.draining = true;
    // Callers learn from the control plane to go elsewhere; those that come meanwhile are served and told to close.
    for (const downstream of runtime.downstreams) downstream.drain();
    const closed = this.#listeners.close();
    const farewellMs = Math.min(FAREWELL_MS, drainMs / 2);
    await this.#idle(drainMs - farewellMs);
    this.#stack.endTunnels();
    await this.#idle(farewellMs);
    for (const downstream of [...runtime.downstreams]) downstream.close();
    await closed;
  }

  async close(): Promise<void> {
    await this.#listeners.close();
    await this.#admin?.close();
    for (const downstream of [...this.runtime.downstreams]) downstream.close();
    this.#stack.close();
    this.#upstreams.close();
    this.runtime.wheel.close();
    this.runtime.accessLog?.flush();
  }

  /** Resolves when no downstream is open, or after `limitMs`. */
  async #idle(limitMs: number): Promise<void> {
    const { runtime } = this;
    await new Promise<void>((resolve) => {
      runtime.onIdle = resolve;
      this.#drainTimer = runtime.clock.after(limitMs, resolve, undefined);
      if (runtime.downstreams.size === 0) resolve();
    });
    this.#drainTimer?.clear();
  }

  #publish(): void {
    const snapshot = this.#builder.build();
    // Pools first: a request that reads the new snapshot must find its clusters.
    if (this.#options.createTraffic === undefined) this.#upstreams.reconcile(snapshot);
    const before = this.runtime.snapshot;
    const rootsChanged =
      snapshot.trustBundlePem !== (before?.trustBundlePem ?? null) ||
      formatBundles(snapshot.peerRules) !== formatBundles(before?.peerRules ?? NO_PEER_RULES);
    this.runtime.snapshot = snapshot;
    if (snapshot.peerRules !== before?.peerRules) {
      this.#guard.setRevocations(new RevocationList(snapshot.peerRules.revoked));
    }
    if (snapshot.trustBundlePem !== null && snapshot.trustBundlePem !== (before?.trustBundlePem ?? null)) {
      this.#options.onRoots?.(snapshot.trustBundlePem);
    }
    if (rootsChanged && this.#identity !== null) void this.#useCredentials();
    for (const downstream of this.runtime.downstreams) if (downstream instanceof TcpSession) downstream.recheck();
    this.#stack.onSnapshot(snapshot);
    const names = collectMeshNames(snapshot);
    const text = names.join(" ");
    if (text !== this.#names) {
      this.#names = text;
      this.#options.onMeshNames(names);
    }
    if (!this.#ready && this.#builder.isComplete()) {
      this.#ready = true;
      this.#options.onReady();
    }
  }

  /** With the roots as they are now: of the certificate's answer until the control plane sent some. */
  #credentials(identity: Credentials): Credentials {
    const { trustDomain } = this.#options.bootstrap;
    const own = this.runtime.snapshot?.trustBundlePem ?? identity.trustBundlePem;
    const foreign = this.runtime.snapshot?.peerRules.bundles ?? NO_PEER_RULES.bundles;
    // The own one last: nobody else vouches for it.
    const bundles = new Map([...foreign, [trustDomain, own]]);
    this.#guard.setTrust({ ownTrustDomain: trustDomain, bundles });
    // To the TLS library a root is a root; whose identities it vouches for is the guard's to say.
    return createCredentials(identity.keyPair, [...bundles.values()].join("\n"), this.#guard);
  }

  async #useCredentials(): Promise<void> {
    if (this.#identity === null) return;
    const credentials = this.#credentials(this.#identity);
    this.runtime.credentials = credentials;
    try {
      await this.#listeners.reload(credentials);
    } catch (error) {
      // The old certificate goes on until it ends; saying so is all that can be done here.
      this.runtime.log.error("cannot use the renewed certificate on the inbound listener", { error });
    }
  }

  #page(path: string): AdminAnswer | null {
    switch (path) {
      case "/metrics":
        return { status: 200, body: formatMetrics(collectMetrics(this.runtime, this.#facts())) };
      case "/ready":
        return this.#ready && !this.runtime.draining
          ? { status: 200, body: "ready\n" }
          : { status: 503, body: this.runtime.draining ? "draining\n" : "waiting for configuration\n" };
      case "/stats":
        return {
          status: 200,
          body: `${JSON.stringify({
            counters: this.runtime.counters,
            timers: this.runtime.wheel.armedCount(),
            // With workers, theirs are not known here: the counters are, which sum them up.
            clusters: this.#upstreams.describe(),
            workers: this.#facts().workers,
          })}\n`,
        };
      case "/config_dump":
        return { status: 200, body: `${JSON.stringify(describeSnapshot(this.runtime.snapshot), null, 2)}\n` };
      default:
        return null;
    }
  }

  #facts(): ProxyFacts {
    return { ...this.#options.facts(), runtimeName: this.#options.runtimeName };
  }
}

function formatBundles({ bundles }: PeerRules): string {
  return [...bundles].flat().join(" ");
}
