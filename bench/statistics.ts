/** Median and quartiles of a handful of readings. */
export interface Spread {
  readonly median: number;
  /** First and third quartile; both the median when there is one reading. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** Null when there is no reading. */
export function summarise(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    count: sorted.length,
  };
}

/** Between neighbours the value is interpolated. */
function quantile(sorted: readonly number[], ratio: number): number {
  const position = (sorted.length - 1) * ratio;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}
