import type { Resource } from "../../resources/resource.ts";
import { describeShape, isObject, type JsonObject } from "../patch/json-value.ts";
import { conflict, describeTarget, detailsOf, type ResourceTarget } from "../resource-target.ts";
import { StatusError } from "../status.ts";

/** Of metadata, what only the server writes. */
const SERVER_FIELDS = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

export interface WrittenObject {
  readonly target: ResourceTarget;
  /** What is stored now, in the version that is written; null: nothing. */
  readonly live: Resource | null;
  readonly subresource: "" | "status";
}

/**
 * `input` with what is not the writer's taken from what is stored: the server's part of metadata; through the status
 * path everything but `status`, else `status` itself. Throws StatusError Conflict when it means another object (uid) or
 * another version, and BadRequest when it is no object.
 */
export function takeServerFields(input: unknown, { target, live, subresource }: WrittenObject): JsonObject {
  if (!isObject(input)) {
    throw new StatusError("BadRequest", `Cannot take the body: found ${describeShape(input)}; expected an object`);
  }
  const sent = isObject(input["metadata"]) ? input["metadata"] : {};
  assertPreconditions(sent, target, live);
  if (subresource === "status" && live !== null) {
    // Name, kind and version stay the writer's, to be compared with the path.
    const managedFields = "managedFields" in sent ? { managedFields: sent["managedFields"] } : {};
    const { status: _status, ...rest } = live;
    const metadata = { ...live.metadata, name: sent["name"] ?? live.metadata.name, ...managedFields };
    return { ...rest, apiVersion: input["apiVersion"], kind: input["kind"], metadata, ...pick(input, "status") };
  }
  if (!isObject(input["metadata"])) return input;
  const metadata: Record<string, unknown> = { ...sent };
  for (const field of SERVER_FIELDS) {
    const value = live?.metadata[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  if (!target.definition.hasStatus) return { ...input, metadata };
  const { status: _status, ...rest } = input;
  return { ...rest, metadata, ...pick(live ?? {}, "status") };
}

function assertPreconditions(sent: JsonObject, target: ResourceTarget, live: Resource | null): void {
  const { uid, resourceVersion } = sent;
  if (live === null) return;
  if (typeof uid === "string" && uid !== "" && uid !== live.metadata.uid) {
    throw new StatusError(
      "Conflict",
      `Cannot write ${describeTarget(target)}: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid ?? ""}`,
      detailsOf(target),
    );
  }
  if (
    typeof resourceVersion === "string" &&
    resourceVersion !== "" &&
    resourceVersion !== live.metadata.resourceVersion
  ) {
    throw conflict(target, live.metadata.resourceVersion ?? "");
  }
}

function pick(object: Readonly<Record<string, unknown>>, field: string): JsonObject {
  return object[field] === undefined ? {} : { [field]: object[field] };
}
