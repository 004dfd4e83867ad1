import type { Exchange } from "../exchange.ts";
import { DEADLINE_PASSED, DOWNSTREAM_CLOSED, NO_FAILURE, TIMEOUT, TRY_TIMEOUT } from "../failures.ts";
import { isFailure } from "../upstream/attempt-outcome.ts";

/**
 * Whether the time that a request took says how busy the app is. Errors are often fast. Who gave up did not see the end:
 * its time counts only where it is longer than usual, as then the app is surely slow. Without that an app so slow that
 * everybody gives up would never be found out.
 */
export function isTelling(x: Exchange, latencyMs: number, usualMs: number): boolean {
  if (x.attemptCount === 0 || x.tunnel || x.endless) return false;
  switch (x.failure) {
    case NO_FAILURE:
      return !isFailure(x.outcome);
    case DOWNSTREAM_CLOSED:
    case DEADLINE_PASSED:
    case TIMEOUT:
    case TRY_TIMEOUT:
      return latencyMs > usualMs;
    default:
      return false;
  }
}
