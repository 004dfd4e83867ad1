import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import { FORGET_MS } from "./host-stats.ts";
import type { Strategy, StrategyContext } from "./picker.ts";
import { InFlightQuantile } from "./in-flight-quantile.ts";
import { type Comparison, TwoChoicesPicker } from "./two-choices-picker.ts";

/** What an instance's proxy said is believed for so long. Prequal's age limit. */
const REPORT_VALID_MS = 1_000;
/** An instance that fails by so much more of its answers than another gets nothing where there is the other. */
const MORE_FAILURES = 0.25;
/** A latency must be lower by this factor, beyond a floor, to count: what is alike shares the load evenly. */
const CLEARLY_FASTER = 0.7;
/** Hot is who has so many times the quantile: at the quantile itself one instance in six would be hot at any time. */
const HOT_FACTOR = 1.5;
/** Some milliseconds more or less say little: instances that are alike must share the load evenly. */
const LATENCY_FLOOR_MS = 10;
/** So many requests fewer are clearly fewer: what others have is an average, and a part of one says nothing. */
const FEWER = 0.5;

/**
 * Of two instances the better one after Prequal (Wydrowski et al., NSDI 2024), whose rule is: an instance with more
 * requests in flight than most is hot; a cold one comes before a hot one; of two cold ones the faster, of two hot ones the
 * one with fewer in flight. In place of probes, instances report what they have in flight from all callers, and how fast
 * they answer, on responses. A report is some tens of milliseconds old when it is used, so what it says about others is
 * smoothed, and this proxy's own requests are counted exactly; only a clear difference in latency decides.
 *
 * Where one of the two has no report of the last second (an app without a proxy, a quiet one), both are compared by what
 * this proxy measured itself: latency times requests in flight. Before all that, one that clearly fails more often than the
 * other gets nothing: errors are fast, and would else draw all traffic into a broken instance. Where all fail alike it
 * does not count.
 */
export function createAdaptivePicker<H extends Host>({ random }: StrategyContext): Strategy<H> {
  const comparison = new HotColdComparison();
  return {
    observes: true,
    startsSlowly: true,
    createPicker: (set) => new TwoChoicesPicker(set, comparison, random),
  };
}

class HotColdComparison implements Comparison {
  readonly #quantile: InFlightQuantile = new InFlightQuantile();

  isSecondBetter(set: HostSet<Host>, first: number, second: number, nowMs: number): boolean {
    const one = set.at(first);
    const other = set.at(second);
    if (one.stats.failureRatio !== 0 || other.stats.failureRatio !== 0) {
      const more = one.stats.failureRatioNow(nowMs) - other.stats.failureRatioNow(nowMs);
      if (more > MORE_FAILURES) return true;
      if (more < -MORE_FAILURES) return false;
    }
    if (isReported(one, nowMs) && isReported(other, nowMs)) return this.#byReports(set, first, second);
    return isMeasuredBetter(set, second, first, nowMs);
  }

  #byReports(set: HostSet<Host>, first: number, second: number): boolean {
    const one = set.at(first);
    const other = set.at(second);
    const quantile = this.#quantile;
    const oneInFlight = estimateInFlight(one) / (set.capacities[first] as number); // one for each host
    const otherInFlight = estimateInFlight(other) / (set.capacities[second] as number);
    quantile.add(Math.ceil(oneInFlight));
    quantile.add(Math.ceil(otherInFlight));
    const hottest = quantile.threshold * HOT_FACTOR;
    const isOneHot = oneInFlight > hottest;
    if (isOneHot !== otherInFlight > hottest) return isOneHot;
    const isLessBusy = otherInFlight <= oneInFlight - FEWER;
    if (isOneHot || one.load.latencyMs < 0 || other.load.latencyMs < 0) return isLessBusy;
    const oneMs = one.load.latencyMs + LATENCY_FLOOR_MS;
    const otherMs = other.load.latencyMs + LATENCY_FLOOR_MS;
    if (otherMs < oneMs * CLEARLY_FASTER) return true;
    if (oneMs < otherMs * CLEARLY_FASTER) return false;
    return isLessBusy;
  }
}

function isReported(host: Host, nowMs: number): boolean {
  return host.load.inFlight >= 0 && nowMs - host.load.reportedMs <= REPORT_VALID_MS;
}

/** What all callers have in flight: others as they were reported lately, and exactly what is this proxy's. */
function estimateInFlight(host: Host): number {
  return host.load.othersInFlight + host.inFlight;
}

/** Whether instance `index` is better than `rival`. */
function isMeasuredBetter(set: HostSet<Host>, index: number, rival: number, nowMs: number): boolean {
  const host = set.at(index);
  const other = set.at(rival);
  const hostMs = measuredMs(host, nowMs);
  const otherMs = measuredMs(other, nowMs);
  const waiting = host.inFlight / (set.capacities[index] as number);
  const otherWaiting = other.inFlight / (set.capacities[rival] as number);
  // Unknown ones count as alike; each is given one request to show how fast it is.
  if (hostMs < 0 && otherMs < 0) return waiting < otherWaiting;
  if (hostMs < 0) return host.inFlight === 0;
  if (otherMs < 0) return other.inFlight > 0;
  const cost = (hostMs + LATENCY_FLOOR_MS) * (waiting + 1);
  return cost < (otherMs + LATENCY_FLOOR_MS) * (otherWaiting + 1) * CLEARLY_FASTER;
}

/** -1 = nothing is known, or it is too old. */
function measuredMs(host: Host, nowMs: number): number {
  const { stats } = host;
  if (host.inFlight === 0 && nowMs - stats.answeredMs > FORGET_MS) return -1;
  return stats.latencyNow(nowMs);
}
