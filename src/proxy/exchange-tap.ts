import type { Exchange } from "./exchange.ts";
import type { Head } from "./head.ts";

/** Sees a final response as it goes downstream, and cannot change it. Bytes and heads are valid during the call only. */
export interface ResponseTap {
  onResponseHead(x: Exchange, head: Head): void;
  onResponseData(x: Exchange, bytes: Uint8Array): void;
  /** The response was complete. The last call. */
  onResponseEnd(x: Exchange, trailers: Head | null): void;
  /** The response was cut short, or none came at all. The last call. */
  onResponseAbort(x: Exchange): void;
}

/** Sees the request body as it comes from downstream, once whatever the attempts. Bytes are valid during the call only. */
export interface RequestTap {
  onRequestData(x: Exchange, bytes: Uint8Array): void;
  onRequestEnd(x: Exchange, trailers: Head | null): void;
  /** The exchange is over before the request was. The last call. */
  onRequestAbort(x: Exchange): void;
}

/**
 * Stands between a response's body and downstream, and passes it on with `x.passData` and `x.passEnd` in its own time. Once
 * `x.passData` said false it waits for `onDownstreamDrain`.
 */
export interface ResponsePacer {
  /** Bytes are valid during the call only. False: stop reading until `x.resumeResponse()`. */
  onResponseData(x: Exchange, bytes: Uint8Array): boolean;
  /** Trailers are valid during the call only. */
  onResponseEnd(x: Exchange, trailers: Head | null): void;
  /** Downstream has room again. */
  onDownstreamDrain(x: Exchange): void;
  /** The exchange is over: nothing more may be passed on. */
  onEnded(x: Exchange): void;
}
