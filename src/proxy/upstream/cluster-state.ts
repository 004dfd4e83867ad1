import type { Balancer } from "../balance/host.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig, EndpointConfig } from "../snapshot.ts";
import type { DialTarget } from "../route/dial-target.ts";
import { createBalancer } from "../balance/create-balancer.ts";
import { ClusterHealth } from "../health/cluster-health.ts";
import { EndpointProber } from "../health/endpoint-prober.ts";
import { OverloadGate } from "../overload/overload-gate.ts";
import { RetryBudget } from "./retry-budget.ts";
import { EndpointState } from "./endpoint-state.ts";

/** How many endpoints of a cluster get a connection before they are needed. */
const WARM_ENDPOINTS = 16;
/** Hosts outside the mesh that keep their connections; the least recently used goes first. */
const MAX_DYNAMIC_ENDPOINTS = 256;

/** What is remembered of one cluster, across snapshots: its endpoints with their connections, and who is to be picked. */
export class ClusterState {
  readonly runtime: ProxyRuntime;
  config: ClusterConfig;
  readonly retryBudget: RetryBudget;
  readonly health: ClusterHealth<EndpointState>;
  /** In front of the app beside this proxy; null where no policy asks for it. */
  gate: OverloadGate | null = null;
  /** By "address:port". */
  readonly #states: Map<string, EndpointState> = new Map();
  #endpoints: EndpointState[] = [];
  /** Of EDS clusters; the app beside this proxy and hosts outside the mesh leave nothing to choose. */
  #balancer: Balancer<EndpointState> | null = null;
  /** The only endpoint there is, when it may be used in any state. */
  #only: EndpointState | null = null;
  #used: boolean = false;
  /** The most recently used host outside the mesh, which is usually the next one too. */
  #newest: { readonly target: DialTarget; readonly state: EndpointState } | null = null;

  constructor(runtime: ProxyRuntime, config: ClusterConfig) {
    this.runtime = runtime;
    this.config = config;
    this.retryBudget = new RetryBudget(runtime.clock, config.policy.retryBudget);
    const { clock, wheel, random, log, counters } = runtime;
    this.health = new ClusterHealth<EndpointState>({
      ...{ service: config.name, clock, wheel, random, log, counters, policy: config.policy },
      onChange: () => this.#balancer?.healthChanged(),
      // Hosts outside the mesh are nobody's to check.
      prober: config.kind === "dynamic" ? null : new EndpointProber(),
    });
    this.#balancer = this.#createBalancer(config);
    this.update(config);
  }

  /**
   * As the cluster's balancing policy has it, by requests (for opaque bytes, connections) in flight. `hash` 0 = any;
   * `avoided` is passed over when there is another. Null when there is none.
   */
  pick(hash: number, avoided: EndpointState | null): EndpointState | null {
    if (!this.#used) this.#warm();
    if (this.#only !== null) return this.#only;
    return this.#balancer === null ? null : this.#balancer.pick(hash, avoided, this.runtime.clock.nowMs());
  }

  /** An attempt at `endpoint` was answered, or failed. */
  observe(endpoint: EndpointState, outcome: number, latencyMs: number): void {
    const nowMs = this.runtime.clock.nowMs();
    this.health.record(endpoint, outcome, latencyMs, nowMs);
    // One instance is compared with none.
    if (this.#only === null) this.#balancer?.observe(endpoint, outcome, latencyMs, nowMs);
  }

  /** For the dynamic cluster: the endpoint of a host outside the mesh. */
  pickDynamic(target: DialTarget): EndpointState {
    const newest = this.#newest;
    if (newest !== null && newest.target === target) return newest.state;
    const state = this.#dynamicState(target.host, target.port);
    this.#newest = { target, state };
    return state;
  }

  /** Found or made, and the most recently used from now on. */
  #dynamicState(address: string, port: number): EndpointState {
    const key = `${address}:${port}`;
    const known = this.#states.get(key);
    if (known !== undefined) {
      this.#states.delete(key);
      this.#states.set(key, known);
      return known;
    }
    if (this.#states.size >= MAX_DYNAMIC_ENDPOINTS) {
      const oldest = this.#states.entries().next().value;
      if (oldest !== undefined) {
        oldest[1].retire();
        this.#states.delete(oldest[0]);
      }
    }
    const state = new EndpointState(this.runtime, this, {
      address,
      port,
      version: "",
      workload: "",
      weight: 1,
      priority: 0,
      zone: "",
    });
    this.#states.set(key, state);
    return state;
  }

  /**
   * Endpoints that stay keep their connections, counters and health; those that left finish what they have. Another
   * balancing policy begins with what is known of the endpoints.
   */
  update(config: ClusterConfig): void {
    const before = this.config;
    const identitiesChanged = !sameSet(before.peerIdentities, config.peerIdentities);
    this.config = config;
    if (config.kind !== before.kind || config.policy.balancing !== before.policy.balancing)
      this.#balancer = this.#createBalancer(config);
    this.retryBudget.setPolicy(config.policy.retryBudget);
    this.#useGate(config);
    this.health.setPolicy(config.policy);
    if (config.kind === "dynamic") return;
    this.#setEndpoints(config.endpoints, identitiesChanged);
    const [first] = this.#endpoints;
    const isOnly =
      this.#endpoints.length === 1 && (config.kind === "static" || config.policy.balancing.panicPercent > 0);
    this.#only = isOnly ? (first ?? null) : null;
    this.#balancer?.update(this.#endpoints);
    this.health.update(this.#endpoints);
    if (this.#used) this.#warm();
  }

  #useGate({ policy: { overload } }: ClusterConfig): void {
    const { gate } = this;
    if (overload !== null && gate !== null) {
      gate.setPolicy(overload);
      return;
    }
    gate?.close();
    this.gate = overload === null ? null : new OverloadGate(this.runtime, overload);
  }

  #setEndpoints(wantedEndpoints: readonly EndpointConfig[], identitiesChanged: boolean): void {
    const wanted = new Map<string, EndpointConfig>();
    for (const endpoint of wantedEndpoints) wanted.set(`${endpoint.address}:${endpoint.port}`, endpoint);
    for (const [key, state] of this.#states) {
      const endpoint = wanted.get(key);
      // A changed version or workload on the same address is another instance: its connections are not ours to keep.
      const same =
        endpoint !== undefined &&
        endpoint.version === state.config.version &&
        endpoint.workload === state.config.workload;
      if (!same || identitiesChanged) {
        state.retire();
        this.#states.delete(key);
      }
    }
    const endpoints: EndpointState[] = [];
    for (const [key, endpoint] of wanted) {
      let state = this.#states.get(key);
      if (state === undefined) {
        state = new EndpointState(this.runtime, this, endpoint);
        this.#states.set(key, state);
      } else state.config = endpoint;
      endpoints.push(state);
    }
    this.#endpoints = endpoints;
  }

  retire(): void {
    this.health.close();
    this.#newest = null;
    for (const state of this.#states.values()) state.retire();
    this.#states.clear();
    this.#endpoints = [];
    this.#only = null;
    this.#balancer?.update([]);
  }

  endpoints(): readonly EndpointState[] {
    return this.#endpoints;
  }

  #createBalancer(config: ClusterConfig): Balancer<EndpointState> | null {
    if (config.kind === "dynamic") return null;
    return createBalancer<EndpointState>(config.policy.balancing, this.runtime);
  }

  #warm(): void {
    this.#used = true;
    if (this.config.peerIdentities === null) return;
    const count = Math.min(this.#endpoints.length, WARM_ENDPOINTS);
    for (let i = 0; i < count; i += 1) this.#endpoints[i]?.warm();
  }
}

function sameSet(one: ReadonlySet<string> | null, other: ReadonlySet<string> | null): boolean {
  if (one === other) return true;
  if (one === null || other === null || one.size !== other.size) return false;
  for (const value of one) if (!other.has(value)) return false;
  return true;
}
