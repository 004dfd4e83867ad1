import { envoy } from "#gen/protos.js";
import type { AccessRules } from "./http-manager.ts";
import { packAny } from "./pack-any.ts";
import type { ClusterShare } from "./split-shares.ts";

type Filter = envoy.config.listener.v3.Filter;

const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3;

/** Carries a connection's bytes to one of the clusters, by weight. */
export function createTcpProxy(statPrefix: string, shares: readonly ClusterShare[]): Filter {
  const [first, ...rest] = shares;
  const clusters = shares.map(({ cluster, weight }) => ({ name: cluster, weight }));
  const target =
    first !== undefined && rest.length === 0 ? { cluster: first.cluster } : { weightedClusters: { clusters } };
  return {
    name: "envoy.filters.network.tcp_proxy",
    typedConfig: packAny("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", TcpProxy, { statPrefix, ...target }),
  };
}

/** Decides about a connection before its first byte goes on. */
export function createTcpAccessFilter(statPrefix: string, { rules, enforced }: AccessRules): Filter {
  return {
    name: "envoy.filters.network.rbac",
    typedConfig: packAny(
      "envoy.extensions.filters.network.rbac.v3.RBAC",
      envoy.extensions.filters.network.rbac.v3.RBAC,
      enforced ? { statPrefix, rules } : { statPrefix, shadowRules: rules },
    ),
  };
}
