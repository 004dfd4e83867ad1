import type { Head } from "../head.ts";

/**
 * What a decoder calls. Events of one message: interim*, head, data*, end; or failure, after which nothing more comes.
 * The same bytes give the same events however they are cut into chunks (only `onData` follows the cuts).
 * A sink may call `pause`, `resume`, `next`, `expect`, `tunnel` or `stop` of its decoder inside any of these; it must not
 * throw.
 */
export interface Http1Sink {
  /** An interim response (1xx other than 101); the final head follows in the same `Head`. Responses only. */
  onInterim(head: Head): void;
  /** A 101 that was asked for is a final head, with BODY_TUNNEL. */
  onHead(head: Head): void;
  /** Body bytes with their framing removed; a view of what was given to `decode`. Never empty. */
  onData(bytes: Uint8Array): void;
  /** `trailers` holds only fields (no start line); null when there were none. Valid until the next message. */
  onEnd(trailers: Head | null): void;
  onFailure(failure: DecodeFailure): void;
}

/** What a malformed message is answered with before its connection is closed. */
export interface DecodeFailure {
  /** For requests. A malformed response is a 502 whatever this says. */
  readonly status: 400 | 405 | 411 | 413 | 414 | 417 | 431 | 501 | 505;
  /** Stable short name, e.g. "bare_lf", "cl_te"; documented with the failure table. */
  readonly detail: string;
  /** One sentence for the log and the answer's body. */
  readonly message: string;
}

/** What one connection may make the decoder hold. */
export interface DecoderLimits {
  /** Start line, fields and blank line together; above it 431. Default 65,536. */
  readonly maxHeadBytes: number;
  /** The request target; above it 414. Default 8,192. */
  readonly maxTargetBytes: number;
  /** Fields of one head; above it 431. At most 128, default 100. */
  readonly maxFields: number;
  /** Trailer fields with their blank line; above it 431. Default 8,192. */
  readonly maxTrailerBytes: number;
  /** Chunk extensions that a body may carry beyond its own size; above it 400. Default 4,096. */
  readonly maxChunkExtensionBytes: number;
  /** Bytes kept while paused or between messages; above it the message fails. Default 1,048,576. */
  readonly maxPendingBytes: number;
}

export const DEFAULT_DECODER_LIMITS: DecoderLimits = {
  maxHeadBytes: 65_536, // nginx 8 × 8 KiB, Envoy 60 KiB, Node 16 KiB
  maxTargetBytes: 8_192, // nginx 8 KiB, HAProxy about 15 KiB; RFC 9112 section 3 asks for at least 8,000
  maxFields: 100, // Envoy 100, HAProxy 101
  maxTrailerBytes: 8_192,
  maxChunkExtensionBytes: 4_096,
  maxPendingBytes: 1_048_576,
};
