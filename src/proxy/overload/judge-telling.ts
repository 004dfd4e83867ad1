import type { Exchange } from "../exchange.ts";
import { DEADLINE_PASSED, DOWNSTREAM_CLOSED, NO_FAILURE, TIMEOUT, TRY_TIMEOUT } from "../failures.ts";
import { isFailure } from "../upstream/attempt-outcome.ts";
import type { MedianLatency } from "./median-latency.ts";

export const TELLS_NOTHING = 0;
export const TELLS_LATENCY = 1;
/** It took at least so long. */
export const TELLS_LEAST = 2;

/**
 * What the time that a request took says about how busy the app is. Errors are often fast. Who gave up did not see the
 * end: that counts only where it took as long as usual, as then the app is slow. Without that an app so slow that
 * everybody gives up would never be found out.
 */
export function judgeTelling(x: Exchange, latencyMs: number, usual: MedianLatency): number {
  if (x.attemptCount === 0 || x.tunnel || x.endless) return TELLS_NOTHING;
  switch (x.failure) {
    case NO_FAILURE:
      return isFailure(x.outcome) ? TELLS_NOTHING : TELLS_LATENCY;
    case DOWNSTREAM_CLOSED:
    case DEADLINE_PASSED:
    case TIMEOUT:
    case TRY_TIMEOUT:
      return latencyMs >= usual.ms ? TELLS_LEAST : TELLS_NOTHING;
    default:
      return TELLS_NOTHING;
  }
}
