import { envoy } from "#gen/protos.js";
import { EGRESS_CLUSTER, formatOutboundRoutes, formatServiceCluster } from "../../xds/names.ts";
import type { MeshModel } from "../model/mesh-model.ts";
import { createMetadata } from "./create-metadata.ts";
import { listAuthorities, listHostnames } from "./hostnames.ts";
import type { LocalPolicy } from "./inbound-policies.ts";
import { toJointMatch } from "./joint-match.ts";
import type { ResourceRecipe } from "./resource-set.ts";
import { toLocalFields } from "./route-policy.ts";
import { ANY_ROUTE_MATCH, createRoute, createServiceRoutes, NO_TIMEOUT } from "./service-routes.ts";

type Route = envoy.config.route.v3.Route;
type VirtualHost = envoy.config.route.v3.VirtualHost;

const { RouteConfiguration } = envoy.config.route.v3;
/** What the proxies of one namespace may call, by every name they may use. `routing`: another object when any of it is. */
export function outboundRoutesRecipe(model: MeshModel, namespace: string, routing: object): ResourceRecipe {
  const name = formatOutboundRoutes(namespace);
  return {
    name,
    inputs: [routing],
    encode: () => RouteConfiguration.encode(createOutbound(model, namespace)).finish(),
  };
}

/** Everything to one cluster and no time limit: the caller's proxy has one. */
export function createLocalRoutes(
  name: string,
  cluster: string,
  policies: readonly LocalPolicy[],
): envoy.config.route.v3.RouteConfiguration {
  const routes: Route[] = [];
  for (const { matches, keys, rateLimits } of policies) {
    const match = toJointMatch(matches);
    if (match === null) continue;
    // The mark by which the defaults of a caller's routes do not hold for these.
    const metadata = createMetadata({}, toLocalFields(keys, rateLimits));
    routes.push({ match, route: { cluster, timeout: NO_TIMEOUT }, metadata });
  }
  return { name, virtualHosts: [{ name, domains: ["*"], routes }] };
}

function createOutbound(model: MeshModel, namespace: string): envoy.config.route.v3.RouteConfiguration {
  const virtualHosts: VirtualHost[] = [];
  const taken = new Set<string>();
  // Services first: the root of a split that is no Service must not take a name away from one.
  const services = [...model.services.values()].sort((one, other) => Number(other.exists) - Number(one.exists));
  for (const service of services) {
    for (const port of service.ports) {
      const authorities = listAuthorities(listHostnames(service, namespace), port.port);
      const domains = authorities.filter((authority) => !taken.has(authority));
      for (const domain of domains) taken.add(domain);
      if (domains.length === 0) continue;
      const name = formatServiceCluster(service.namespace, service.name, port.port);
      virtualHosts.push({ name, domains, routes: createServiceRoutes(service, port) });
    }
  }
  if (model.settings.egress === "allow") {
    const shares = [{ cluster: EGRESS_CLUSTER, weight: 1 }];
    virtualHosts.push({ name: "egress", domains: ["*"], routes: [createRoute("", ANY_ROUTE_MATCH, shares)] });
  }
  return { name: formatOutboundRoutes(namespace), virtualHosts };
}
