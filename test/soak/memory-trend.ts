export interface MemorySample {
  readonly atMinutes: number;
  readonly bytes: number;
}

export interface MemoryTrend {
  readonly bytesPer10Minutes: number;
  /** What the slope is at least, with 99.9 % confidence, as far as the noise lets one say. */
  readonly atLeastPer10Minutes: number;
}

/** A collector's waves last tens of seconds, so neighbouring samples say the same: the least of each window is a point. */
const WINDOWS = 6;
/** Student's t for 4 degrees of freedom (a line through 6 points), 99.9 %, one side. */
const CONFIDENCE = 7.173;

/**
 * The slope of resident memory by linear regression over the least of each of six windows: what is left after a collection,
 * not what lies about before it. In an hour's last quarter the slope itself can be judged; over minutes a collector's habits
 * are larger than the limit, so short runs are judged by the lower end of the slope's confidence interval, over their last half.
 */
export function computeTrend(samples: readonly MemorySample[]): MemoryTrend {
  const size = Math.floor(samples.length / WINDOWS);
  if (size < 2) throw new RangeError(`A trend needs ${2 * WINDOWS} samples; got ${samples.length}`);
  const points = Array.from({ length: WINDOWS }, (_, at) =>
    samples.slice(at * size, (at + 1) * size).reduce((least, sample) => (sample.bytes < least.bytes ? sample : least)),
  );
  const meanX = points.reduce((sum, { atMinutes }) => sum + atMinutes, 0) / WINDOWS;
  const meanY = points.reduce((sum, { bytes }) => sum + bytes, 0) / WINDOWS;
  const spread = points.reduce((sum, { atMinutes }) => sum + (atMinutes - meanX) ** 2, 0);
  const slope = points.reduce((sum, { atMinutes, bytes }) => sum + (atMinutes - meanX) * (bytes - meanY), 0) / spread;
  const squares = points.reduce(
    (sum, { atMinutes, bytes }) => sum + (bytes - meanY - slope * (atMinutes - meanX)) ** 2,
    0,
  );
  const error = Math.sqrt(squares / (WINDOWS - 2) / spread);
  return { bytesPer10Minutes: slope * 10, atLeastPer10Minutes: (slope - CONFIDENCE * error) * 10 };
}
