import type { OutlierPolicy } from "../policy/cluster-policy.ts";
import type { HealthHost } from "./host-health.ts";

/** An instance that stands out among the others, and how far; greater is worse. */
export interface Outlier<H extends HealthHost> {
  readonly host: H;
  readonly reason: string;
  readonly badness: number;
}

/** Differences below it are noise of one machine, not a slow instance. */
const SMALLEST_LATENCY_MS = 1;
/** Rates that differ by less are the same but for rounding. */
const EQUAL_RATES = 1e-6;

/** Who stands out in this interval, by rates and latency; the worst first, each once. Looks only at instances still in. */
export function findOutliers<H extends HealthHost>(hosts: readonly H[], policy: OutlierPolicy): readonly Outlier<H>[] {
  const seen = hosts.filter(({ health }) => health.ejectedUntilMs === 0);
  const judged = seen.filter(({ health }) => health.requests >= Math.max(1, policy.minRequests));
  const found = [
    ...findFailing(judged, policy.failurePercent),
    ...findBelowMean(judged, policy.successRateFactor),
    ...findSlow(
      seen.filter(({ health }) => health.timed >= Math.max(1, policy.minRequests)),
      policy.latencyFactor,
    ),
  ];
  const first = new Map<H, Outlier<H>>();
  for (const outlier of found.sort((one, other) => other.badness - one.badness)) {
    if (!first.has(outlier.host)) first.set(outlier.host, outlier);
  }
  return [...first.values()];
}

function findFailing<H extends HealthHost>(hosts: readonly H[], failurePercent: number): Outlier<H>[] {
  if (failurePercent === 0) return [];
  const found: Outlier<H>[] = [];
  for (const host of hosts) {
    const { failures, requests } = host.health;
    const percent = (100 * failures) / requests;
    if (percent < failurePercent) continue;
    found.push({ host, reason: `${failures} of ${requests} requests failed`, badness: percent });
  }
  return found;
}

/** With few instances one alone cannot be far from the mean: at a factor of 1.9 it takes five. */
function findBelowMean<H extends HealthHost>(hosts: readonly H[], factor: number): Outlier<H>[] {
  if (factor === 0 || hosts.length < 2) return [];
  const rates = hosts.map(({ health }) => 100 * (1 - health.failures / health.requests));
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
  const bound = mean - factor * Math.sqrt(variance);
  const found: Outlier<H>[] = [];
  hosts.forEach((host, index) => {
    const rate = rates[index] ?? 100;
    if (rate >= bound - EQUAL_RATES) return;
    const reason = `${rate.toFixed(1)} % of its requests succeeded; expected ${bound.toFixed(1)} % or more, as all together have ${mean.toFixed(1)} %`;
    found.push({ host, reason, badness: 100 - rate });
  });
  return found;
}

function findSlow<H extends HealthHost>(hosts: readonly H[], factor: number): Outlier<H>[] {
  if (factor === 0 || hosts.length < 2) return [];
  const means = hosts.map(({ health }) => health.latencySumMs / health.timed);
  const sorted = [...means].sort((one, other) => one - other);
  const found: Outlier<H>[] = [];
  hosts.forEach((host, index) => {
    const meanMs = means[index] ?? 0;
    const othersMs = medianWithout(sorted, meanMs);
    if (meanMs <= factor * Math.max(SMALLEST_LATENCY_MS, othersMs)) return;
    const reason = `it took ${meanMs.toFixed(1)} ms on average; the others took ${othersMs.toFixed(1)} ms`;
    // Slower than the bound by a half is as bad as half of the requests failing.
    found.push({ host, reason, badness: 100 * (1 - (factor * othersMs) / meanMs) });
  });
  return found;
}

/** The median of `sorted` less one entry of `value`. */
function medianWithout(sorted: readonly number[], value: number): number {
  const others = sorted.toSpliced(sorted.indexOf(value), 1);
  const middle = others.length >> 1;
  const upper = others[middle] ?? 0;
  return others.length % 2 === 1 ? upper : (upper + (others[middle - 1] ?? 0)) / 2;
}
