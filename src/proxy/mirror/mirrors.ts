import type { Exchange } from "../exchange.ts";
import { toFieldLines } from "../http1/field-line.ts";
import { LOCAL_ROUTE_POLICY, type MirrorPolicy, type RoutePolicy } from "../policy/route-policy.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { Route } from "../snapshot.ts";
import { MirrorStream, type MirrorOwner } from "./mirror-stream.ts";

/** Of one proxy at a time; further ones are left out, and counted. */
const MAX_MIRRORS = 1_000;
const MARK = toFieldLines(Buffer.from("x-weft-mirror: 1\r\n", "latin1"));

/**
 * Sends copies of requests to other services and throws their answers away. Never for upgrades; a copy is not tried again,
 * has the time limits of the route, is counted in the mirror's own edge, and is marked with `x-weft-mirror`.
 */
export class Mirrors implements MirrorOwner {
  readonly #runtime: ProxyRuntime;
  readonly #routes: WeakMap<RoutePolicy, Map<string, Route>> = new WeakMap();
  #open: number = 0;

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /** Called before the request's first attempt, with what goes upstream. */
  begin(x: Exchange, policies: readonly MirrorPolicy[]): void {
    const { counters, random } = this.#runtime;
    const { request, origin, stack, route } = x;
    if (request === null || request.upgrade || origin === null || stack === null || route === null) return;
    for (const policy of policies) {
      if (policy.percentage < 100 && random.next() * 100 >= policy.percentage) continue;
      if (this.#open >= MAX_MIRRORS) {
        counters.mirrorsLeftOut += 1;
        continue;
      }
      this.#open += 1;
      counters.mirrors += 1;
      const stream = new MirrorStream(this, x.requestTap);
      const copy = request.clone();
      copy.add(MARK);
      const shadow = stream.exchange;
      shadow.begin(stack, origin, copy);
      shadow.authority = x.authority;
      stack.dispatchTo(shadow, this.#routeTo(policy.cluster, route.policy));
      if (shadow.active && x.requestEnded) shadow.onRequestEnd(null);
      else if (shadow.active) x.requestTap = stream;
    }
  }

  onMirrorEnded(): void {
    this.#open -= 1;
  }

  onMirrorCut(): void {
    this.#runtime.counters.mirrorsCut += 1;
  }

  /** The route's time limits and nothing else of it. */
  #routeTo(cluster: string, policy: RoutePolicy): Route {
    let routes = this.#routes.get(policy);
    if (routes === undefined) {
      routes = new Map();
      this.#routes.set(policy, routes);
    }
    let route = routes.get(cluster);
    if (route === undefined) {
      const retry = { ...LOCAL_ROUTE_POLICY.retry, attempts: 0 };
      route = {
        name: `mirror to ${cluster}`,
        match: { path: { kind: "any" }, methods: null, headers: [] },
        clusters: { names: [cluster], cumulative: [1] },
        policy: { ...LOCAL_ROUTE_POLICY, name: policy.name, timeouts: policy.timeouts, retry },
      };
      routes.set(cluster, route);
    }
    return route;
  }
}
