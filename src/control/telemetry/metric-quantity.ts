const SUFFIXES: readonly (readonly [suffix: string, milli: bigint])[] = [
  ["E", 10n ** 21n],
  ["P", 10n ** 18n],
  ["T", 10n ** 15n],
  ["G", 10n ** 12n],
  ["M", 10n ** 9n],
  ["k", 10n ** 6n],
  ["", 10n ** 3n],
];

/**
 * A Kubernetes Quantity (decimal SI, canonical): the value cut to thousandths, with the largest suffix that leaves a whole
 * number. 0 is "0", 0.01 "10m", 1.5 "1500m", 5000 "5k". What is not a finite number above 0 is "0": no sample is no time.
 */
export function formatMetricQuantity(value: number): string {
  if (!Number.isFinite(value) || value <= 0) return "0";
  // Thousandths are counted apart from the whole part, which may be too large to be multiplied exactly.
  const whole = Math.trunc(value);
  const milli = BigInt(whole) * 1000n + BigInt(Math.trunc(Number(((value - whole) * 1000).toFixed(6))));
  if (milli === 0n) return "0";
  for (const [suffix, unit] of SUFFIXES) if (milli % unit === 0n) return `${milli / unit}${suffix}`;
  return `${milli}m`;
}
