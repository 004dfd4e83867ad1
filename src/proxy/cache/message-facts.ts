import { TextMemo } from "../../lib/text-memo.ts";
import { FIELD_DROPPED, type Head } from "../head.ts";
import { KNOWN_FIELDS } from "../http1/field-name.ts";
import { type CacheControl, NO_DIRECTIVES, parseCacheControl } from "./cache-control.ts";
import { isEntityTag } from "./entity-tag.ts";
import { parseHttpDate } from "./http-date.ts";

/** What caching needs to know of a request's fields. */
export interface RequestFacts {
  readonly control: CacheControl;
  readonly hasRange: boolean;
  readonly hasAuthorization: boolean;
  readonly hasCookie: boolean;
  /** If-Match or If-Unmodified-Since: for the origin alone to judge (RFC 9111 §4.3.2). */
  readonly hasOriginConditions: boolean;
  /** The joined value; null = none. */
  readonly ifNoneMatch: string | null;
  readonly ifModifiedSince: string | null;
}

/** What caching needs to know of a response's fields. Times are wall-clock milliseconds. */
export interface ResponseFacts {
  readonly status: number;
  readonly control: CacheControl;
  /** With its quotes and, if weak, `W/`; null = none that is well-formed. */
  readonly etag: string | null;
  /** Null = none, NaN = one that is no date. */
  readonly lastModifiedMs: number | null;
  /** NaN = one that is no date, such as 0: it is over (RFC 9111 §5.3). */
  readonly expiresMs: number | null;
  /** Null = none, or none that is a date. */
  readonly dateMs: number | null;
  /** 0 when there is none. */
  readonly ageS: number;
  /** Lower-case names, sorted, each once; ["*"] when one of them is that. */
  readonly vary: readonly string[];
  readonly hasSetCookie: boolean;
  /** A proxy of the mesh made it in the app's place. */
  readonly isFailure: boolean;
}

const REQUEST_NAMES: ReadonlySet<string> = new Set([
  ...["cache-control", "pragma", "range", "authorization", "cookie"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"],
]);
const RESPONSE_NAMES: ReadonlySet<string> = new Set([
  ...["cache-control", "etag", "last-modified", "expires", "date", "age", "vary", "set-cookie", "x-weft-failure"],
]);
/** 1 for the lengths of those names, so that most fields cost one look. */
const REQUEST_LENGTHS: Uint8Array = lengthsOf(REQUEST_NAMES);
const RESPONSE_LENGTHS: Uint8Array = lengthsOf(RESPONSE_NAMES);
/** Names of fields with an id; those of all others have to be read. */
const NAMES_BY_ID: readonly (string | undefined)[] = (() => {
  const names: (string | undefined)[] = [];
  for (const [name, id] of KNOWN_FIELDS) names[id] = name;
  return names;
})();
const NO_NAMES: readonly string[] = [];

export function readRequestFacts(head: Head): RequestFacts {
  const fields = collect(head, REQUEST_NAMES, REQUEST_LENGTHS);
  const control = fields.get("cache-control");
  return {
    control: control === undefined ? fromPragma(fields.get("pragma")) : parseCacheControl(control),
    hasRange: fields.has("range"),
    hasAuthorization: fields.has("authorization"),
    hasCookie: fields.has("cookie"),
    hasOriginConditions: fields.has("if-match") || fields.has("if-unmodified-since"),
    ifNoneMatch: fields.get("if-none-match") ?? null,
    ifModifiedSince: fields.get("if-modified-since") ?? null,
  };
}

export function readResponseFacts(head: Head, nowWallMs: number): ResponseFacts {
  const fields = collect(head, RESPONSE_NAMES, RESPONSE_LENGTHS);
  const etag = fields.get("etag") ?? null;
  const lastModified = fields.get("last-modified");
  const dateMs = parseHttpDate(fields.get("date") ?? "", nowWallMs);
  const expires = fields.get("expires");
  return {
    status: head.status,
    control: parseCacheControl(fields.get("cache-control") ?? null),
    etag: etag !== null && isEntityTag(etag) ? etag : null,
    lastModifiedMs: lastModified === undefined ? null : parseHttpDate(lastModified, nowWallMs),
    expiresMs: expires === undefined ? null : parseHttpDate(expires, nowWallMs),
    dateMs: Number.isNaN(dateMs) ? null : dateMs,
    ageS: parseAge(fields.get("age")),
    vary: parseVary(fields.get("vary") ?? ""),
    hasSetCookie: fields.has("set-cookie"),
    isFailure: fields.has("x-weft-failure"),
  };
}

/** The names that Vary fields nominate. */
export function parseVary(text: string): readonly string[] {
  return text === "" ? NO_NAMES : varyNames.of(text);
}

const varyNames: TextMemo<readonly string[]> = new TextMemo(256, (text) => {
  const names = new Set<string>();
  for (const part of text.split(",")) {
    const name = part.trim().toLowerCase();
    if (name !== "") names.add(name);
  }
  return Object.freeze(names.has("*") ? ["*"] : [...names].toSorted());
});

/** Values by lower-case name, of fields that come several times joined with commas (RFC 9110 §5.3). */
function collect(head: Head, names: ReadonlySet<string>, lengths: Uint8Array): Map<string, string> {
  const fields = new Map<string, string>();
  for (let index = 0; index < head.count; index += 1) {
    const id = head.ids[index] as number; // below the count
    if (id === FIELD_DROPPED) continue;
    // Below the count.
    const length = (head.spans[index * 4 + 1] as number) - (head.spans[index * 4] as number);
    if (length >= lengths.length || lengths[length] === 0) continue;
    const name = NAMES_BY_ID[id] ?? head.nameText(index).toLowerCase();
    if (!names.has(name)) continue;
    const before = fields.get(name);
    // Of a field that is no list the first counts (§4.2.1).
    if (before === undefined) fields.set(name, head.valueText(index));
    else if (!SINGLE_NAMES.has(name)) fields.set(name, `${before}, ${head.valueText(index)}`);
  }
  return fields;
}

const SINGLE_NAMES: ReadonlySet<string> = new Set([
  ...["expires", "date", "age", "etag", "last-modified", "if-modified-since"],
]);

/** RFC 9111 §5.4: for those who know nothing newer. */
function fromPragma(text: string | undefined): CacheControl {
  return text !== undefined && /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(text)
    ? { ...NO_DIRECTIVES, noCache: true }
    : NO_DIRECTIVES;
}

/** The first member, when it is a number of seconds (§5.1). */
function parseAge(text: string | undefined): number {
  const digits = /^\s*(\d+)\s*(?:,|$)/.exec(text ?? "")?.[1];
  return digits === undefined ? 0 : Math.min(2_147_483_648, Number(digits));
}

function lengthsOf(names: ReadonlySet<string>): Uint8Array {
  const lengths = new Uint8Array(24);
  for (const name of names) lengths[name.length] = 1;
  return lengths;
}
