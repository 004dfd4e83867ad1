import type { envoy } from "#gen/protos.js";
import { EMPTY_CLUSTER, formatServiceCluster } from "../../xds/names.ts";
import type { HttpMatchModel, ServiceModel, ServicePortModel } from "../model/mesh-model.ts";
import { toJointMatch } from "./joint-match.ts";
import { toRouteMatch } from "./request-match.ts";
import { applyRoutePolicy } from "./route-policy.ts";
import { type ClusterShare, listShares } from "./split-shares.ts";
import { toDuration } from "./to-duration.ts";

type Route = envoy.config.route.v3.Route;

export const ANY_ROUTE_MATCH: envoy.config.route.v3.RouteMatch = { prefix: "/" };

/**
 * No limit for a whole exchange. Where Envoy is the proxy that is all there is to it; ours limits the time until a response
 * begins, which Envoy has no word for.
 */
export const NO_TIMEOUT: ReturnType<typeof toDuration> = toDuration(0);

const NOTHING: readonly ClusterShare[] = [{ cluster: EMPTY_CLUSTER, weight: 1 }];

/** The first route that matches is taken: for each policy in order all splits in order, then the splits without a policy. */
export function createServiceRoutes(service: ServiceModel, port: ServicePortModel): Route[] {
  const routes: Route[] = [];
  const targets = listTargets(service, port);
  for (const policy of port.routePolicies) {
    for (const match of policy.matches ?? ANY_MATCH) {
      // A redirect does not ask who would have answered.
      const reached = policy.redirect === null ? targets : REDIRECTED;
      for (const target of reached) {
        const joint = toJointMatch(target.match === null ? listOf(match) : [...listOf(match), target.match]);
        if (joint === null) continue;
        const { name, shares } = target;
        const route = { name, match: joint, action: createAction(shares) };
        routes.push(applyRoutePolicy(route, policy, service.namespace));
      }
    }
    if (policy.matches === null) return routes;
  }
  for (const { name, match, shares } of targets) {
    routes.push(createRoute(name, match === null ? ANY_ROUTE_MATCH : toRouteMatch(match), shares));
  }
  return routes;
}

interface RouteTarget {
  /** Of the split; "" = the Service itself. */
  readonly name: string;
  /** Null = every request. */
  readonly match: HttpMatchModel | null;
  readonly shares: readonly ClusterShare[];
}

const ANY_MATCH: readonly null[] = [null];
const REDIRECTED: readonly RouteTarget[] = [{ name: "", match: null, shares: NOTHING }];

/** Splits with matches, then the unconditional one, else the Service itself. */
function listTargets(service: ServiceModel, port: ServicePortModel): RouteTarget[] {
  const targets: RouteTarget[] = [];
  for (const split of port.splits) {
    const shares = listShares(split, service.namespace, port.port);
    if (split.matches === null) return [...targets, { name: split.key, match: null, shares }];
    for (const match of split.matches) targets.push({ name: split.key, match, shares });
  }
  const cluster = formatServiceCluster(service.namespace, service.name, port.port);
  return [...targets, { name: "", match: null, shares: [{ cluster, weight: 1 }] }];
}

function listOf(match: HttpMatchModel | null): readonly HttpMatchModel[] {
  return match === null ? [] : [match];
}

export function createRoute(
  name: string,
  match: envoy.config.route.v3.RouteMatch,
  shares: readonly ClusterShare[],
): Route {
  return { name, match, route: createAction(shares) };
}

function createAction(shares: readonly ClusterShare[]): envoy.config.route.v3.RouteAction {
  const [first, ...rest] = shares;
  if (first !== undefined && rest.length === 0) return { cluster: first.cluster, timeout: NO_TIMEOUT };
  const clusters = shares.map(({ cluster, weight }) => ({ name: cluster, weight: { value: weight } }));
  return { weightedClusters: { clusters }, timeout: NO_TIMEOUT };
}
