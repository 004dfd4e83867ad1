import type { Resource } from "../resources/resource.ts";

/** `group` is "" for the core group. */
export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

export interface ResourceKey extends GroupKind {
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

export interface PutOptions {
  /**
   * Compare-and-swap: a resourceVersion, or "absent" for create-only. Left out: last writer wins. A mismatch throws
   * WeftError `WEFT_STORE_CONFLICT` whose details hold `found` (resourceVersion or "absent").
   */
  readonly ifVersion?: string;
  /**
   * For an import: a resource that does not exist yet gets the uid, generation and creation time that it says it had.
   * Default false: the store's own.
   */
  readonly keepIdentity?: boolean;
}

export interface ListResult {
  readonly items: readonly Resource[];
  /** The version of the whole store at the moment of the list; watch from here to miss nothing. */
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** For DELETED: the last state, with the resourceVersion of the deletion. */
  readonly resource: Resource;
}

export interface WatchOptions {
  /** Left out: every kind. */
  readonly kind?: GroupKind;
  readonly namespace?: string;
  /** Events after this version are delivered. "0" = from the beginning, as ADDED for what exists now. */
  readonly fromVersion: string;
  readonly onEvent: (event: WatchEvent) => void;
  /** Called once when the watch cannot go on; `WEFT_STORE_TOO_OLD` means: list again and watch from there. */
  readonly onError: (error: Error) => void;
}

/**
 * Keeps resources. A write is acknowledged (its promise resolves) only when it is durable in the implementation's
 * sense. Versions are decimal strings that grow with every write of the whole store; compare for equality only.
 * The store sets `metadata.resourceVersion`, `uid`, `generation` (grows when `spec` changes) and `creationTimestamp`.
 * Everything returned is frozen.
 */
export interface Store {
  get(key: ResourceKey): Promise<Resource | null>;
  list(kind: GroupKind, namespace?: string): Promise<ListResult>;
  /** Every resource of every kind, for the model compiler and export. */
  listAll(): Promise<ListResult>;
  /** Returns what was stored. Writing what is already there changes nothing and returns it as it is. */
  put(resource: Resource, options?: PutOptions): Promise<Resource>;
  /** Null when there was nothing. */
  delete(key: ResourceKey, options?: PutOptions): Promise<Resource | null>;
  /** Events come in version order, each once, never inside this call. Returns a function that stops the watch. */
  watch(options: WatchOptions): () => void;
  close(): Promise<void>;
}
