import type { FieldLines } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import type { RateLimitAmount } from "./rate-limit-amount.ts";

// The fields of draft-ietf-httpapi-ratelimit-headers-11 (May 2026): lists of Structured Fields (RFC 9651), each item the
// limit's name with parameters. No RFC yet; Retry-After, which says the same of a refused request, is one (RFC 9110).

/**
 * One item of `ratelimit-policy`: quota and window. Windows have whole seconds, so a shorter period is said as what it
 * comes to in one. A burst of another size than the quota has no word there, and gets one of ours.
 */
export function formatLimitPolicy(name: string, amount: RateLimitAmount): string {
  const windowSeconds = Math.max(1, Math.ceil(amount.periodMs / 1_000));
  const quota = Math.floor((amount.requests * windowSeconds * 1_000) / amount.periodMs);
  const burst = amount.burst === quota ? "" : `;weft-burst=${amount.burst}`;
  return `${quoteName(name)};q=${quota};w=${windowSeconds}${burst}`;
}

/** One item of `ratelimit`: so many requests are allowed now, and one more after so many seconds. */
export function formatLimitState(name: string, available: number, seconds: number): string {
  return `${quoteName(name)};r=${available};t=${seconds}`;
}

/** A Structured Fields string: visible ASCII; the rest of a name is shown as `?`. */
export function quoteName(name: string): string {
  const shown = name === "" ? "default" : name.replaceAll(/[^\u0020-\u007e]/g, "?");
  return `"${shown.replaceAll(/["\\]/g, "\\$&")}"`;
}

const SLOTS = 64;

/**
 * The `ratelimit` lines of one limit for its responses. The same numbers come again and again (of a limit that is far from
 * reached always the same), so lines are kept for a while, and encoders know them again.
 */
export class LimitLines {
  readonly #name: string;
  readonly #lines: (FieldLines | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  readonly #available: Float64Array = new Float64Array(SLOTS);
  readonly #seconds: Float64Array = new Float64Array(SLOTS);

  constructor(name: string) {
    this.#name = name;
  }

  find(available: number, seconds: number): FieldLines {
    const slot = (available ^ (seconds * 31)) & (SLOTS - 1);
    const known = this.#lines[slot];
    if (known !== undefined && this.#available[slot] === available && this.#seconds[slot] === seconds) return known;
    const lines = render(formatLimitState(this.#name, available, seconds));
    this.#lines[slot] = lines;
    this.#available[slot] = available;
    this.#seconds[slot] = seconds;
    return lines;
  }
}

function render(item: string): FieldLines {
  return toFieldLines(Buffer.from(`ratelimit: ${item}\r\n`, "latin1"));
}
