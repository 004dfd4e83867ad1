import { envoy } from "#gen/protos.js";
import { ADS_SOURCE } from "./ads-source.ts";
import { packAny } from "./pack-any.ts";

type Filter = envoy.config.listener.v3.Filter;
type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
type RBAC = envoy.config.rbac.v3.RBAC;

const HCM = envoy.extensions.filters.network.http_connection_manager.v3;
const { PASS_THROUGH } = HCM.HttpConnectionManager.ServerHeaderTransformation;

export interface HttpManagerOptions {
  readonly statPrefix: string;
  /** A name to ask RDS for, or the routes themselves. */
  readonly routes: string | RouteConfiguration;
  /** Null = no access filter. */
  readonly access: AccessRules | null;
  /** True where clients are outside the mesh: their address is the peer's, whatever their headers say. Default false. */
  readonly isEdge?: boolean;
}

export interface AccessRules {
  readonly rules: RBAC;
  /** False = only count what the rules would deny. */
  readonly enforced: boolean;
}

/** The network filter that speaks HTTP. */
export function createHttpManager(options: HttpManagerOptions): Filter {
  const { routes } = options;
  const isNamed = typeof routes === "string";
  const manager: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager = {
    statPrefix: options.statPrefix,
    rds: isNamed ? { configSource: ADS_SOURCE, routeConfigName: routes } : null,
    routeConfig: isNamed ? null : routes,
    httpFilters: options.access === null ? [ROUTER] : [createAccessFilter(options.access), ROUTER],
    // Routes and access rules must see the path that the app will see: no dot segments, nothing escaped without need.
    normalizePath: { value: true },
    // `reviews.default.svc.cluster.local.` is the same host.
    stripTrailingHostDot: true,
    serverHeaderTransformation: PASS_THROUGH,
    useRemoteAddress: options.isEdge === true ? { value: true } : null,
  };
  return {
    name: "envoy.filters.network.http_connection_manager",
    typedConfig: packAny(
      "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      HCM.HttpConnectionManager,
      manager,
    ),
  };
}

const ROUTER: envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter = {
  name: "envoy.filters.http.router",
  typedConfig: packAny(
    "envoy.extensions.filters.http.router.v3.Router",
    envoy.extensions.filters.http.router.v3.Router,
    {},
  ),
};

function createAccessFilter({
  rules,
  enforced,
}: AccessRules): envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter {
  return {
    name: "envoy.filters.http.rbac",
    typedConfig: packAny(
      "envoy.extensions.filters.http.rbac.v3.RBAC",
      envoy.extensions.filters.http.rbac.v3.RBAC,
      enforced ? { rules } : { shadowRules: rules },
    ),
  };
}
