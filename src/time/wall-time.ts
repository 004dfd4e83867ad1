/** Conversions between wall-clock milliseconds and what libraries and people use. They read no clock. */

export function toDate(wallMs: number): Date {
  return new Date(wallMs);
}

/** ISO 8601 in UTC with milliseconds. */
export function formatWallTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

/** Milliseconds since the epoch, or NaN. Takes ISO 8601, the form of HTTP, and that of X509Certificate's `validFrom` and `validTo`. */
export function parseWallTime(text: string): number {
  return Date.parse(text);
}
