import { QueuedStore, type StoreOptions } from "./queued-store.ts";
import type { Store } from "./store.ts";

/** A store that lives as long as its process; for tests and try-outs. */
export function createMemoryStore(options: StoreOptions): Store {
  const persistence = { commit: async (): Promise<void> => {}, close: async (): Promise<void> => {} };
  return new QueuedStore(options, persistence, { resources: [], events: [], version: 0 });
}
