import { createRequire } from "node:module";
import type { RE2JS } from "re2js";
import { WeftError } from "./weft-error.ts";

/** A compiled RE2 pattern: matching takes time linear in the input, whatever the pattern. */
export interface CompiledPattern {
  readonly source: string;
  readonly mode: PatternMode;
  /** True when `text` fits the pattern in its mode. Never throws. */
  matches(text: string): boolean;
}

/**
 * Where a pattern must fit: "prefix" = from the start, open at the end (`^(?:re)`); "full" = the whole text; "search" =
 * anywhere.
 */
export type PatternMode = "prefix" | "full" | "search";

const MAX_SOURCE_LENGTH = 2048;

/**
 * Compiles an RE2 expression. Throws WeftError `WEFT_REGEX_INVALID` (details: `source`, `reason`) when it is not one:
 * look-around and back-references, which cannot be matched in linear time, are not. Plain text and `text.*` (the most
 * usual patterns of routes) are matched by string comparison and never load the RE2 library.
 */
export function compilePattern(source: string, mode: PatternMode): CompiledPattern {
  if (source.length > MAX_SOURCE_LENGTH) {
    throw invalid(source, `longer than ${MAX_SOURCE_LENGTH} characters`, undefined);
  }
  const simple = parseSimplePattern(source);
  if (simple !== null) {
    const matches = compileSimple(simple, mode);
    if (matches !== null) return { source, mode, matches };
  }
  return { source, mode, matches: compileRe2(source, mode) };
}

/** `^`? literal `.*`? `$`? */
export interface SimplePattern {
  readonly atStart: boolean;
  readonly literal: string;
  readonly open: boolean;
  readonly atEnd: boolean;
}

const SIMPLE = /^(\^?)((?:[^\\.+*?()[\]{}|^$]|\\[!-/:-@[-`{-~])*)(\.\*)?(\$?)$/s;

/** Null when the expression is more than that. */
export function parseSimplePattern(source: string): SimplePattern | null {
  const parts = SIMPLE.exec(source);
  if (parts === null) return null;
  const [, start, literal, open, end] = parts;
  return {
    atStart: start === "^",
    literal: (literal ?? "").replaceAll(/\\(.)/gs, "$1"),
    open: open !== undefined,
    atEnd: end === "$",
  };
}

/** Null when string comparison cannot say it. `.` does not match a line feed, so `.*$` asks for a rest without one. */
function compileSimple(pattern: SimplePattern, mode: PatternMode): ((text: string) => boolean) | null {
  const { literal } = pattern;
  const atStart = pattern.atStart || mode !== "search";
  const atEnd = pattern.atEnd || mode === "full";
  if (pattern.open) {
    if (atStart && atEnd) return (text) => text.startsWith(literal) && !text.includes("\n", literal.length);
    if (atEnd) return null;
    return atStart ? (text) => text.startsWith(literal) : (text) => text.includes(literal);
  }
  if (atStart && atEnd) return (text) => text === literal;
  if (atStart) return (text) => text.startsWith(literal);
  return atEnd ? (text) => text.endsWith(literal) : (text) => text.includes(literal);
}

function compileRe2(source: string, mode: PatternMode): (text: string) => boolean {
  // Loaded when the first pattern needs it: a proxy without such patterns does not pay for the library.
  const { RE2JS } = createRequire(import.meta.url)("re2js") as typeof import("re2js");
  try {
    const pattern = RE2JS.compile(source);
    if (mode === "search") return (text) => pattern.test(text);
    if (mode === "full") return (text) => pattern.testExact(text);
    const anchored = compileAnchored(RE2JS, source);
    // `test` runs on the automaton; `lookingAt` is the same answer, slower.
    if (anchored !== null) return (text) => anchored.test(text);
    return (text) => pattern.matcher(text).lookingAt();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(source, reason.replace(/^error parsing regexp: /, ""), error);
  }
}

/** Null for the rare source that is valid alone and not inside brackets: an unclosed \Q swallows the closing one. */
function compileAnchored(re2: typeof RE2JS, source: string): RE2JS | null {
  try {
    return re2.compile(`^(?:${source})`);
  } catch {
    return null;
  }
}

function invalid(source: string, reason: string, cause: unknown): WeftError {
  const shown = source.length > 80 ? `${source.slice(0, 80)}…` : source;
  return new WeftError(
    "WEFT_REGEX_INVALID",
    `Cannot compile pattern "${shown}": found ${reason}; expected RE2 syntax`,
    {
      cause,
      hint: "Look-around and back-references are not part of RE2; see https://github.com/google/re2/wiki/Syntax",
      details: { source, reason },
    },
  );
}
