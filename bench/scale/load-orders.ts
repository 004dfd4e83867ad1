import type { ProxyNodeMetadata } from "../../src/proxy-node.ts";

// Between the bench and its load processes, over Node's channel between parent and child.

export interface LoadIdentity {
  readonly keyPem: string;
  readonly certificateChainPem: string;
}

export interface LoadProxy extends LoadIdentity {
  /** Index in the mesh. */
  readonly index: number;
  readonly metadata: ProxyNodeMetadata;
}

/** The only order: connect these proxies, and keep them connected until the channel closes. */
export interface LoadOrder {
  readonly xdsPort: number;
  readonly trustBundlePem: string;
  readonly serverSpiffeId: string;
  readonly proxies: readonly LoadProxy[];
}

/** One response that a proxy acknowledged. */
export interface AckRow {
  readonly proxy: number;
  /** Of `readMonotonicMs`. */
  readonly atMs: number;
  readonly bytes: number;
  readonly upserts: number;
  readonly removals: number;
  /** Resources that the proxy held in just this version. */
  readonly repeats: number;
  readonly isEndpoints: boolean;
  /** The proxy has now everything that its configuration names. */
  readonly isComplete: boolean;
}

/** Rows since the last report, as plain arrays: a report of a thousand rows is small. */
export interface LoadReport {
  readonly rows: readonly (readonly number[])[];
  /** Streams that ended since the start. */
  readonly disconnects: number;
  readonly cpuMicros: number;
  readonly lastFailure: string | null;
}

/** A clock that all processes of this machine share. */
export function readMonotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function packRow(row: AckRow): readonly number[] {
  const { proxy, atMs, bytes, upserts, removals, repeats, isEndpoints, isComplete } = row;
  return [proxy, atMs, bytes, upserts, removals, repeats, Number(isEndpoints), Number(isComplete)];
}

export function unpackRow(packed: readonly number[]): AckRow {
  const [proxy = 0, atMs = 0, bytes = 0, upserts = 0, removals = 0, repeats = 0, endpoints = 0, complete = 0] = packed;
  return { proxy, atMs, bytes, upserts, removals, repeats, isEndpoints: endpoints === 1, isComplete: complete === 1 };
}
