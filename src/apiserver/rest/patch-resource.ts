import type { Resource } from "../../resources/resource.ts";
import type { ApiAnswer, ApiCall, BodyText } from "../api-route.ts";
import { applyConfiguration } from "../managed-fields/apply-configuration.ts";
import { isObject } from "../patch/json-value.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { applyStrategicMergePatch } from "../patch/strategic-merge-patch.ts";
import { conflict, describeTarget, detailsOf, notFound, type ResourceTarget } from "../resource-target.ts";
import { readInVersion } from "../served-version.ts";
import { StatusError } from "../status.ts";
import { isTrue } from "../watch-stream.ts";
import { toWire } from "../wire-resource.ts";
import { answerOne } from "./get-resource.ts";
import { retryLostRaces } from "./lost-race.ts";
import { parseJson, parseYaml } from "./read-object.ts";
import { toKey } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";
import { type ObjectWrite, writeObject } from "./write-object.ts";
import { readManager, readWriteOptions } from "./write-options.ts";

const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json";
const APPLY_PATCH = "application/apply-patch+yaml";

export const PATCH_TYPES: readonly string[] = [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH];

/** `PATCH` of one object, or of its status, in the way that the content type says; an apply may create the object. */
export async function patchOne(
  context: RestContext,
  call: ApiCall,
  target: ResourceTarget,
  subresource: "" | "status",
): Promise<ApiAnswer> {
  const body = await call.readText();
  if (!PATCH_TYPES.includes(body.type)) throw unknownType(body.type);
  const options = readWriteOptions(call);
  const write = { target, subresource, options, warn: call.warn } as const;
  const isApply = body.type === APPLY_PATCH;
  const change = isApply ? readApply(context, call, write, body) : readPatch(call, write, body);
  let isCreated = false;
  const patched = await retryLostRaces(context, target, async (): Promise<Resource> => {
    const live = await context.store.get(toKey(target));
    // Through the status path nothing comes into being.
    if (live === null && (!isApply || subresource !== "")) throw notFound(target);
    isCreated = live === null;
    return writeObject(context, { ...write, live, input: change(live), operation: isApply ? "Apply" : "Update" });
  });
  return answerOne(context, call, patched, isCreated ? 201 : 200);
}

/** Makes the wanted object of the stored one; may be called again. */
type Change = (live: Resource | null) => unknown;

type Write = Pick<ObjectWrite, "target" | "subresource" | "options" | "warn">;

function readPatch(call: ApiCall, { target, options, warn }: Write, body: BodyText): Change {
  if (call.query.get("force") !== null) {
    throw new StatusError("Invalid", `Cannot patch with force: found ${body.type}; expected ${APPLY_PATCH}`);
  }
  const patch = parseJson(body, options.fieldValidation, warn);
  return (live) => {
    const before = live === null ? null : toWire(readInVersion(target.definition, live));
    if (body.type === JSON_PATCH) return applyJsonPatch(before, patch);
    if (body.type === MERGE_PATCH) return applyMergePatch(before, patch);
    return applyStrategicMergePatch(before, patch, target.definition);
  };
}

function readApply(context: RestContext, call: ApiCall, { target, subresource }: Write, body: BodyText): Change {
  const manager = readManager(call);
  if (manager === null) {
    throw new StatusError(
      "Invalid",
      "Cannot apply: found no fieldManager; expected one: it is required for apply patch",
      {
        causes: [{ reason: "FieldValueRequired", message: "is required for apply patch", field: "fieldManager" }],
      },
    );
  }
  const force = isTrue(call.query.get("force"));
  const applied = withName(parseYaml(body.text), target);
  return (live) => {
    if (live === null) assertMayCreate(applied, target);
    const before = live === null ? null : toWire(readInVersion(target.definition, live));
    return applyConfiguration(before, applied, {
      manager,
      force,
      wallMs: context.clock.wallMs(),
      kind: target.definition,
      subresource,
    });
  };
}

/** An applied object may leave its name and namespace to the path. */
function withName(applied: unknown, { name, namespace }: ResourceTarget): unknown {
  if (!isObject(applied)) return applied;
  const metadata = isObject(applied["metadata"]) ? applied["metadata"] : {};
  const place = namespace === "" || metadata["namespace"] !== undefined ? {} : { namespace };
  return { ...applied, metadata: { ...(metadata["name"] === undefined ? { name } : {}), ...place, ...metadata } };
}

/** One who names a uid or a version means an object that there was. */
function assertMayCreate(applied: unknown, target: ResourceTarget): void {
  const metadata = isObject(applied) ? applied["metadata"] : undefined;
  if (!isObject(metadata)) return;
  if (metadata["resourceVersion"] !== undefined) throw conflict(target, "absent");
  if (metadata["uid"] === undefined) return;
  throw new StatusError(
    "Conflict",
    `Cannot apply ${describeTarget(target)}: found metadata.uid, and no such object; expected none in a new one`,
    detailsOf(target),
  );
}

function unknownType(type: string): StatusError {
  return new StatusError(
    "UnsupportedMediaType",
    `Cannot patch: found content-type "${type}"; expected ${PATCH_TYPES.join(", ")}`,
  );
}
