import { isDeepStrictEqual } from "node:util";
import { deepFreeze } from "../lib/deep-freeze.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import { formatKey, toResourceKey } from "./store-key.ts";
import type { PutOptions, ResourceKey, WatchEvent } from "./store.ts";

/** What a write will do, decided against the newest state and not yet stored. */
export interface WritePlan {
  /** Null when nothing changes. */
  readonly event: WatchEvent | null;
  /** What the writer is told: the stored resource, the deleted one, or null when there was nothing to delete. */
  readonly outcome: Resource | null;
}

/** What the store gives a new version. */
export interface Stamp {
  readonly version: number;
  /** For a resource that did not exist. */
  readonly uid: string;
  readonly creationTimestamp: string;
}

const CONTENT_FREE = new Set(["apiVersion", "kind", "metadata", "status"]);

/** Throws WEFT_STORE_CONFLICT, or WEFT_STORE_INVALID when `resource` is not plain data. */
export function planPut(
  existing: Resource | null,
  resource: Resource,
  options: PutOptions,
  stamp: () => Stamp,
): WritePlan {
  checkVersion(existing, options, toResourceKey(resource));
  const written = copyPlain(resource);
  if (existing !== null) {
    // Compared as if nothing but the written fields could differ: the store's own fields are never the writer's.
    const same = withServerFields(written, existing.metadata);
    if (isDeepStrictEqual(same, existing)) return { event: null, outcome: existing };
  }
  const { version, uid, creationTimestamp } = stamp();
  const known = existing?.metadata ?? (options.keepIdentity === true ? written.metadata : undefined);
  const generation = existing === null ? (known?.generation ?? 1) : nextGeneration(existing, written);
  const stored = deepFreeze(
    withServerFields(written, {
      uid: known?.uid ?? uid,
      creationTimestamp: known?.creationTimestamp ?? creationTimestamp,
      generation,
      resourceVersion: String(version),
    }),
  );
  return { event: { type: existing === null ? "ADDED" : "MODIFIED", resource: stored }, outcome: stored };
}

/** Throws WEFT_STORE_CONFLICT. */
export function planDelete(
  existing: Resource | null,
  key: ResourceKey,
  options: PutOptions,
  stamp: () => Stamp,
): WritePlan {
  checkVersion(existing, options, key);
  if (existing === null) return { event: null, outcome: null };
  const resourceVersion = String(stamp().version);
  const last = deepFreeze({ ...existing, metadata: { ...existing.metadata, resourceVersion } });
  return { event: { type: "DELETED", resource: last }, outcome: last };
}

function checkVersion(existing: Resource | null, options: PutOptions, key: ResourceKey): void {
  if (options.ifVersion === undefined) return;
  const found = existing?.metadata.resourceVersion ?? "absent";
  if (found === options.ifVersion) return;
  const expected = options.ifVersion === "absent" ? "nothing there" : `version ${options.ifVersion}`;
  const actual = found === "absent" ? "nothing" : `version ${found}`;
  throw new WeftError("WEFT_STORE_CONFLICT", `Cannot write ${formatKey(key)}: found ${actual}; expected ${expected}`, {
    hint: "Somebody else wrote it meanwhile: read it again and repeat the change",
    details: { found },
  });
}

/** Detached from the writer's objects, and exactly what a file or another process would give back. */
function copyPlain(resource: Resource): Resource {
  try {
    return JSON.parse(JSON.stringify(resource)) as Resource;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new WeftError(
      "WEFT_STORE_INVALID",
      `Cannot write ${formatKey(toResourceKey(resource))}: found ${text}; expected plain data`,
      {
        cause: error,
      },
    );
  }
}

type ServerFields = Pick<Resource["metadata"], "uid" | "creationTimestamp" | "generation" | "resourceVersion">;

function withServerFields(resource: Resource, from: ServerFields): Resource {
  const metadata: Record<string, unknown> = { ...resource.metadata };
  for (const field of ["uid", "creationTimestamp", "generation", "resourceVersion"] as const) {
    if (from[field] === undefined) delete metadata[field];
    else metadata[field] = from[field];
  }
  return { ...resource, metadata: metadata as unknown as Resource["metadata"] };
}

/** Grows when the content changes: `spec`, and for kinds without one everything beside metadata and status. */
function nextGeneration(existing: Resource, written: Resource): number {
  const generation = existing.metadata.generation ?? 1;
  return isDeepStrictEqual(contentOf(existing), contentOf(written)) ? generation : generation + 1;
}

function contentOf(resource: Resource): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(resource).filter(([field]) => !CONTENT_FREE.has(field)));
}
