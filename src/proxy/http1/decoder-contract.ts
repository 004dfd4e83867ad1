import type { Head } from "../head.ts";

/** What a decoder calls. Events of one message: head, data*, end; or failure, after which nothing more comes. */
export interface Http1Sink {
  /** An interim response (1xx other than 101); the final head follows. Responses only. */
  onInterim(head: Head): void;
  onHead(head: Head): void;
  /** Body bytes with their framing removed; a view of what was given to `decode`. */
  onData(bytes: Uint8Array): void;
  /** `trailers` holds only fields (no start line); null when there were none. */
  onEnd(trailers: Head | null): void;
  onFailure(failure: DecodeFailure): void;
}

/** What a malformed message is answered with before its connection is closed. */
export interface DecodeFailure {
  readonly status: 400 | 405 | 411 | 413 | 414 | 417 | 431 | 501 | 505;
  /** Stable short name, e.g. "bare_lf", "cl_te"; documented with the failure table. */
  readonly detail: string;
  /** One sentence for the log and the answer's body. */
  readonly message: string;
}
