/**
 * Upper bounds of the latency histogram, milliseconds; one more bucket holds everything above. The same bounds are
 * counted by the proxy, carried in telemetry and shown in Prometheus text, so quantiles can be merged exactly.
 */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 25, 35, 50, 75, 100, 150, 250, 350, 500, 750, 1000, 1500, 2500, 5000, 10_000,
  30_000, 60_000,
];

export const LATENCY_BUCKET_COUNT: number = LATENCY_BOUNDS_MS.length + 1;

/**
 * The `ratio` quantile (0..1) of bucket counts, interpolated inside its bucket; null when nothing was counted. What lies
 * above the last bound is reported as the last bound.
 */
export function estimateQuantileMs(counts: ArrayLike<number>, ratio: number): number | null {
  let total = 0;
  for (let i = 0; i < counts.length; i += 1) total += counts[i] ?? 0;
  if (total === 0) return null;
  const rank = ratio * total;
  let seen = 0;
  for (let i = 0; i < LATENCY_BOUNDS_MS.length; i += 1) {
    const count = counts[i] ?? 0;
    if (count > 0 && seen + count >= rank) {
      const low = i === 0 ? 0 : (LATENCY_BOUNDS_MS[i - 1] ?? 0);
      const high = LATENCY_BOUNDS_MS[i] ?? low;
      return low + ((rank - seen) / count) * (high - low);
    }
    seen += count;
  }
  return LATENCY_BOUNDS_MS[LATENCY_BOUNDS_MS.length - 1] ?? null;
}
