import type { Http2Stream } from "./http2-stream.ts";
import type { DecodeFailure } from "../http1/decoder-contract.ts";

/** Where frames go; a transport's connection is one. */
export interface Http2Output {
  /** Takes all bytes; false means stop until `Http2Session.onDrain`. Copies up to 16 KiB, keeps larger ones by reference. */
  write(bytes: Uint8Array): boolean;
}

/** Who owns a session: a connection of the proxy. Called while `receive` runs; must not throw. */
export interface Http2Owner {
  /** Servers: a stream for a request whose head is about to be decoded; its `head` is decoded into. */
  createStream(): Http2Stream;
  /** The last reference is gone: it may be used for another stream. Never called inside one of its own events. */
  releaseStream(stream: Http2Stream): void;
  /** The session is over: write what is buffered, then close. No event follows. */
  onSessionEnd(reason: SessionEnd): void;
  /** The peer will take no new streams; streams above `lastStreamId` were not processed and have failed already. */
  onGoaway(): void;
  /** The peer's first SETTINGS have come, or its limit of streams changed. */
  onSettings(): void;
  /** Our PING was answered. */
  onPong(): void;
  /** The number of open streams changed from or to none or one. */
  onActivity(activeStreams: number): void;
}

export interface SessionEnd {
  /** Error code of RFC 9113 §7. */
  readonly code: number;
  /** True when the peer broke the rules (and was told by GOAWAY). */
  readonly local: boolean;
  /** For the log. */
  readonly message: string;
}

export interface Http2SessionOptions {
  readonly role: "server" | "client";
  readonly output: Http2Output;
  readonly owner: Http2Owner;
  readonly limits: Http2Limits;
  /** Milliseconds of a steady clock, for budgets. */
  readonly nowMs: () => number;
}

/** What one connection may hold and how fast it may make us work. */
export interface Http2Limits {
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number;
  /** Receive window of a stream: what a peer may send before we have passed it on. */
  readonly streamWindowBytes: number;
  /** What it grows to while what comes is taken at once: a power of two times `streamWindowBytes`. */
  readonly maxStreamWindowBytes: number;
  /**
   * Bytes of all streams that may be held because who they are for does not take them. As much above the connection's window
   * is held before streams that are taken from feel those that are not.
   */
  readonly maxHeldBytes: number;
  /** Before what is held narrows the connection's window, the stream that holds most is given up. */
  readonly shedsHeld: boolean;
  /** What may be written that is no DATA while the peer does not read: beyond it the connection ends. */
  readonly maxBlockedBytes: number;
  /** Receive window of the connection. */
  readonly connectionWindowBytes: number;
  /** Largest frame that we accept (SETTINGS_MAX_FRAME_SIZE). */
  readonly maxFrameBytes: number;
  /** HPACK tables, ours and the peer's. */
  readonly headerTableBytes: number;
  readonly maxHeadBytes: number;
  readonly maxTargetBytes: number;
  readonly maxFields: number;
  /** Streams that a client may reset, and then per second. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** Frames that carry nothing (SETTINGS, PING, PRIORITY, empty DATA, …), and then per second. */
  readonly controlBurst: number;
  readonly controlsPerSecond: number;
}

const COMMON = { maxHeadBytes: 65_536, maxTargetBytes: 8_192, maxFields: 100 } as const;

/**
 * For anybody who can reach an ingress. 128 streams as nginx; 256 KiB per stream lets 20 Mbit/s flow at 100 ms; at most
 * 2 MiB are held per connection. Resets: nghttp2's default of 1,000 and 33 per second.
 */
export const EDGE_LIMITS: Http2Limits = {
  ...COMMON,
  maxStreams: 128,
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 262_144,
  maxHeldBytes: 2_097_152,
  shedsHeld: false,
  maxBlockedBytes: 1_048_576,
  connectionWindowBytes: 1_048_576,
  maxFrameBytes: 16_384,
  headerTableBytes: 4_096,
  resetBurst: 1_000,
  resetsPerSecond: 33,
  controlBurst: 1_000,
  controlsPerSecond: 100,
};

/** For the app beside us and for what it serves: it may open as many streams as it has work, and cancel them at will. */
export const APP_LIMITS: Http2Limits = {
  ...COMMON,
  maxStreams: 16_384,
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 1_048_576,
  maxHeldBytes: 33_554_432,
  shedsHeld: true,
  maxBlockedBytes: 33_554_432,
  connectionWindowBytes: 16_777_216,
  maxFrameBytes: 16_384,
  headerTableBytes: 4_096,
  resetBurst: 20_000,
  resetsPerSecond: 2_000,
  controlBurst: 10_000,
  controlsPerSecond: 1_000,
};

/**
 * Between proxies: many callers share one connection, so nothing that one does may stop the others. Heads are larger by
 * what a proxy adds: what it accepted must not be refused by the next one.
 */
export const LINK_LIMITS: Http2Limits = {
  ...APP_LIMITS,
  maxHeadBytes: COMMON.maxHeadBytes + 16_384,
  maxFields: 128,
  maxStreams: 16_384,
  maxHeldBytes: 67_108_864,
  maxBlockedBytes: 67_108_864,
  maxFrameBytes: 262_144,
  headerTableBytes: 65_536,
  resetBurst: 100_000,
  resetsPerSecond: 10_000,
};

/** What a stream learns when its request's head cannot be used. */
export type HeadRefusal = DecodeFailure;
