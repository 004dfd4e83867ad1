/** How one attempt at an instance went, as balancing, outlier ejection and circuit breakers see it. */

/** Answered, and not with one of the below. */
export const OUTCOME_OK = 0;
/** 429 or RESOURCE_EXHAUSTED: it protects itself. */
export const OUTCOME_THROTTLED = 1;
/** 5xx other than those below, or a gRPC status that means the same. */
export const OUTCOME_ERROR = 2;
/** 502, 503, 504, or UNAVAILABLE. */
export const OUTCOME_GATEWAY_ERROR = 3;
/** No answer: no connection, TLS failed, or the stream broke. */
export const OUTCOME_RESET = 4;
/** No answer in time. */
export const OUTCOME_TIMEOUT = 5;
/** The caller left, or the proxy gave up for a reason of its own: says nothing about the instance. */
export const OUTCOME_ABANDONED = 6;

export function isFailure(outcome: number): boolean {
  return outcome >= OUTCOME_ERROR && outcome <= OUTCOME_TIMEOUT;
}
