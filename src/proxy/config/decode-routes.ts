import type { envoy, google } from "#gen/protos.js";
import type { Route, RouteTable, VirtualHost, WeightedClusters } from "../snapshot.ts";
import { DEFAULT_ROUTE_POLICY, LOCAL_ROUTE_POLICY, type RoutePolicy } from "../policy/route-policy.ts";
import { decodeRouteMatch } from "./decode-match.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";

/** Envoy's default for a route that does not say. */
const DEFAULT_TIMEOUT_MS = 15_000;

export function decodeRouteTable(config: envoy.config.route.v3.RouteConfiguration): RouteTable {
  const name = config.name ?? "";
  refuseUnknownFields(config, ["name", "virtualHosts", "validateClusters", "metadata"], "");
  const exact = new Map<string, VirtualHost>();
  const suffixes: [string, VirtualHost][] = [];
  let fallback: VirtualHost | null = null;
  (config.virtualHosts ?? []).forEach((wire, index) => {
    const path = `virtual_hosts[${index}]`;
    const host = decodeVirtualHost(wire, path);
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
  return { name, exact, suffixes, fallback };
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

export function toMilliseconds(duration: google.protobuf.Duration): number {
  return (duration.seconds ?? 0) * 1000 + (duration.nanos ?? 0) / 1_000_000;
}

function decodeVirtualHost(wire: envoy.config.route.v3.VirtualHost, path: string): VirtualHost {
  refuseUnknownFields(wire, ["name", "domains", "routes", "metadata"], path);
  if ((wire.domains ?? []).length === 0) throw new ConfigRefusal(`${path}.domains`, "none", "at least one");
  const routes = (wire.routes ?? []).map((route, index) => decodeRoute(route, `${path}.routes[${index}]`));
  return { name: wire.name ?? "", routes };
}

function decodeRoute(wire: envoy.config.route.v3.Route, path: string): Route {
  refuseUnknownFields(wire, ["name", "match", "route", "metadata", "decorator", "action", "statPrefix"], path);
  if (wire.match == null) throw new ConfigRefusal(`${path}.match`, "nothing", "a match");
  if (wire.route == null) throw new ConfigRefusal(path, "no route action", "route");
  const action = wire.route;
  refuseUnknownFields(
    action,
    [
      "cluster",
      "weightedClusters",
      "timeout",
      "metadataMatch",
      "clusterSpecifier",
      "hostRewriteSpecifier",
      "clusterNotFoundResponseCode",
    ],
    `${path}.route`,
  );
  return {
    name: wire.name ?? "",
    match: decodeRouteMatch(wire.match, `${path}.match`),
    clusters: decodeActionClusters(action, `${path}.route`),
    policy: decodePolicy(action.timeout == null ? DEFAULT_TIMEOUT_MS : toMilliseconds(action.timeout)),
  };
}

function decodePolicy(requestMs: number): RoutePolicy {
  if (requestMs === 0) return LOCAL_ROUTE_POLICY;
  return { ...DEFAULT_ROUTE_POLICY, timeouts: { ...DEFAULT_ROUTE_POLICY.timeouts, requestMs, responseMs: 0 } };
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
