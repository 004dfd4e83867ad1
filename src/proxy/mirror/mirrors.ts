import type { Exchange } from "../exchange.ts";
import type { EdgeStats } from "../../observe/edge-stats.ts";
import type { FieldLines } from "../head.ts";
import { isFieldValue, renderField, toFieldLines } from "../http1/field-line.ts";
import { LOCAL_ROUTE_POLICY, type MirrorPolicy, type RoutePolicy } from "../policy/route-policy.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { Route } from "../snapshot.ts";
import { MirrorStream, type MirrorOwner } from "./mirror-stream.ts";

/** Of one proxy at a time; further ones are left out, and counted. */
const MAX_MIRRORS = 1_000;
/** Tells what was copied apart from what callers sent, where figures are kept by version. */
export const MIRROR_VERSION = "(mirror)";

/** What all copies for one cluster under one route's policy share. */
interface MirrorTarget {
  readonly route: Route;
  readonly mark: FieldLines;
}

/**
 * Sends copies of requests to other services and throws their answers away. Host, path and fields are those of the real
 * request; `x-weft-mirror` names the policy that asked for the copy, so that an app can leave out what must not be done
 * twice. Never for upgrades, and only beside the caller. A copy is not tried again, has the time limits of the route, and
 * is counted as version "(mirror)" of its service, so that what callers got is not mixed with what nobody saw.
 */
export class Mirrors implements MirrorOwner {
  readonly #runtime: ProxyRuntime;
  readonly #targets: WeakMap<RoutePolicy, Map<string, MirrorTarget>> = new WeakMap();
  #open: number = 0;

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /** Called before the request's first attempt, with what goes upstream. */
  begin(x: Exchange, policies: readonly MirrorPolicy[]): void {
    const { counters, random } = this.#runtime;
    const { request, origin, stack, route } = x;
    if (request === null || request.upgrade || stack === null || route === null) return;
    if (origin === null || origin.direction === "inbound") return;
    for (const policy of policies) {
      if (policy.percentage < 100 && random.next() * 100 >= policy.percentage) continue;
      if (this.#open >= MAX_MIRRORS) {
        counters.mirrorsLeftOut += 1;
        continue;
      }
      this.#open += 1;
      counters.mirrors += 1;
      const stream = new MirrorStream(this, x.requestTap);
      const target = this.#target(policy.cluster, route.policy);
      const copy = request.clone();
      copy.add(target.mark);
      const shadow = stream.exchange;
      shadow.begin(stack, origin, copy);
      shadow.authority = x.authority;
      // It is sent once, so nothing of it need be kept.
      shadow.replayable = false;
      shadow.edge = this.#edge(policy.cluster, origin.direction, x);
      stack.dispatchTo(shadow, target.route);
      this.#follow(x, stream);
    }
  }

  /** What came while the request was held comes first. */
  #follow(x: Exchange, stream: MirrorStream): void {
    for (const bytes of x.replay.list) stream.accept(bytes);
    if (x.requestEnded) stream.complete(x.requestTrailers);
    else if (stream.exchange.active) x.requestTap = stream;
  }

  onMirrorEnded(): void {
    this.#open -= 1;
  }

  onMirrorCut(): void {
    this.#runtime.counters.mirrorsCut += 1;
  }

  #edge(cluster: string, direction: "outbound" | "ingress", x: Exchange): EdgeStats {
    return this.#runtime.edges.edge({
      direction,
      source: this.#runtime.self,
      destination: x.snapshot?.clusters.get(cluster)?.service || cluster,
      version: MIRROR_VERSION,
      protocol: "http",
    });
  }

  #target(cluster: string, policy: RoutePolicy): MirrorTarget {
    let targets = this.#targets.get(policy);
    if (targets === undefined) {
      targets = new Map();
      this.#targets.set(policy, targets);
    }
    let target = targets.get(cluster);
    if (target === undefined) {
      target = createTarget(cluster, policy);
      targets.set(cluster, target);
    }
    return target;
  }
}

/** The route's time limits and nothing else of it. */
function createTarget(cluster: string, policy: RoutePolicy): MirrorTarget {
  const retry = { ...LOCAL_ROUTE_POLICY.retry, attempts: 0 };
  return {
    route: {
      name: `mirror to ${cluster}`,
      match: { path: { kind: "any" }, methods: null, headers: [] },
      clusters: { names: [cluster], cumulative: [1] },
      policy: { ...LOCAL_ROUTE_POLICY, name: policy.name, timeouts: policy.timeouts, retry },
    },
    mark: toFieldLines(
      renderField("x-weft-mirror", isFieldValue(policy.name) && policy.name !== "" ? policy.name : "1"),
    ),
  };
}
