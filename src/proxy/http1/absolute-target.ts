import { type Head, METHOD_OPTIONS } from "../head.ts";

const SLASH = 0x2f;
const ASTERISK = 0x2a;

/** An absolute target without a path: `http://host` or `http://host?query`. */
export function lacksPath(head: Head): boolean {
  return head.targetStart === head.pathEnd;
}

/** Gives such a target its `/`, or `*` for OPTIONS (RFC 9112 section 3.2.4), in a copy of the head. Rare, so it may allocate. */
export function completePath(head: Head): void {
  const path = head.method === METHOD_OPTIONS && head.pathEnd === head.targetEnd ? ASTERISK : SLASH;
  const queryBytes = head.targetEnd - head.pathEnd;
  const own = new Uint8Array(head.end + 1 + queryBytes);
  own.set(head.bytes.subarray(0, head.end));
  own[head.end] = path;
  own.set(head.bytes.subarray(head.pathEnd, head.targetEnd), head.end + 1);
  head.bytes = own;
  head.targetStart = head.end;
  head.pathEnd = head.end + 1;
  head.targetEnd = head.pathEnd + queryBytes;
  head.end = own.length;
}
