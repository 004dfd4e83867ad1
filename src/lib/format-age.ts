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

function joinUnits(
  ms: number,
  [bigMs, big]: readonly [number, string],
  [smallMs, small]: readonly [number, string],
): string {
  const bigCount = Math.floor(ms / bigMs);
  const smallCount = Math.floor((ms - bigCount * bigMs) / smallMs);
  return smallCount === 0 ? `${bigCount}${big}` : `${bigCount}${big}${smallCount}${small}`;
}
