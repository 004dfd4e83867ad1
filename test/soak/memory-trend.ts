export interface MemorySample {
  readonly atMinutes: number;
  readonly bytes: number;
}

export interface MemoryTrend {
  readonly bytesPer10Minutes: number;
  /** What the slope is at least, with 95 % confidence, as far as the noise lets one say. */
  readonly atLeastPer10Minutes: number;
}

/** Samples per window whose least is taken: what is left after a collection, not what lies about before it. */
const WINDOW = 10;

/**
 * The slope of resident memory by linear regression over the least of each window of samples. In an hour's last quarter the
 * slope itself can be judged; over a minute a collector's habits are larger than the limit, so short runs are judged by the
 * lower end of the slope's confidence interval, over their last half.
 */
export function computeTrend(samples: readonly MemorySample[]): MemoryTrend {
  const points: MemorySample[] = [];
  for (let at = 0; at + WINDOW <= samples.length; at += WINDOW) {
    points.push(
      samples.slice(at, at + WINDOW).reduce((least, sample) => (sample.bytes < least.bytes ? sample : least)),
    );
  }
  const count = points.length;
  if (count < 3) throw new RangeError(`A trend needs ${3 * WINDOW} samples; got ${samples.length}`);
  const meanX = points.reduce((sum, { atMinutes }) => sum + atMinutes, 0) / count;
  const meanY = points.reduce((sum, { bytes }) => sum + bytes, 0) / count;
  const spread = points.reduce((sum, { atMinutes }) => sum + (atMinutes - meanX) ** 2, 0);
  const slope = points.reduce((sum, { atMinutes, bytes }) => sum + (atMinutes - meanX) * (bytes - meanY), 0) / spread;
  const squares = points.reduce(
    (sum, { atMinutes, bytes }) => sum + (bytes - meanY - slope * (atMinutes - meanX)) ** 2,
    0,
  );
  const error = Math.sqrt(squares / (count - 2) / spread);
  return { bytesPer10Minutes: slope * 10, atLeastPer10Minutes: (slope - 2 * error) * 10 };
}
