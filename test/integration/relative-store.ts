import { deepFreeze } from "../../src/lib/deep-freeze.ts";
import { WeftError } from "../../src/lib/weft-error.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { toResourceKey } from "../../src/store/store-key.ts";
import { createAccount } from "../../src/store/store-samples.ts";
import type { ListResult, PutOptions, Store, WatchEvent } from "../../src/store/store.ts";

/**
 * A store whose versions count from 0, so that the shared table, which names versions, can test one whose server counts from
 * somewhere else. The server must be used by nobody else, or there are gaps.
 */
export async function countFromZero(store: Store): Promise<Store> {
  // The first write also begins the store's epoch; from then on each write is one revision.
  await store.put(createAccount("first"));
  const deleted = await store.delete(toResourceKey(createAccount("first")));
  const base = Number(deleted?.metadata.resourceVersion);
  const down = (version: string): string => String(Number(version) - base);
  const up = (version: string): string => (/^[1-9]\d*$/.test(version) ? String(Number(version) + base) : version);
  const toRelative = <T extends Resource | null>(resource: T): T => {
    if (resource === null) return resource;
    const { resourceVersion = "0" } = resource.metadata;
    return deepFreeze({ ...resource, metadata: { ...resource.metadata, resourceVersion: down(resourceVersion) } }) as T;
  };
  const toAbsolute = ({ ifVersion, ...rest }: PutOptions = {}): PutOptions =>
    ifVersion === undefined ? rest : { ...rest, ifVersion: up(ifVersion) };
  const list = ({ items, resourceVersion }: ListResult): ListResult =>
    deepFreeze({ items: items.map(toRelative), resourceVersion: down(resourceVersion) });
  const translate = async <T>(result: Promise<T>): Promise<T> => {
    try {
      return await result;
    } catch (error) {
      throw toRelativeError(error, down);
    }
  };
  return {
    get: async (key) => toRelative(await store.get(key)),
    list: async (kind, namespace) => list(await store.list(kind, namespace)),
    listAll: async () => list(await store.listAll()),
    put: async (resource, options) => toRelative(await translate(store.put(resource, toAbsolute(options)))),
    delete: async (key, options) => toRelative(await translate(store.delete(key, toAbsolute(options)))),
    watch: (options) =>
      store.watch({
        ...options,
        fromVersion: up(options.fromVersion),
        onEvent: ({ type, resource }: WatchEvent) => options.onEvent({ type, resource: toRelative(resource) }),
      }),
    close: () => store.close(),
  };
}

function toRelativeError(error: unknown, down: (version: string) => string): unknown {
  if (!(error instanceof WeftError)) return error;
  const { found } = error.details;
  if (typeof found !== "string" || found === "absent") return error;
  return new WeftError(error.code, error.message, { details: { ...error.details, found: down(found) } });
}
