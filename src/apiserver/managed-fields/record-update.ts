import type { MergeKind } from "../../resources/merge-keys.ts";
import type { ManagedFieldsEntry } from "./managed-fields-entry.ts";

export interface UpdateOptions {
  /** The request's `fieldManager`, else the User-Agent up to its first "/" (Kubernetes' rule); "" = "unknown". */
  readonly manager: string;
  readonly operation: "Update";
  readonly wallMs: number;
  readonly kind: MergeKind & { readonly version: string };
  /** "" for the object itself, else e.g. "status". */
  readonly subresource: string;
}

/**
 * The managedFields of `after`, an object about to be stored by create, replace or a patch that is not an apply (`before`
 * null: create). Pass `after` with the managedFields the client sent: none or undecodable ones mean those of `before`,
 * `[]` or `[{}]` remove all. [] = store none. Never throws.
 */
export function recordUpdate(before: unknown, after: unknown, options: UpdateOptions): readonly ManagedFieldsEntry[] {
  void [before, after, options];
  return [];
}
