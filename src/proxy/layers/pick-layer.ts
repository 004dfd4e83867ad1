import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { WeightedClusters } from "../snapshot.ts";
import type { AttemptLayer } from "./attempt-layer.ts";
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts";
import { DialTargets } from "../route/dial-target.ts";
import { EvenDraw } from "../route/even-draw.ts";
import { denyWithheld } from "../filters/deny-withheld.ts";
import { LOOP_DETECTED, NO_CLUSTER, NO_ENDPOINT, NO_ROUTE } from "../failures.ts";

/** Innermost: chooses the cluster once per request (a split is decided per request) and an endpoint per attempt. */
export class PickLayer {
  readonly #runtime: ProxyRuntime;
  readonly #upstreams: UpstreamRegistry;
  readonly #attempts: AttemptLayer;
  readonly #targets: DialTargets = new DialTargets();

  constructor(runtime: ProxyRuntime, upstreams: UpstreamRegistry, attempts: AttemptLayer) {
    this.#attempts = attempts;
    this.#runtime = runtime;
    this.#upstreams = upstreams;
  }

  dispatch(x: Exchange): void {
    if (x.cluster === null && !this.#chooseCluster(x)) return;
    const cluster = x.cluster;
    if (cluster === null) return;
    const withheld = cluster.config.withheld ?? null;
    if (withheld !== null) {
      denyWithheld(withheld, cluster.config, x, this.#runtime);
      return;
    }
    if (x.attemptCount === 0 && !this.#attempts.admit(x)) return;
    x.attemptCount += 1;
    if (x.attemptCount === 1) cluster.retryBudget.deposit();
    if (cluster.config.kind === "dynamic") {
      this.#dialHost(x);
      return;
    }
    const endpoint = cluster.pick(x.hash, x.avoided);
    if (endpoint === null) {
      x.fail(NO_ENDPOINT, `Service "${cluster.config.service}" has no ready instance`);
      return;
    }
    x.endpoint = endpoint;
    if (this.#attempts.began(x, endpoint)) endpoint.checkout(x);
  }

  #chooseCluster(x: Exchange): boolean {
    const clusters = x.route?.clusters;
    const name = clusters === undefined ? undefined : pickWeighted(clusters, this.#runtime, x.splitHash);
    const cluster = name === undefined ? undefined : this.#upstreams.get(name);
    if (cluster === undefined) {
      x.fail(NO_CLUSTER, `Cluster "${name ?? ""}" is not in the proxy's configuration`);
      return false;
    }
    x.cluster = cluster;
    return true;
  }

  /** A host outside the mesh: dialled by the name and port of the request itself. */
  #dialHost(x: Exchange): void {
    const target = this.#targets.find(x.authority);
    if (target === null) {
      x.fail(NO_ROUTE, `"${x.authority}" is not a host that can be called`);
      return;
    }
    if (target.isLoopback && this.#runtime.ownPorts.has(target.port)) {
      x.fail(LOOP_DETECTED, `"${x.authority}" is this proxy itself; name a service in the Host field`);
      return;
    }
    if (x.attemptCount === 1) this.#runtime.counters.egress += 1;
    const endpoint = x.cluster?.pickDynamic(target) ?? null;
    x.endpoint = endpoint;
    if (endpoint !== null && this.#attempts.began(x, endpoint)) endpoint.checkout(x);
  }
}

/** `hash` 0: by turns; any other number always falls on the same place among the weights. */
export function pickWeighted(clusters: WeightedClusters, runtime: ProxyRuntime, hash: number = 0): string | undefined {
  const count = clusters.names.length;
  if (count === 1) return clusters.names[0];
  const total = clusters.cumulative[count - 1] ?? 0;
  const ticket = Math.floor((hash === 0 ? drawEvenly(clusters, runtime) : (hash >>> 0) / 2 ** 32) * total);
  for (let i = 0; i < count; i += 1) {
    if (ticket < (clusters.cumulative[i] ?? 0)) return clusters.names[i];
  }
  return undefined;
}

function drawEvenly(clusters: WeightedClusters, runtime: ProxyRuntime): number {
  let draw = runtime.splitDraws.get(clusters);
  if (draw === undefined) {
    draw = new EvenDraw(runtime.random);
    runtime.splitDraws.set(clusters, draw);
  }
  return draw.next();
}
