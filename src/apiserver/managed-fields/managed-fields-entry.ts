/** One entry of `metadata.managedFields`, as Kubernetes writes it. */
export interface ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  /** RFC 3339, whole seconds, UTC. */
  readonly time?: string;
  readonly fieldsType: "FieldsV1";
  readonly fieldsV1: unknown;
  readonly subresource?: string;
}
