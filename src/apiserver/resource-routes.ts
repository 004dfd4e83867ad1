import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import { findPlural, formatApiVersion, type KindDefinition } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import type { ResourceKey, Store } from "../store/store.ts";
import type { Clock } from "../time/clock.ts";
import { admitResource } from "./admission.ts";
import { type ApiAnswer, type ApiCall, type ApiRoute, json } from "./api-route.ts";
import { type ListFilter, parseListFilter } from "./list-filter.ts";
import { RESOURCE_MEDIA } from "./negotiation.ts";
import { alreadyExists, conflict, notFound, type ResourceTarget } from "./resource-target.ts";
import { StatusError } from "./status.ts";
import { startWatch, type WatchLimiter } from "./watch-stream.ts";
import { toWire } from "./wire-resource.ts";

export interface ResourceRoutesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly watches: WatchLimiter;
}

/** Where the core group and all others stand. */
const PREFIXES: readonly string[] = ["/api/{version}", "/apis/{group}/{version}"];

/** The store as Kubernetes-style REST: list, watch, get, create, replace, delete. */
export function createResourceRoutes(options: ResourceRoutesOptions): readonly ApiRoute[] {
  const list = (call: ApiCall): Promise<ApiAnswer> => listOrWatch(options, call);
  const get = (call: ApiCall): Promise<ApiAnswer> => getOne(options.store, call);
  const create = (call: ApiCall): Promise<ApiAnswer> => createOne(options.store, call);
  const replace = (call: ApiCall): Promise<ApiAnswer> => replaceOne(options.store, call);
  const remove = (call: ApiCall): Promise<ApiAnswer> => removeOne(options.store, call);
  return PREFIXES.flatMap((prefix): ApiRoute[] => {
    const collections = [`${prefix}/{plural}`, `${prefix}/namespaces/{namespace}/{plural}`];
    return collections.flatMap((path): ApiRoute[] => [
      { method: "GET", path, produces: RESOURCE_MEDIA, answer: list },
      { method: "POST", path, produces: RESOURCE_MEDIA, answer: create },
      { method: "GET", path: `${path}/{name}`, produces: RESOURCE_MEDIA, answer: get },
      { method: "PUT", path: `${path}/{name}`, produces: RESOURCE_MEDIA, answer: replace },
      { method: "DELETE", path: `${path}/{name}`, produces: RESOURCE_MEDIA, answer: remove },
    ]);
  });
}

async function listOrWatch(options: ResourceRoutesOptions, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const filter = parseListFilter(call.query);
  const { definition, namespace } = target;
  const kind = { group: definition.group, kind: definition.kind };
  const scope = namespace === "" ? {} : { namespace };
  if (isWatch(call)) return startWatch({ ...options, ...scope, kind, filter, query: call.query });
  const found = await options.store.list(kind, namespace === "" ? undefined : namespace);
  return json(toList(definition, filter, found.items, found.resourceVersion));
}

function toList(
  definition: KindDefinition,
  filter: ListFilter,
  items: readonly Resource[],
  resourceVersion: string,
): unknown {
  return {
    kind: `${definition.kind}List`,
    apiVersion: formatApiVersion(definition.group, definition.version),
    metadata: { resourceVersion },
    items: items.filter((item) => filter.accepts(item)).map(toWire),
  };
}

function isWatch(call: ApiCall): boolean {
  const value = call.query.get("watch");
  return value === "1" || value === "true";
}

async function getOne(store: Store, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const found = await store.get(toKey(target));
  if (found === null) throw notFound(target);
  return json(toWire(found));
}

async function createOne(store: Store, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const resource = admitResource(await call.readBody(), target);
  const created = { ...target, name: resource.metadata.name };
  if (resource.metadata.resourceVersion !== undefined) {
    throw new StatusError(
      "BadRequest",
      "Cannot create a resource: found metadata.resourceVersion; expected none in a new one",
    );
  }
  if (isDryRun(call)) {
    if ((await store.get(toKey(created))) !== null) throw alreadyExists(created);
    return json(toWire(resource), 201);
  }
  return json(
    toWire(
      await guard(
        () => store.put(resource, { ifVersion: "absent" }),
        () => alreadyExists(created),
      ),
    ),
    201,
  );
}

async function replaceOne(store: Store, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const resource = admitResource(await call.readBody(), target);
  if (resource.metadata.name !== target.name) {
    throw new StatusError(
      "BadRequest",
      `Cannot replace "${target.name}": found metadata.name "${resource.metadata.name}"; expected the name in the path`,
    );
  }
  const found = await store.get(toKey(target));
  if (found === null) throw notFound(target);
  const { resourceVersion, uid } = resource.metadata;
  assertSameObject(target, found, uid);
  if (resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion) {
    throw conflict(target, found.metadata.resourceVersion ?? "");
  }
  if (isDryRun(call)) return json(toWire(resource));
  const options = resourceVersion === undefined ? {} : { ifVersion: resourceVersion };
  return json(
    toWire(
      await guard(
        () => store.put(resource, options),
        (version) => conflict(target, version),
      ),
    ),
  );
}

async function removeOne(store: Store, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const { resourceVersion, uid } = readPreconditions(await call.readBody());
  const key = toKey(target);
  const found = await store.get(key);
  if (found === null) throw notFound(target);
  assertSameObject(target, found, uid);
  if (isDryRun(call)) return json(toWire(found));
  const options = resourceVersion === undefined ? {} : { ifVersion: resourceVersion };
  const deleted = await guard(
    () => store.delete(key, options),
    (version) => conflict(target, version),
  );
  if (deleted === null) throw notFound(target);
  return json(toWire(deleted));
}

function isDryRun(call: ApiCall): boolean {
  const value = call.query.get("dryRun");
  if (value === null || value === "All") return value === "All";
  throw new StatusError("BadRequest", `Cannot read dryRun: found "${value}"; expected All`);
}

function assertSameObject(target: ResourceTarget, found: Resource, uid: string | undefined): void {
  if (uid !== undefined && uid !== found.metadata.uid) throw conflict(target, found.metadata.resourceVersion ?? "");
}

/** Of Kubernetes' DeleteOptions weft knows `preconditions`; nothing here has finalizers or dependents. */
function readPreconditions(body: unknown): { readonly resourceVersion?: string; readonly uid?: string } {
  if (typeof body !== "object" || body === null) return {};
  const preconditions = (body as { readonly preconditions?: unknown }).preconditions;
  if (typeof preconditions !== "object" || preconditions === null) return {};
  const { resourceVersion, uid } = preconditions as Partial<Record<string, unknown>>;
  return {
    ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
    ...(typeof uid === "string" ? { uid } : {}),
  };
}

/** Runs a write; a lost compare-and-swap becomes what `toError` makes of the version found ("absent" = deleted). */
async function guard<T>(write: () => Promise<T>, toError: (foundVersion: string) => StatusError): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT")
      throw toError(String(error.details["found"]));
    throw error;
  }
}

function readTarget(call: ApiCall): ResourceTarget {
  const { group = "", version = "", plural = "", namespace = "", name = "" } = call.parameters;
  const definition = findPlural(group, version, plural);
  // Namespaced objects are addressed with a namespace, cluster-scoped ones without; a collection may span namespaces.
  const isMisplaced =
    definition !== null &&
    (definition.namespaced ? namespace === "" && (name !== "" || call.method !== "GET") : namespace !== "");
  if (definition === null || isMisplaced) {
    throw new StatusError(
      "NotFound",
      `Cannot find the path "${call.path}"; expected a kind that ${formatGroupPath(group, version)} lists`,
    );
  }
  return { definition, namespace, name };
}

function formatGroupPath(group: string, version: string): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

function toKey(target: ResourceTarget): ResourceKey {
  return {
    group: target.definition.group,
    kind: target.definition.kind,
    namespace: target.namespace,
    name: target.name,
  };
}
