import { TextMemo } from "../../lib/text-memo.ts";
import type { Head } from "../head.ts";
import { type CacheControl, NO_DIRECTIVES, parseCacheControl } from "./cache-control.ts";
import { isEntityTag } from "./entity-tag.ts";
import { FieldPicker } from "./field-picker.ts";
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

const SINGLE_NAMES: ReadonlySet<string> = new Set([
  ...["expires", "date", "age", "etag", "last-modified", "if-modified-since"],
]);

const REQUEST_NAMES = [
  ...["cache-control", "pragma", "range", "authorization", "cookie"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"],
] as const;
const REQUEST = toSlots(REQUEST_NAMES);
const requestFields: FieldPicker = new FieldPicker(REQUEST_NAMES, SINGLE_NAMES);

const RESPONSE_NAMES = [
  ...["cache-control", "etag", "last-modified", "expires", "date", "age", "vary", "set-cookie", "x-weft-failure"],
] as const;
const RESPONSE = toSlots(RESPONSE_NAMES);
const responseFields: FieldPicker = new FieldPicker(RESPONSE_NAMES, SINGLE_NAMES);

const NO_NAMES: readonly string[] = [];

export function readRequestFacts(head: Head): RequestFacts {
  const fields = requestFields;
  fields.pick(head);
  const control = fields.text(head, REQUEST["cache-control"]);
  return {
    control: control === null ? fromPragma(fields.text(head, REQUEST.pragma)) : parseCacheControl(control),
    hasRange: fields.has(REQUEST.range),
    hasAuthorization: fields.has(REQUEST.authorization),
    hasCookie: fields.has(REQUEST.cookie),
    hasOriginConditions: fields.has(REQUEST["if-match"]) || fields.has(REQUEST["if-unmodified-since"]),
    ifNoneMatch: fields.text(head, REQUEST["if-none-match"]),
    ifModifiedSince: fields.text(head, REQUEST["if-modified-since"]),
  };
}

export function readResponseFacts(head: Head, nowWallMs: number): ResponseFacts {
  const fields = responseFields;
  fields.pick(head);
  const etag = fields.text(head, RESPONSE.etag);
  const lastModified = fields.text(head, RESPONSE["last-modified"]);
  const date = fields.text(head, RESPONSE.date);
  const dateMs = date === null ? NaN : parseHttpDate(date, nowWallMs);
  const expires = fields.text(head, RESPONSE.expires);
  return {
    status: head.status,
    control: parseCacheControl(fields.text(head, RESPONSE["cache-control"])),
    etag: etag !== null && isEntityTag(etag) ? etag : null,
    lastModifiedMs: lastModified === null ? null : parseHttpDate(lastModified, nowWallMs),
    expiresMs: expires === null ? null : parseHttpDate(expires, nowWallMs),
    dateMs: Number.isNaN(dateMs) ? null : dateMs,
    ageS: parseAge(fields.text(head, RESPONSE.age)),
    vary: parseVary(fields.text(head, RESPONSE.vary) ?? ""),
    hasSetCookie: fields.has(RESPONSE["set-cookie"]),
    isFailure: fields.has(RESPONSE["x-weft-failure"]),
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

/** RFC 9111 §5.4: for those who know nothing newer. */
function fromPragma(text: string | null): CacheControl {
  return text !== null && /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(text)
    ? { ...NO_DIRECTIVES, noCache: true }
    : NO_DIRECTIVES;
}

/** The first member, when it is a number of seconds (§5.1). */
function parseAge(text: string | null): number {
  if (text === null) return 0;
  const digits = /^\s*(\d+)\s*(?:,|$)/.exec(text)?.[1];
  return digits === undefined ? 0 : Math.min(2_147_483_648, Number(digits));
}

function toSlots<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  // One entry for each name.
  return Object.fromEntries(names.map((name, slot) => [name, slot])) as Record<Name, number>;
}
