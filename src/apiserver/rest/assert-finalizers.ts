import type { Resource } from "../../resources/resource.ts";
import { describeTarget, invalidDetailsOf, type ResourceTarget } from "../resource-target.ts";
import { StatusError } from "../status.ts";

/** Throws StatusError Invalid for a new finalizer on what is being deleted: it could keep it for ever. */
export function assertFinalizers(target: ResourceTarget, live: Resource | null, written: Resource): void {
  if (live?.metadata.deletionTimestamp === undefined) return;
  const before = new Set(live.metadata.finalizers);
  const added = (written.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return;
  const message = `found new finalizers ${added.join(", ")}; expected none: it is being deleted`;
  throw new StatusError("Invalid", `Cannot write ${describeTarget(target)}: metadata.finalizers: ${message}`, {
    ...invalidDetailsOf(target),
    causes: [{ reason: "FieldValueForbidden", message, field: "metadata.finalizers" }],
  });
}
