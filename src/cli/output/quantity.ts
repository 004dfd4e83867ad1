/** Numbers as a person reads them in a table. */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `45s`, `12m`, `3h20m`, `5d`: two units at most, for ages and times left. */
export function formatAge(ms: number): string {
  if (ms < 0) return "0s";
  if (ms < 2 * MINUTE_MS) return `${Math.floor(ms / SECOND_MS)}s`;
  if (ms < 2 * HOUR_MS) return `${Math.floor(ms / MINUTE_MS)}m`;
  if (ms < DAY_MS) return joinUnits(ms, [HOUR_MS, "h"], [MINUTE_MS, "m"]);
  if (ms < 10 * DAY_MS) return joinUnits(ms, [DAY_MS, "d"], [HOUR_MS, "h"]);
  return `${Math.floor(ms / DAY_MS)}d`;
}

/** `0.4ms`, `12ms`, `1.20s`; `-` for null. */
export function formatLatency(ms: number | null): string {
  if (ms === null) return "-";
  if (ms < 9.95) return `${ms.toFixed(1)}ms`;
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  return `${(ms / 1000).toFixed(2)}s`;
}

/** `0.3`, `12.5`, `1250`: per second. */
export function formatRate(rate: number): string {
  if (rate === 0) return "0";
  return rate < 99.95 ? rate.toFixed(1) : String(Math.round(rate));
}

/** `100%`, `99.98%`; never rounds a failure away. */
export function formatSuccess(successRatio: number): string {
  const percent = successRatio * 100;
  if (percent === 100) return "100%";
  const text = percent.toFixed(2);
  return text === "100.00" ? "99.99%" : `${text}%`;
}

function joinUnits(
  ms: number,
  [bigMs, big]: readonly [number, string],
  [smallMs, small]: readonly [number, string],
): string {
  const bigCount = Math.floor(ms / bigMs);
  const smallCount = Math.floor((ms - bigCount * bigMs) / smallMs);
  return smallCount === 0 ? `${bigCount}${big}` : `${bigCount}${big}${smallCount}${small}`;
}
