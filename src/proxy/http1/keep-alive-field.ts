// hot
import { startsWithIgnoreCase } from "./field-name.ts";

const COMMA = 0x2c;
const SPACE = 0x20;
const TAB = 0x09;
const TIMEOUT: Uint8Array = Buffer.from("timeout=", "latin1");
const MAX_DIGITS = 6;

/**
 * The seconds that a Keep-Alive value says an idle connection is kept for (`timeout=5, max=100`); -1 when it does not say.
 * Of a longer number the first six digits count.
 */
export function keepAliveSeconds(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at + TIMEOUT.length < end; at += 1) {
    const before = at === start ? COMMA : bytes[at - 1];
    if (before !== COMMA && before !== SPACE && before !== TAB) continue;
    if (!startsWithIgnoreCase(bytes, at, end, TIMEOUT)) continue;
    const seconds = leadingNumber(bytes, at + TIMEOUT.length, end);
    if (seconds >= 0) return seconds;
  }
  return -1;
}

function leadingNumber(bytes: Uint8Array, start: number, end: number): number {
  let number = -1;
  for (let at = start; at < end && at < start + MAX_DIGITS; at += 1) {
    const digit = (bytes[at] as number) - 0x30; // `at` is inside the value
    if (digit < 0 || digit > 9) break;
    number = number < 0 ? digit : number * 10 + digit;
  }
  return number;
}
