/** Powers of ten and of 1024 that Kubernetes' quantities know. */
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const QUANTITY = /^\+?(\d{0,30})(?:\.(\d{0,30}))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?$/;
const NANO_DIGITS = 9;

/**
 * A quantity as Kubernetes writes it ("500m", "1", "1.5k", 2, "1e3"), in billionths, which is as fine as Kubernetes goes.
 * Null: it is none, is negative, or is finer.
 */
export function parseQuantity(written: unknown): bigint | null {
  if (typeof written !== "string" && typeof written !== "number") return null;
  const found = QUANTITY.exec(String(written));
  if (found === null) return null;
  const [, whole = "", fraction = "", suffix = "", exponent] = found;
  if (whole === "" && fraction === "") return null;
  const digits = BigInt(`${whole}${fraction}`);
  const shift = BINARY[suffix];
  const power = NANO_DIGITS - fraction.length + (exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent));
  const scaled = shift === undefined ? digits : digits << shift;
  if (power >= 0) return scaled * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  return scaled % divisor === 0n ? scaled / divisor : null;
}

/** One in billionths. */
export const ONE: bigint = 10n ** BigInt(NANO_DIGITS);

/**
 * Whole numbers in the same ratio: the quantities themselves where all are whole and at most `max`, else the smallest
 * there are. Null when those exceed `max`.
 */
export function toWholeNumbers(quantities: readonly bigint[], max: number): readonly number[] | null {
  const limit = BigInt(max);
  const isWhole = quantities.every((quantity) => quantity % ONE === 0n && quantity / ONE <= limit);
  const divisor = isWhole ? ONE : quantities.reduce(gcd, 0n);
  const numbers = quantities.map((quantity) => (divisor === 0n ? 0n : quantity / divisor));
  return numbers.every((number) => number <= limit) ? numbers.map(Number) : null;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}
