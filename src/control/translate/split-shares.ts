import { EMPTY_CLUSTER, formatServiceCluster } from "../../xds/names.ts";
import type { SplitModel } from "../model/mesh-model.ts";

export interface ClusterShare {
  readonly cluster: string;
  /** 1 or more. */
  readonly weight: number;
}

/** Where a split sends what is for `port`; never empty: without a usable backend it is the cluster without endpoints. */
export function listShares(split: SplitModel, namespace: string, port: number): ClusterShare[] {
  if (split.backends.length === 0) return [{ cluster: EMPTY_CLUSTER, weight: 1 }];
  return split.backends.map(({ service, weight }) => ({
    cluster: formatServiceCluster(namespace, service, port),
    weight,
  }));
}
