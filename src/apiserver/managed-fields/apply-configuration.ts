import type { MergeKind } from "../../resources/merge-keys.ts";

export interface ApplyOptions {
  /** The request's `fieldManager`; Kubernetes refuses an apply without one. */
  readonly manager: string;
  /** Take fields from other managers instead of answering Conflict. */
  readonly force: boolean;
  readonly wallMs: number;
  readonly kind: MergeKind & { readonly version: string };
  /** "" for the object itself, else e.g. "status". */
  readonly subresource: string;
}

/**
 * Server-side apply: what `live` (null = there is none yet) becomes when `manager` wants `applied`, with
 * `metadata.managedFields` brought up to date. Not validated and without defaults: the caller does that afterwards, then
 * calls `settleManagedFields`. Changes neither argument.
 *
 * Throws StatusError Conflict (one cause of reason FieldManagerConflict per field and manager) when others own fields
 * that would change and `force` is not set; BadRequest when `applied` is not an object of this kind, or has managedFields;
 * Invalid when a list in it has the same keys twice.
 */
export function applyConfiguration(live: unknown, applied: unknown, options: ApplyOptions): unknown {
  void [applied, options];
  return live;
}
