const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;

/**
 * Milliseconds of a duration as people and Kubernetes write it: "250ms", "20s", "1h30m", "1.5h". Null when `text` is
 * not one; a number without a unit is not one, and neither is anything negative.
 */
export function parseDurationMs(text: string): number | null {
  if (text.length > 32 || !DURATION.test(text)) return null;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(PART)) totalMs += Number(amount) * (UNIT_MS[unit ?? ""] ?? Number.NaN);
  return Number.isFinite(totalMs) ? totalMs : null;
}
