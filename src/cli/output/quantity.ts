/** Numbers as a person reads them in a table. */

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
