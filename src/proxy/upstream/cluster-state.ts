import type { ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig, EndpointConfig } from "../snapshot.ts";
import type { DialTarget } from "../route/dial-target.ts";
import { RetryBudget } from "./retry-budget.ts";
import { EndpointState } from "./endpoint-state.ts";

/** How many endpoints of a cluster get a connection before they are needed. */
const WARM_ENDPOINTS = 16;
/** Hosts outside the mesh that keep their connections; the least recently used goes first. */
const MAX_DYNAMIC_ENDPOINTS = 256;

/** What is remembered of one cluster, across snapshots: its endpoints with their connections, and where round robin is. */
export class ClusterState {
  readonly runtime: ProxyRuntime;
  config: ClusterConfig;
  readonly retryBudget: RetryBudget;
  /** By "address:port". */
  readonly #states: Map<string, EndpointState> = new Map();
  #endpoints: EndpointState[] = [];
  #next: number = 0;
  #used: boolean = false;
  /** The most recently used host outside the mesh, which is usually the next one too. */
  #newest: { readonly target: DialTarget; readonly state: EndpointState } | null = null;

  constructor(runtime: ProxyRuntime, config: ClusterConfig) {
    this.runtime = runtime;
    this.config = config;
    this.retryBudget = new RetryBudget(runtime.clock);
    this.update(config);
    // Where round robin starts is random, so that many proxies do not hit the same endpoint at once.
    this.#next = this.#endpoints.length > 0 ? runtime.random.below(this.#endpoints.length) : 0;
  }

  /** Round robin over ready endpoints; passes `avoided` over when there is another. Null when there is none. */
  pick(avoided: EndpointState | null): EndpointState | null {
    const count = this.#endpoints.length;
    if (count === 0) return null;
    if (!this.#used) this.#warm();
    let endpoint = this.#advance(count);
    if (endpoint === avoided && count > 1) endpoint = this.#advance(count);
    return endpoint;
  }

  /**
   * For connections, which last: the endpoint with the fewest open ones; among equals round robin. Passes `avoided` over
   * when there is another. Null when there is none.
   */
  pickLeastOpen(avoided: EndpointState | null): EndpointState | null {
    const count = this.#endpoints.length;
    let best: EndpointState | null = null;
    for (let i = 0; i < count; i += 1) {
      const endpoint = this.#advance(count);
      if (endpoint === null || (endpoint === avoided && count > 1)) continue;
      if (best === null || endpoint.openSessions < best.openSessions) best = endpoint;
    }
    // The next search starts behind the one taken, so that equals take turns.
    if (best !== null) this.#next = this.#endpoints.indexOf(best);
    return best;
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

  /** Endpoints that stay keep their connections and counters; those that left finish what they have. */
  update(config: ClusterConfig): void {
    const identitiesChanged = !sameSet(this.config.peerIdentities, config.peerIdentities);
    this.config = config;
    if (config.kind === "dynamic") return;
    const wanted = new Map<string, EndpointConfig>();
    for (const endpoint of config.endpoints) wanted.set(`${endpoint.address}:${endpoint.port}`, endpoint);
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
      }
      endpoints.push(state);
    }
    this.#endpoints = endpoints;
    if (this.#used) this.#warm();
  }

  retire(): void {
    this.#newest = null;
    for (const state of this.#states.values()) state.retire();
    this.#states.clear();
    this.#endpoints = [];
  }

  endpoints(): readonly EndpointState[] {
    return this.#endpoints;
  }

  #advance(count: number): EndpointState | null {
    this.#next = (this.#next + 1) % count;
    return this.#endpoints[this.#next] ?? null;
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
