import { Buffer } from "node:buffer";
import { FIELD_OTHER, type Head } from "../../head.ts";
import { equalsIgnoreCase } from "../../http1/field-name.ts";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
const COOKIE: Uint8Array = Buffer.from("cookie", "latin1");
const COOKIE_NAME: Uint8Array = Buffer.from("cookie: ", "latin1");

/**
 * Puts the crumb between `start` and `end` behind the cookie that is the last field of `head` (RFC 9113 section 8.2.3);
 * its line has to lie before the crumb's. Returns where the line ends.
 */
export function joinCrumb(head: Head, index: number, start: number, end: number): number {
  const { bytes, spans } = head;
  let to = spans[index * 4 + 3] as number; // index is below head.count
  if (start === end) return to + 2;
  if (to > (spans[index * 4 + 2] as number)) {
    bytes[to++] = SEMICOLON;
    bytes[to++] = SPACE;
  }
  for (let from = start; from < end; from += 1) bytes[to++] = bytes[from] as number;
  spans[index * 4 + 3] = to;
  bytes[to] = CR;
  bytes[to + 1] = LF;
  return to + 2;
}

/** Makes one field of all cookie fields, in the place of the first. Rare, so it may allocate. */
export function joinScatteredCrumbs(head: Head): void {
  const { spans, ids } = head;
  const start = head.end;
  const grown = Buffer.alloc(head.end * 2 + COOKIE_NAME.length + 2);
  grown.set(head.bytes.subarray(0, head.end));
  grown.set(COOKIE_NAME, start);
  const valueStart = start + COOKIE_NAME.length;
  let to = valueStart;
  let first = -1;
  let kept = 0;
  for (let index = 0; index < head.count; index += 1) {
    const from = index * 4;
    if (isCookie(head, index)) {
      const value = head.bytes.subarray(spans[from + 2], spans[from + 3]);
      if (value.length > 0 && to > valueStart) {
        grown[to++] = SEMICOLON;
        grown[to++] = SPACE;
      }
      grown.set(value, to);
      to += value.length;
      if (first >= 0) continue;
      first = kept;
    }
    spans.copyWithin(kept * 4, from, from + 4);
    ids[kept] = ids[index] as number; // below head.count
    kept += 1;
  }
  grown[to] = CR;
  grown[to + 1] = LF;
  spans[first * 4] = start;
  spans[first * 4 + 1] = valueStart - 2;
  spans[first * 4 + 2] = valueStart;
  spans[first * 4 + 3] = to;
  head.bytes = grown;
  head.count = kept;
  head.end = to + 2;
}

function isCookie(head: Head, index: number): boolean {
  const { spans } = head;
  return (
    head.ids[index] === FIELD_OTHER &&
    equalsIgnoreCase(head.bytes, spans[index * 4] as number, spans[index * 4 + 1] as number, COOKIE)
  );
}
