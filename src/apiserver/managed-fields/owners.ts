import { isObject, MAX_DEPTH, measure, readField } from "../patch/json-value.ts";
import type { FieldSet } from "./field-set.ts";
import { decodeFieldsV1, encodeFieldsV1 } from "./fields-v1.ts";
import type { ManagedFieldsEntry } from "./managed-fields-entry.ts";

/** Who owns which places of an object, and since when: one entry of managedFields, decoded. */
export interface Owner {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  /** "" = of the object itself. */
  readonly subresource: string;
  readonly time: string | null;
  readonly set: FieldSet;
}

/** By `ownerId`. Replaced, never changed. */
export type Owners = ReadonlyMap<string, Owner>;

export const NO_OWNERS: Owners = new Map();

/** An applier is the same one whichever version it writes in; an updater has an entry for each. */
export function ownerId(owner: Omit<Owner, "time" | "set">): string {
  const version = owner.operation === "Apply" ? "" : owner.apiVersion;
  return JSON.stringify([owner.operation, version, owner.manager, owner.subresource]);
}

/** The owners that `managedFields` tells of; null when any of it is not as Kubernetes writes it. */
export function decodeOwners(managedFields: unknown): Owners | null {
  if (managedFields === undefined || managedFields === null) return NO_OWNERS;
  if (!Array.isArray(managedFields)) return null;
  const owners = new Map<string, Owner>();
  for (const entry of managedFields) {
    const owner = isObject(entry) ? decodeOwner(entry) : null;
    if (owner === null) return null;
    owners.set(ownerId(owner), owner);
  }
  return owners;
}

function decodeOwner(entry: Readonly<Record<string, unknown>>): Owner | null {
  const manager = readField(entry, "manager") ?? "";
  const operation = readField(entry, "operation");
  const apiVersion = readField(entry, "apiVersion");
  const subresource = readField(entry, "subresource") ?? "";
  const time = readField(entry, "time") ?? null;
  const fields = readField(entry, "fieldsV1") ?? {};
  if (operation !== "Apply" && operation !== "Update") return null;
  if (typeof manager !== "string" || typeof apiVersion !== "string" || apiVersion === "") return null;
  if (typeof subresource !== "string" || (typeof time !== "string" && time !== null)) return null;
  if (readField(entry, "fieldsType") !== "FieldsV1" || isTooDeep(fields)) return null;
  const set = decodeFieldsV1(fields);
  return set === null ? null : { manager, operation, apiVersion, subresource, time, set };
}

function isTooDeep(fields: unknown): boolean {
  try {
    measure(fields, `fieldsV1 of more than ${MAX_DEPTH} levels`);
    return false;
  } catch {
    return true;
  }
}

/** As Kubernetes orders them: appliers first, then the oldest first. */
export function encodeOwners(owners: Owners): readonly ManagedFieldsEntry[] {
  return [...owners.values()].sort(compareOwners).map((owner) => ({
    manager: owner.manager,
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time === null ? {} : { time: owner.time }),
    fieldsType: "FieldsV1",
    fieldsV1: encodeFieldsV1(owner.set),
    ...(owner.subresource === "" ? {} : { subresource: owner.subresource }),
  }));
}

/** By time, then by the rest, so that the order never depends on the order of writing. */
export function compareOwners(a: Owner, b: Owner): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time ?? "", b.time ?? "") ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
