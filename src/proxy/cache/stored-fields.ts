import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DROPPED,
  FIELD_KEEP_ALIVE,
  FIELD_LOAD_METRICS,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRAILER,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  FIELD_WEFT_FAILURE,
  type Head,
} from "../head.ts";
import { formatHttpDate } from "./http-date.ts";

/** One field line of a stored response. */
export interface StoredField {
  /** In lower case. */
  readonly name: string;
  /** `Name: value\r\n` as it came. */
  readonly line: string;
}

/**
 * Fields of one hop, of framing and of proxy authentication (RFC 9111 §3.1), what an instance says about its own load, and what is
 * written anew for each answer.
 */
const UNSTORED_IDS: ReadonlySet<number> = new Set([
  FIELD_DROPPED,
  FIELD_CONNECTION,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  FIELD_TRAILER,
  FIELD_CONTENT_LENGTH,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_LOAD_METRICS,
  FIELD_WEFT_FAILURE,
]);
const UNSTORED_NAMES: ReadonlySet<string> = new Set([
  ...["age", "proxy-authenticate", "proxy-authentication-info", "set-cookie"],
  // What one caller has left of a rate limit is nothing for the next.
  ...["ratelimit", "ratelimit-policy"],
]);
/** What a 304 must not change: they say what the stored body is (§3.2). */
const OF_THE_BODY: ReadonlySet<string> = new Set(["content-encoding", "content-type", "content-range"]);
/** What a 304 has of what a 200 would have (RFC 9110 §15.4.5). */
const OF_NOT_MODIFIED: ReadonlySet<string> = new Set([
  ...["cache-control", "content-location", "date", "etag", "expires", "vary", "last-modified", "cache-status"],
]);

/** The fields of a response that are kept. One without a Date gets the time when it came (RFC 9110 §6.6.1). */
export function readStoredFields(head: Head, responseWallMs: number): StoredField[] {
  const fields: StoredField[] = [];
  let hasDate = false;
  for (let index = 0; index < head.count; index += 1) {
    if (UNSTORED_IDS.has(head.ids[index] as number)) continue; // below the count
    const name = head.nameText(index).toLowerCase();
    if (UNSTORED_NAMES.has(name)) continue;
    if (name === "date") hasDate = true;
    fields.push({ name, line: `${head.nameText(index)}: ${head.valueText(index)}\r\n` });
  }
  if (!hasDate) fields.push({ name: "date", line: `date: ${formatHttpDate(responseWallMs)}\r\n` });
  return fields;
}

/** Stored fields after a 304 with `news` (§3.2, §4.3.4): each name that it has replaces all stored fields of that name. */
export function mergeFields(stored: readonly StoredField[], news: readonly StoredField[]): StoredField[] {
  const changed = news.filter(({ name }) => !OF_THE_BODY.has(name));
  const names = new Set(changed.map(({ name }) => name));
  return [...stored.filter(({ name }) => !names.has(name)), ...changed];
}

/** Whether a 304 to a caller has the field. */
export function isOfNotModified(name: string): boolean {
  return OF_NOT_MODIFIED.has(name);
}

/** All Set-Cookie lines of a head: they go to the one caller whom the head was meant for. */
export function readSetCookies(head: Head): string {
  let lines = "";
  for (let index = 0; index < head.count; index += 1) {
    if (head.ids[index] === FIELD_DROPPED || head.nameText(index).toLowerCase() !== "set-cookie") continue;
    lines += `set-cookie: ${head.valueText(index)}\r\n`;
  }
  return lines;
}
