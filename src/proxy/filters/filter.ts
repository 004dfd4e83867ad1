import type { Exchange } from "../exchange.ts";

export const CONTINUE = 0;
/** The filter ended the exchange (`x.fail`): nothing after it runs. */
export const ANSWERED = 1;
/** The filter keeps the request: `x.holder` is set, and `x.stack.resume(x)` goes on behind the filter. */
export const HELD = 2;

/** Who keeps a request that is neither answered nor on its way. */
export interface Holder {
  /** The exchange ended while it was held: forget it. */
  onEndedWhileHeld(x: Exchange): void;
}

/**
 * Looks at a request or response head and may change or answer it. Filters hold only frozen configuration and are shared
 * by all requests; what belongs to one request lives on the exchange.
 */
export interface RequestFilter {
  onRequest(x: Exchange): number;
}

export interface ResponseFilter {
  onResponse(x: Exchange): void;
}
