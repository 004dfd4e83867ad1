import type { envoy } from "#gen/protos.js";
import type { Route, RouteTable, VirtualHost, WeightedClusters } from "../snapshot.ts";
import { EMPTY_CLUSTER } from "../../xds/names.ts";
import { decodeRouteMatch } from "./decode-match.ts";
import { decodeRoutePolicy, type RoutePolicyOptions } from "./decode-route-policy.ts";
import { PolicyPool } from "./policy-pool.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";

const ROUTE_FIELDS: readonly string[] = [
  "name",
  "match",
  "route",
  "redirect",
  "action",
  "metadata",
  "decorator",
  "statPrefix",
  "requestHeadersToAdd",
  "requestHeadersToRemove",
  "responseHeadersToAdd",
  "responseHeadersToRemove",
];
const ACTION_FIELDS: readonly string[] = [
  "cluster",
  "weightedClusters",
  "clusterSpecifier",
  "clusterNotFoundResponseCode",
  "metadataMatch",
  "timeout",
  "idleTimeout",
  "retryPolicy",
  "hashPolicy",
  "requestMirrorPolicies",
  "prefixRewrite",
  "regexRewrite",
  "hostRewriteLiteral",
  "hostRewriteSpecifier",
];

/** Policies that an earlier version of the table had, and `pool` knows, keep their objects. */
export function decodeRouteTable(
  config: envoy.config.route.v3.RouteConfiguration,
  pool: PolicyPool = new PolicyPool(),
): RouteTable {
  const name = config.name ?? "";
  refuseUnknownFields(config, ["name", "virtualHosts", "validateClusters", "metadata", "ignorePortInHostMatching"], "");
  const exact = new Map<string, VirtualHost>();
  const suffixes: [string, VirtualHost][] = [];
  let fallback: VirtualHost | null = null;
  (config.virtualHosts ?? []).forEach((wire, index) => {
    const path = `virtual_hosts[${index}]`;
    const host = decodeVirtualHost(wire, pool, path);
    for (const domain of wire.domains ?? []) {
      const lower = domain.toLowerCase();
      if (lower === "*") {
        if (fallback !== null) throw new ConfigRefusal(path, 'a second "*" domain', "one");
        fallback = host;
      } else if (lower.startsWith("*")) {
        suffixes.push([lower.slice(1), host]);
      } else if (exact.has(lower)) {
        throw new ConfigRefusal(path, `domain "${domain}" twice`, "each domain once");
      } else {
        exact.set(lower, host);
      }
    }
  });
  suffixes.sort((one, other) => other[0].length - one[0].length);
  return { name, exact, suffixes, fallback, ignoresPort: config.ignorePortInHostMatching === true };
}

export function decodeWeights(
  clusters: readonly { readonly name?: string | null; readonly weight?: number }[],
  path: string,
): WeightedClusters {
  const names: string[] = [];
  const cumulative: number[] = [];
  let total = 0;
  for (const cluster of clusters) {
    const weight = cluster.weight ?? 0;
    if (!Number.isInteger(weight) || weight < 0)
      throw new ConfigRefusal(path, `weight ${weight}`, "a whole number of 0 or more");
    if (weight === 0) continue;
    total += weight;
    names.push(cluster.name ?? "");
    cumulative.push(total);
  }
  if (total < 1 || total > 0xffff_ffff) throw new ConfigRefusal(path, `a total weight of ${total}`, "1 to 4294967295");
  return { names, cumulative };
}

function decodeVirtualHost(wire: envoy.config.route.v3.VirtualHost, pool: PolicyPool, path: string): VirtualHost {
  refuseUnknownFields(wire, ["name", "domains", "routes", "metadata"], path);
  if ((wire.domains ?? []).length === 0) throw new ConfigRefusal(`${path}.domains`, "none", "at least one");
  const name = wire.name ?? "";
  const routes = (wire.routes ?? []).map((route, index) => {
    return decodeRoute(route, { pool, scope: name }, `${path}.routes[${index}]`);
  });
  return { name, routes };
}

function decodeRoute(wire: envoy.config.route.v3.Route, options: RoutePolicyOptions, path: string): Route {
  refuseUnknownFields(wire, ROUTE_FIELDS, path);
  if (wire.match == null) throw new ConfigRefusal(`${path}.match`, "nothing", "a match");
  return {
    name: wire.name ?? "",
    match: decodeRouteMatch(wire.match, `${path}.match`),
    clusters: decodeTarget(wire, path),
    policy: decodeRoutePolicy(wire, options, path),
  };
}

function decodeTarget(wire: envoy.config.route.v3.Route, path: string): WeightedClusters {
  if (wire.route == null && wire.redirect == null) throw new ConfigRefusal(path, "no action", "route or redirect");
  // A redirect leads to no instance.
  if (wire.route == null) return { names: [EMPTY_CLUSTER], cumulative: [1] };
  refuseUnknownFields(wire.route, ACTION_FIELDS, `${path}.route`);
  return decodeActionClusters(wire.route, `${path}.route`);
}

function decodeActionClusters(action: envoy.config.route.v3.RouteAction, path: string): WeightedClusters {
  if (action.cluster != null && action.cluster !== "") return { names: [action.cluster], cumulative: [1] };
  if (action.weightedClusters == null) throw new ConfigRefusal(path, "no cluster", "cluster or weighted_clusters");
  refuseUnknownFields(action.weightedClusters, ["clusters", "totalWeight"], `${path}.weighted_clusters`);
  const clusters = (action.weightedClusters.clusters ?? []).map((cluster, index) => {
    refuseUnknownFields(cluster, ["name", "weight"], `${path}.weighted_clusters.clusters[${index}]`);
    return { name: cluster.name ?? "", weight: cluster.weight?.value ?? 0 };
  });
  return decodeWeights(clusters, `${path}.weighted_clusters`);
}
