import type { Store } from "../../store/store.ts";

/** A view of the store that says so whenever something in it was changed; what was there already is no change. */
export function noteWrites(store: Store, onWrite: () => void): Store {
  return {
    get: (key) => store.get(key),
    list: (kind, namespace) => store.list(kind, namespace),
    listAll: () => store.listAll(),
    async put(resource, options) {
      const stored = await store.put(resource, options);
      if (options?.ifVersion === undefined || stored.metadata.resourceVersion !== options.ifVersion) onWrite();
      return stored;
    },
    async delete(key, options) {
      const deleted = await store.delete(key, options);
      if (deleted !== null) onWrite();
      return deleted;
    },
    watch: (options) => store.watch(options),
    close: () => store.close(),
  };
}
