import type { WatchEvent } from "../../src/store/store.ts";

/** One write, as the one who asked for it saw it. Steps count what happened in this process, in order. */
export interface WriteRecord {
  readonly store: number;
  readonly name: string;
  /** Unique for each put; null for a deletion. */
  readonly weight: number | null;
  /** The version that the writer said must be there. */
  readonly ifVersion: string | null;
  readonly begunStep: number;
  readonly endedStep: number;
  readonly outcome:
    | { readonly kind: "acknowledged"; readonly version: number }
    /** A deletion of what was not there. */
    | { readonly kind: "nothing" }
    /** Said not to have been made. */
    | { readonly kind: "refused"; readonly code: string }
    /** Said to be of unknown outcome. */
    | { readonly kind: "unknown" };
}

export interface ReadRecord {
  readonly store: number;
  readonly begunStep: number;
  readonly endedStep: number;
  /** Of a list: the version it is as of, and what it held; of a get: null, and what it held. */
  readonly version: number | null;
  readonly name: string | null;
  readonly found: ReadonlyMap<string, { readonly version: number; readonly weight: number }>;
}

/** What one watcher saw between two lists. */
export interface WatchSegment {
  readonly label: string;
  /** Events after this version are expected. */
  readonly fromVersion: number;
  readonly events: {
    readonly type: WatchEvent["type"];
    readonly name: string;
    readonly version: number;
    readonly weight: number;
  }[];
  /** True when the watcher was told that it missed something. */
  endedTooOld: boolean;
}

export interface StoreHistory {
  readonly writes: WriteRecord[];
  readonly reads: ReadRecord[];
  readonly segments: WatchSegment[];
}

/** What etcd itself says happened, told by etcd's own client. */
export interface TruthEvent {
  readonly revision: number;
  readonly deleted: boolean;
  readonly created: boolean;
  readonly name: string;
  /** -1 for a deletion. */
  readonly weight: number;
}
