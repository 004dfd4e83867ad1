import type { google } from "#gen/protos.js";
import { ConfigRefusal } from "./refuse.ts";

/** Both inclusive. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** Default true. */
  readonly whole?: boolean;
}

/** What a timer can wait for: 24 days. */
export const MAX_DURATION_MS = 2_147_483_647;
/** "No limit" as control planes write it in Envoy's fields. */
export const UNLIMITED = 0xffff_ffff;
/** 0 = off. */
export const ANY_DURATION: NumberRange = { min: 0, max: MAX_DURATION_MS, whole: false };
export const SOME_DURATION: NumberRange = { min: 1, max: MAX_DURATION_MS, whole: false };
/** Of what is only compared with a clock: ten years. */
export const LONG_DURATION: NumberRange = { min: 0, max: 315_360_000_000, whole: false };
export const ANY_COUNT: NumberRange = { min: 0, max: UNLIMITED };
export const SOME_COUNT: NumberRange = { min: 1, max: UNLIMITED };
export const PERCENT: NumberRange = { min: 0, max: 100, whole: false };

const NANOS_PER_MS = 1_000_000;
const MAX_NANOS = 999_999_999;

/** The number itself; refuses one outside of the range, and no number at all. */
export function requireNumber(value: number, { min, max, whole = true }: NumberRange, path: string): number {
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  throw new ConfigRefusal(path, `${value}`, `${whole ? "a whole number" : "a number"} from ${min} to ${max}`);
}

/** In milliseconds, with fractions. */
export function requireDuration(duration: google.protobuf.Duration, range: NumberRange, path: string): number {
  const seconds = duration.seconds ?? 0;
  const nanos = duration.nanos ?? 0;
  // A negative duration has both of them negative.
  if (nanos < 0 || nanos > MAX_NANOS || seconds < 0) {
    throw new ConfigRefusal(path, `${seconds} s and ${nanos} ns`, "a duration of 0 or more");
  }
  const ms = seconds * 1_000 + nanos / NANOS_PER_MS;
  if (ms >= range.min && ms <= range.max) return ms;
  throw new ConfigRefusal(path, `${ms} ms`, `${range.min} ms to ${range.max} ms`);
}
