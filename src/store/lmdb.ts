import { chmodSync, closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import { deepFreeze } from "../lib/deep-freeze.ts";
import { openPrivateFolder } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import {
  DEFAULT_HISTORY_LIMIT,
  type Persistence,
  QueuedStore,
  type StoredState,
  type StoreOptions,
} from "./queued-store.ts";
import { encodeKey, toResourceKey } from "./store-key.ts";
import type { Store, WatchEvent } from "./store.ts";

export interface LmdbStoreOptions extends StoreOptions {
  /** A folder for the store alone (0700, its files 0600); made when missing. */
  readonly path: string;
}

/** Changes when what is written would be misread by an older weft, or the other way round. */
const FORMAT = 1;

const DATA_FILE = "data.mdb";
const LMDB_MAGIC = 0xbeefc0de;
/** Behind the header of the first page, which is 16 or 24 bytes long, depending on LMDB's data format. */
const LMDB_MAGIC_OFFSETS: readonly number[] = [16, 24];

/**
 * A store on the local disk. What was acknowledged survives a crash of the process and of the machine. One process
 * at a time: a write after somebody else wrote fails with WEFT_STORE_SHARED and changes nothing. Throws
 * WEFT_STORE_OPEN when the folder holds something else, WEFT_STATE_PERMISSIONS when others may read it.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  openPrivateFolder(options.path);
  assertLmdbFile(options.path);
  const root = openRoot(options.path);
  try {
    const tables = openTables(root);
    const historyLimit = options.historyLimit ?? DEFAULT_HISTORY_LIMIT;
    const persistence = new LmdbPersistence(root, tables, historyLimit);
    return new QueuedStore(options, persistence, await persistence.load());
  } catch (error) {
    await root.close();
    throw error instanceof WeftError ? error : openError(options.path, error);
  }
}

interface Tables {
  readonly meta: Database<number, string>;
  /** By encoded key. */
  readonly resources: Database<Resource, string>;
  /** By version. */
  readonly events: Database<WatchEvent, number>;
}

/** The library ends the process, without a word, when it is given a file of another kind. */
function assertLmdbFile(path: string): void {
  const head = Buffer.alloc(32);
  let length = 0;
  try {
    const file = openSync(join(path, DATA_FILE), "r");
    try {
      length = readSync(file, head, 0, head.length, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw openError(path, error);
  }
  // Little-endian on every machine the library is built for. An empty file is what a crash at birth leaves.
  if (length === 0 || LMDB_MAGIC_OFFSETS.some((offset) => head.readUInt32LE(offset) === LMDB_MAGIC)) return;
  throw openError(path, new Error(`a file "${DATA_FILE}" that is not LMDB's`));
}

function openRoot(path: string): RootDatabase {
  try {
    // overlappingSync off: a commit is on the disk when its promise resolves, with no flush left to wait for.
    const root = open({ path, noSubdir: false, encoding: "json", maxDbs: 4, overlappingSync: false });
    for (const file of [DATA_FILE, "lock.mdb"]) chmodSync(join(path, file), 0o600);
    return root;
  } catch (error) {
    throw openError(path, error);
  }
}

function openTables(root: RootDatabase): Tables {
  return {
    meta: root.openDB<number, string>("meta", { encoding: "json" }),
    resources: root.openDB<Resource, string>("resources", { encoding: "json" }),
    events: root.openDB<WatchEvent, number>("events", { encoding: "json" }),
  };
}

class LmdbPersistence implements Persistence {
  readonly #root: RootDatabase;
  readonly #tables: Tables;
  readonly #historyLimit: number;
  #version: number = 0;

  constructor(root: RootDatabase, tables: Tables, historyLimit: number) {
    this.#root = root;
    this.#tables = tables;
    this.#historyLimit = historyLimit;
  }

  /** Reads everything, and drops events beyond the limit. */
  async load(): Promise<StoredState> {
    const { meta, resources, events } = this.#tables;
    const format = meta.get("format");
    if (format === undefined) await meta.put("format", FORMAT);
    else if (format !== FORMAT) throw formatError(format);
    this.#version = meta.get("version") ?? 0;
    const oldest = this.#version - this.#historyLimit;
    await this.#root.transaction(() => this.#dropEvents(oldest));

    const byKey = new Map<string, Resource>();
    for (const { key, value } of resources.getRange()) byKey.set(key, deepFreeze(value));
    const kept: WatchEvent[] = [];
    for (const { value } of events.getRange()) {
      // The newest event of a resource shares its object, as it did before the restart.
      const current = byKey.get(encodeKey(toResourceKey(value.resource)));
      const isCurrent = current?.metadata.resourceVersion === value.resource.metadata.resourceVersion;
      kept.push(deepFreeze(isCurrent && current !== undefined ? { type: value.type, resource: current } : value));
    }
    return { resources: [...byKey.values()], events: kept, version: this.#version };
  }

  async commit(changes: readonly WatchEvent[]): Promise<void> {
    const { meta, resources, events } = this.#tables;
    const before = this.#version;
    const after = before + changes.length;
    await this.#root.transaction(() => {
      const stored = meta.get("version") ?? 0;
      if (stored !== before) throw sharedError(before, stored);
      for (const [index, event] of changes.entries()) {
        const key = encodeKey(toResourceKey(event.resource));
        if (event.type === "DELETED") void resources.remove(key);
        else void resources.put(key, event.resource);
        void events.put(before + index + 1, event);
      }
      this.#dropEvents(after - this.#historyLimit);
      void meta.put("version", after);
    });
    this.#version = after;
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  /** Inside a transaction: those up to `version`. */
  #dropEvents(version: number): void {
    const { events } = this.#tables;
    for (const key of [...events.getKeys({ end: version + 1 })]) void events.remove(key);
  }
}

function formatError(found: number): WeftError {
  return new WeftError("WEFT_STORE_OPEN", `Cannot open the store: found format ${found}; expected format ${FORMAT}`, {
    hint: "It was written by another version of weft: use that one, or export its resources and start with a new folder",
  });
}

function sharedError(expected: number, found: number): WeftError {
  return new WeftError(
    "WEFT_STORE_SHARED",
    `Cannot write to the store: found version ${found}; expected version ${expected}`,
    {
      hint: "Another process writes to the same folder: stop one of them and restart the other",
    },
  );
}

function openError(path: string, cause: unknown): WeftError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new WeftError(
    "WEFT_STORE_OPEN",
    `Cannot open the store "${path}": found ${found}; expected a folder written by weft`,
    {
      cause,
      hint: "Check that the folder is on a local disk and writable; if its files are damaged, move them away and apply the resources again",
    },
  );
}
