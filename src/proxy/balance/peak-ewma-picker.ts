import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { Strategy, StrategyContext } from "./picker.ts";
import { type Comparison, TwoChoicesPicker } from "./two-choices-picker.ts";

/** What an instance costs more when all of its answers are failures; few failures cost little. Linkerd's penalty. */
const FAILURE_PENALTY_MS = 5_000;
/** The cost of an instance that has a request and has never answered one. */
const UNKNOWN_COST_MS = 1e9;

/**
 * Of two instances the one with the lower cost: its latency, where a slower answer counts at once and is forgotten slowly,
 * times the requests that would wait for it. An instance without history gets one request and no more until it answers.
 * Failures make it costlier, as errors are often fast.
 */
export function createPeakEwmaPicker<H extends Host>({ random }: StrategyContext): Strategy<H> {
  return {
    observes: true,
    startsSlowly: true,
    createPicker: (set) => new TwoChoicesPicker(set, PEAK_EWMA, random),
  };
}

const PEAK_EWMA: Comparison = {
  isSecondBetter: (set: HostSet<Host>, first: number, second: number, nowMs: number): boolean => {
    return costOf(set, second, nowMs) < costOf(set, first, nowMs);
  },
};

function costOf(set: HostSet<Host>, index: number, nowMs: number): number {
  const { inFlight, stats } = set.at(index);
  // Weight decides how often an instance is looked at, so alike and idle ones must cost the same.
  const waiting = inFlight / (set.capacities[index] as number); // one for each host
  const latencyMs = stats.latencyNow(nowMs);
  const failures = stats.failureRatioNow(nowMs);
  const penaltyMs = failures * failures * FAILURE_PENALTY_MS;
  if (latencyMs >= 0) return latencyMs * (waiting + 1) + penaltyMs;
  return inFlight === 0 ? penaltyMs : UNKNOWN_COST_MS + waiting;
}
