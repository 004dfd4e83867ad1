import type { ApiClient } from "../apiserver/api-client.ts";
import { WORKLOAD_LABEL } from "../control/stale-workloads.ts";
import { runLimited } from "./run-limited.ts";
import type { Resource } from "../resources/resource.ts";
import type { GroupKind, ResourceKey } from "../store/store.ts";
import { MANAGED_BY_LABEL } from "./weft-yaml-resources.ts";

const ENDPOINT_SLICE: GroupKind = { group: "discovery.k8s.io", kind: "EndpointSlice" };

/** Kinds that weft.yaml and its files can hold; what is no longer there is removed. */
const SYNCED_KINDS: readonly GroupKind[] = [
  { group: "", kind: "Service" },
  { group: "", kind: "ServiceAccount" },
  { group: "specs.smi-spec.io", kind: "HTTPRouteGroup" },
  { group: "specs.smi-spec.io", kind: "TCPRoute" },
  { group: "specs.smi-spec.io", kind: "UDPRoute" },
  { group: "split.smi-spec.io", kind: "TrafficSplit" },
  { group: "access.smi-spec.io", kind: "TrafficTarget" },
  { group: "access.smi-spec.io", kind: "IdentityBinding" },
];

const CONCURRENT_CALLS = 8;

export interface SyncOptions {
  /** False where other runners write resources of their own into the same mesh. Default true. */
  readonly removesOthers?: boolean;
}

type Api = Pick<ApiClient, "apply" | "delete" | "list">;

/**
 * Removes the endpoints that an earlier run of this mesh left in the store: nobody listens there now. `workloads` are those
 * of this run; null: all are.
 */
export async function removeOldEndpoints(api: Api, workloads: ReadonlySet<string> | null = null): Promise<void> {
  const { items } = await api.list(ENDPOINT_SLICE, { labelSelector: `${MANAGED_BY_LABEL}=weft` });
  const old = items.filter((slice) => workloads?.has(slice.metadata.labels?.[WORKLOAD_LABEL] ?? "") !== false);
  await runLimited(old, CONCURRENT_CALLS, (slice) => api.delete(keyOf(slice, ENDPOINT_SLICE)));
}

/**
 * Applies the wanted resources and removes those that an earlier weft.yaml put there. Resources written by hand
 * (`weft apply`) do not have the label and stay.
 */
export async function syncResources(
  api: Api,
  wanted: readonly Resource[],
  { removesOthers = true }: SyncOptions = {},
): Promise<void> {
  await runLimited(wanted, CONCURRENT_CALLS, (resource) => api.apply(resource));
  if (!removesOthers) return;
  const names = new Set(
    wanted.map((resource) => `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`),
  );
  await runLimited(SYNCED_KINDS, CONCURRENT_CALLS, async (kind) => {
    const { items } = await api.list(kind, { labelSelector: `${MANAGED_BY_LABEL}=weft` });
    for (const item of items) {
      if (names.has(`${kind.kind} ${item.metadata.namespace}/${item.metadata.name}`)) continue;
      await api.delete(keyOf(item, kind));
    }
  });
}

function keyOf(resource: Resource, kind: GroupKind): ResourceKey {
  return { ...kind, namespace: resource.metadata.namespace, name: resource.metadata.name };
}
