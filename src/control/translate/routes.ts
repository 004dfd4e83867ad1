import { envoy } from "#gen/protos.js";
import type { IngressPort } from "../../proxy-node.ts";
import {
  EGRESS_CLUSTER,
  EMPTY_CLUSTER,
  formatIngressRoutes,
  formatOutboundRoutes,
  formatServiceCluster,
} from "../../xds/names.ts";
import type { HttpMatchModel, MeshModel, ServiceModel, ServicePortModel } from "../model/mesh-model.ts";
import { createMetadata } from "./create-metadata.ts";
import type { LocalPolicy } from "./inbound-policies.ts";
import { toJointMatch } from "./joint-match.ts";
import { applyRoutePolicy, toLocalFields } from "./route-policy.ts";
import { toDuration } from "./to-duration.ts";
import { listAuthorities, listHostnames } from "./hostnames.ts";
import { toRouteMatch } from "./request-match.ts";
import type { ResourceRecipe } from "./resource-set.ts";
import { type ClusterShare, listShares } from "./split-shares.ts";

type Route = envoy.config.route.v3.Route;
type VirtualHost = envoy.config.route.v3.VirtualHost;

const { RouteConfiguration } = envoy.config.route.v3;
const ANY: envoy.config.route.v3.RouteMatch = { prefix: "/" };

/**
 * No limit for a whole exchange. Where Envoy is the proxy that is all there is to it; ours limits the time until a response
 * begins, which Envoy has no word for.
 */
const NO_TIMEOUT = toDuration(0);

/** What the proxies of one namespace may call, by every name they may use. `routing`: another object when any of it is. */
export function outboundRoutesRecipe(model: MeshModel, namespace: string, routing: object): ResourceRecipe {
  const name = formatOutboundRoutes(namespace);
  return {
    name,
    inputs: [routing],
    encode: () => RouteConfiguration.encode(createOutbound(model, namespace)).finish(),
  };
}

/** What an ingress does with requests from outside: for now every one goes to the Service of its entry. */
export function listIngressRoutes(model: MeshModel, entries: readonly IngressPort[]): ResourceRecipe[] {
  return entries.map((entry) => {
    const service = model.services.get(entry.service) ?? null;
    const port = service?.ports.find((candidate) => candidate.port === entry.servicePort) ?? null;
    const name = formatIngressRoutes(entry.port);
    const routes = (): Route[] => {
      return service === null || port === null ? [createRoute("", ANY, NOTHING)] : createServiceRoutes(service, port);
    };
    return {
      name,
      inputs: [entry.service, entry.servicePort, port?.protocol, port?.splits, port?.routePolicies],
      encode: () => {
        // An entry without a service takes TLS only: no request has a route there.
        const virtualHosts = entry.service === "" ? [] : [{ name: "ingress", domains: ["*"], routes: routes() }];
        return RouteConfiguration.encode({ name, virtualHosts }).finish();
      },
    };
  });
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

const NOTHING: readonly ClusterShare[] = [{ cluster: EMPTY_CLUSTER, weight: 1 }];

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
    virtualHosts.push({ name: "egress", domains: ["*"], routes: [createRoute("", ANY, shares)] });
  }
  return { name: formatOutboundRoutes(namespace), virtualHosts };
}

/** The first route that matches is taken: for each policy in order all splits in order, then the splits without a policy. */
function createServiceRoutes(service: ServiceModel, port: ServicePortModel): Route[] {
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
    routes.push(createRoute(name, match === null ? ANY : toRouteMatch(match), shares));
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

function createRoute(name: string, match: envoy.config.route.v3.RouteMatch, shares: readonly ClusterShare[]): Route {
  return { name, match, route: createAction(shares) };
}

function createAction(shares: readonly ClusterShare[]): envoy.config.route.v3.RouteAction {
  const [first, ...rest] = shares;
  if (first !== undefined && rest.length === 0) return { cluster: first.cluster, timeout: NO_TIMEOUT };
  const clusters = shares.map(({ cluster, weight }) => ({ name: cluster, weight: { value: weight } }));
  return { weightedClusters: { clusters }, timeout: NO_TIMEOUT };
}
