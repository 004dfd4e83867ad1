import type { KindDefinition } from "../../resources/registry.ts";

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";

/** Names that clients look for: those of Kubernetes. */
export const OBJECT_META: string = `${META}.ObjectMeta`;
export const LIST_META: string = `${META}.ListMeta`;
export const OWNER_REFERENCE: string = `${META}.OwnerReference`;
export const MANAGED_FIELDS_ENTRY: string = `${META}.ManagedFieldsEntry`;
export const FIELDS_V1: string = `${META}.FieldsV1`;
export const TIME: string = `${META}.Time`;
export const STATUS: string = `${META}.Status`;
export const STATUS_DETAILS: string = `${META}.StatusDetails`;
export const STATUS_CAUSE: string = `${META}.StatusCause`;
export const DELETE_OPTIONS: string = `${META}.DeleteOptions`;
export const PRECONDITIONS: string = `${META}.Preconditions`;
export const PATCH: string = `${META}.Patch`;
export const WATCH_EVENT: string = `${META}.WatchEvent`;
export const RAW_EXTENSION: string = "io.k8s.apimachinery.pkg.runtime.RawExtension";
export const INT_OR_STRING: string = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";

const KUBERNETES_GROUPS: ReadonlyMap<string, string> = new Map([
  ["", "core"],
  ["discovery.k8s.io", "discovery"],
]);

/** `io.k8s.api.core.v1.Service` for Kubernetes' own kinds, `dev.weft.v1alpha1.Mesh` for others. */
export function nameDefinition({ group, version, kind }: KindDefinition): string {
  const own = KUBERNETES_GROUPS.get(group);
  const prefix = own === undefined ? group.split(".").reverse().join(".") : `io.k8s.api.${own}`;
  return `${prefix}.${version}.${kind}`;
}
