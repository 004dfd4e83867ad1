import { TextMemo } from "../../lib/text-memo.ts";

/**
 * The directives of Cache-Control fields, of requests and of responses (RFC 9111 §5.2, RFC 5861). Unknown directives are
 * passed over. Of a directive that comes twice the first counts (§4.2.1).
 */
export interface CacheControl {
  readonly noStore: boolean;
  /** Also with field names (§5.2.2.4): those who may leave out the fields may as well ask again. */
  readonly noCache: boolean;
  readonly isPublic: boolean;
  /** Also with field names (§5.2.2.7). */
  readonly isPrivate: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly onlyIfCached: boolean;
  /** Seconds; ABSENT when it does not say. What is no number is 0: such a response is stale (§4.2.1). */
  readonly maxAgeS: number;
  readonly sMaxAgeS: number;
  readonly minFreshS: number;
  /** Infinity without an argument: however stale. */
  readonly maxStaleS: number;
  readonly staleWhileRevalidateS: number;
  readonly staleIfErrorS: number;
}

export const ABSENT = -1;
/** Longer times are read as this one (§1.2.2). */
const MAX_SECONDS = 2_147_483_648;

export const NO_DIRECTIVES: CacheControl = Object.freeze({
  noStore: false,
  noCache: false,
  isPublic: false,
  isPrivate: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  mustUnderstand: false,
  onlyIfCached: false,
  maxAgeS: ABSENT,
  sMaxAgeS: ABSENT,
  minFreshS: ABSENT,
  maxStaleS: ABSENT,
  staleWhileRevalidateS: ABSENT,
  staleIfErrorS: ABSENT,
});

/** `text`: the values of all Cache-Control fields, joined with commas; null when there is none. */
export function parseCacheControl(text: string | null): CacheControl {
  return text === null || text === "" ? NO_DIRECTIVES : parsed.of(text);
}

const parsed: TextMemo<CacheControl> = new TextMemo(256, parse);

function parse(text: string): CacheControl {
  const found = { ...NO_DIRECTIVES };
  let at = 0;
  while (at < text.length) {
    const name = readName(text, at);
    const behind = at + name.length;
    const argument = text[behind] === "=" ? readArgument(text, behind + 1) : null;
    if (name !== "") apply(found, name.toLowerCase(), argument === null ? null : argument.text);
    const comma = text.indexOf(",", argument?.end ?? behind);
    at = comma < 0 ? text.length : comma + 1;
    while (text[at] === " " || text[at] === "\t") at += 1;
  }
  return Object.freeze(found);
}

type Directives = { -readonly [Name in keyof CacheControl]: CacheControl[Name] };

interface Argument {
  readonly text: string;
  readonly end: number;
}

const DIGITS = /^\d+$/;

function readName(text: string, start: number): string {
  let end = start;
  while (end < text.length && isInName(text.charCodeAt(end))) end += 1;
  return text.slice(start, end);
}

/** Letters and hyphens: what is written otherwise is no directive that we know. */
function isInName(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x2d;
}

/** A token or a quoted string (§5.2: both forms are accepted for every directive). One without an end goes on to the end. */
function readArgument(text: string, start: number): Argument {
  if (text[start] !== '"') {
    const comma = text.indexOf(",", start);
    const end = comma < 0 ? text.length : comma;
    return { text: text.slice(start, end), end };
  }
  let value = "";
  let at = start + 1;
  for (; at < text.length && text[at] !== '"'; at += 1) {
    if (text[at] === "\\") at += 1;
    value += text[at] ?? "";
  }
  return { text: value, end: at + 1 };
}

function apply(found: Directives, name: string, argument: string | null): void {
  switch (name) {
    case "no-store":
      found.noStore = true;
      break;
    case "no-cache":
      found.noCache = true;
      break;
    case "public":
      found.isPublic = true;
      break;
    case "private":
      found.isPrivate = true;
      break;
    case "must-revalidate":
      found.mustRevalidate = true;
      break;
    case "proxy-revalidate":
      found.proxyRevalidate = true;
      break;
    case "must-understand":
      found.mustUnderstand = true;
      break;
    case "only-if-cached":
      found.onlyIfCached = true;
      break;
    default:
      applySeconds(found, name, argument);
  }
}

function applySeconds(found: Directives, name: string, argument: string | null): void {
  switch (name) {
    case "max-age":
      if (found.maxAgeS === ABSENT) found.maxAgeS = parseSeconds(argument, 0);
      break;
    case "s-maxage":
      if (found.sMaxAgeS === ABSENT) found.sMaxAgeS = parseSeconds(argument, 0);
      break;
    case "min-fresh":
      if (found.minFreshS === ABSENT) found.minFreshS = parseSeconds(argument, ABSENT);
      break;
    case "max-stale":
      if (found.maxStaleS === ABSENT) found.maxStaleS = argument === null ? Infinity : parseSeconds(argument, ABSENT);
      break;
    case "stale-while-revalidate":
      if (found.staleWhileRevalidateS === ABSENT) found.staleWhileRevalidateS = parseSeconds(argument, 0);
      break;
    case "stale-if-error":
      if (found.staleIfErrorS === ABSENT) found.staleIfErrorS = parseSeconds(argument, 0);
      break;
    default:
      break;
  }
}

/** `otherwise`: for what is no delta-seconds. */
function parseSeconds(argument: string | null, otherwise: number): number {
  const text = argument?.trim() ?? "";
  if (!DIGITS.test(text)) return otherwise;
  return Math.min(MAX_SECONDS, Number(text));
}
