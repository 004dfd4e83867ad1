import { z } from "zod";
import { parseDurationMs } from "../lib/duration.ts";

const DAY_MS = 24 * 3_600_000;

/** A duration as people write it ("5s", "250ms"), between two others. */
export function durationBetween(min: string, max: string): z.ZodType<string> {
  const least = parseDurationMs(min) ?? 0;
  const most = parseDurationMs(max) ?? DAY_MS;
  const rule = `a duration of ${min} to ${max}, e.g. 5s or 250ms`;
  return z.string(rule).refine((text) => {
    const ms = parseDurationMs(text);
    return ms !== null && ms >= least && ms <= most;
  }, rule);
}

export function wholeBetween(min: number, max: number): z.ZodType<number> {
  const rule = `a whole number of ${min} to ${max}`;
  return z.int(rule).min(min, rule).max(max, rule);
}

export function numberBetween(min: number, max: number): z.ZodType<number> {
  const rule = `a number of ${min} to ${max}`;
  return z.number(rule).min(min, rule).max(max, rule);
}

export function textThat(pattern: RegExp, rule: string): z.ZodType<string> {
  return z.string(rule).regex(pattern, rule);
}

/** Of a duration that was validated; `fallbackMs` where nothing is written. */
export function toMs(text: string | undefined, fallbackMs: number): number {
  return text === undefined ? fallbackMs : (parseDurationMs(text) ?? fallbackMs);
}
