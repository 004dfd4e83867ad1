import {
  FIELD_B3,
  FIELD_B3_FLAGS,
  FIELD_B3_PARENT_SPAN_ID,
  FIELD_B3_SAMPLED,
  FIELD_B3_SPAN_ID,
  FIELD_B3_TRACE_ID,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_CONTENT_TYPE,
  FIELD_DATE,
  FIELD_EXPECT,
  FIELD_FORWARDED_FOR,
  FIELD_FORWARDED_HOST,
  FIELD_FORWARDED_PROTO,
  FIELD_GRPC_STATUS,
  FIELD_GRPC_TIMEOUT,
  FIELD_IDEMPOTENCY_KEY,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_LOAD_METRICS,
  FIELD_OTHER,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_PROXY_CONNECTION,
  FIELD_REQUEST_ID,
  FIELD_REQUEST_TIMEOUT,
  FIELD_RETRY_AFTER,
  FIELD_SERVER,
  FIELD_TE,
  FIELD_TRACEPARENT,
  FIELD_TRAILER,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  FIELD_WEBSOCKET_ACCEPT,
  FIELD_WEBSOCKET_KEY,
  FIELD_WEFT_FAILURE,
} from "../head.ts";

/** Lower-case names with their FIELD_* id. */
export const KNOWN_FIELDS: ReadonlyMap<string, number> = new Map([
  ["host", FIELD_HOST],
  ["content-length", FIELD_CONTENT_LENGTH],
  ["transfer-encoding", FIELD_TRANSFER_ENCODING],
  ["connection", FIELD_CONNECTION],
  ["keep-alive", FIELD_KEEP_ALIVE],
  ["proxy-connection", FIELD_PROXY_CONNECTION],
  ["te", FIELD_TE],
  ["upgrade", FIELD_UPGRADE],
  ["expect", FIELD_EXPECT],
  ["trailer", FIELD_TRAILER],
  ["x-b3-traceid", FIELD_B3_TRACE_ID],
  ["x-b3-spanid", FIELD_B3_SPAN_ID],
  ["x-b3-parentspanid", FIELD_B3_PARENT_SPAN_ID],
  ["x-b3-sampled", FIELD_B3_SAMPLED],
  ["x-b3-flags", FIELD_B3_FLAGS],
  ["b3", FIELD_B3],
  ["x-request-id", FIELD_REQUEST_ID],
  ["x-forwarded-for", FIELD_FORWARDED_FOR],
  ["x-forwarded-proto", FIELD_FORWARDED_PROTO],
  ["x-forwarded-host", FIELD_FORWARDED_HOST],
  ["x-weft-failure", FIELD_WEFT_FAILURE],
  ["traceparent", FIELD_TRACEPARENT],
  ["grpc-timeout", FIELD_GRPC_TIMEOUT],
  ["grpc-status", FIELD_GRPC_STATUS],
  ["content-type", FIELD_CONTENT_TYPE],
  ["retry-after", FIELD_RETRY_AFTER],
  ["date", FIELD_DATE],
  ["server", FIELD_SERVER],
  ["proxy-authorization", FIELD_PROXY_AUTHORIZATION],
  ["sec-websocket-key", FIELD_WEBSOCKET_KEY],
  ["sec-websocket-accept", FIELD_WEBSOCKET_ACCEPT],
  ["endpoint-load-metrics", FIELD_LOAD_METRICS],
  ["x-request-timeout-ms", FIELD_REQUEST_TIMEOUT],
  ["idempotency-key", FIELD_IDEMPOTENCY_KEY],
]);

/** FIELD_* of a field name, in any case. The span must hold token bytes only and not be empty. */
export function fieldId(bytes: Uint8Array, start: number, end: number): number {
  const id = CANDIDATES[slotOf(bytes, start, end)] as number; // slots are masked to the table's length
  if (id === FIELD_OTHER) return FIELD_OTHER;
  const base = id * NAME_STRIDE;
  if (NAMES[base] !== end - start) return FIELD_OTHER;
  for (let at = start, to = base + 1; at < end; at += 1, to += 1) {
    // In a token, only letters change under `| 0x20` into a byte that a known name has.
    if (((bytes[at] as number) | 0x20) !== NAMES[to]) return FIELD_OTHER;
  }
  return id;
}

/** True when the span, with letters in any case, is exactly `lowerCase` (bytes of letters, digits, `-`, `_` or `/`). */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, end: number, lowerCase: Uint8Array): boolean {
  return end - start === lowerCase.length && startsWithIgnoreCase(bytes, start, end, lowerCase);
}

export function startsWithIgnoreCase(bytes: Uint8Array, start: number, end: number, lowerCase: Uint8Array): boolean {
  if (end - start < lowerCase.length) return false;
  for (let index = 0; index < lowerCase.length; index += 1) {
    if (lower(bytes[start + index] as number) !== lowerCase[index]) return false;
  }
  return true;
}

/** True when both spans of one buffer hold the same bytes, letters in any case. */
export function sameIgnoreCase(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  if (aEnd - a !== bEnd - b) return false;
  for (let index = 0; index < aEnd - a; index += 1) {
    if (lower(bytes[a + index] as number) !== lower(bytes[b + index] as number)) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

// A perfect hash over length and three bytes; the multipliers are searched for when the module loads, so adding a name
// above is all that is ever needed.
const TABLE_MASK = 511;
const NAME_STRIDE = 24;
const CANDIDATES: Uint8Array = new Uint8Array(TABLE_MASK + 1);
/** Per id: length, then the lower-case bytes. */
const NAMES: Uint8Array = new Uint8Array(NAME_STRIDE * 64);
const MULTIPLIERS: readonly [number, number] = buildTable();
const FIRST: number = MULTIPLIERS[0];
const LAST: number = MULTIPLIERS[1];

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  return slot(
    end - start,
    (bytes[start] as number) | 0x20,
    (bytes[start + ((end - start) >> 1)] as number) | 0x20,
    (bytes[end - 1] as number) | 0x20,
    FIRST,
    LAST,
  );
}

// Six small integers, inlined; an object would allocate per field
function slot(length: number, first: number, middle: number, last: number, a: number, b: number): number {
  return (length * a + first * b + middle * 5 + last * 31) & TABLE_MASK;
}

function buildTable(): [number, number] {
  const names = [...KNOWN_FIELDS].map(([name, id]) => ({ bytes: Buffer.from(name, "latin1"), id }));
  for (const { bytes, id } of names) {
    NAMES[id * NAME_STRIDE] = bytes.length;
    NAMES.set(bytes, id * NAME_STRIDE + 1);
  }
  for (let a = 1; a < 512; a += 2) {
    for (let b = 1; b < 64; b += 2) {
      CANDIDATES.fill(FIELD_OTHER);
      const clash = names.some(({ bytes, id }) => {
        const length = bytes.length;
        // Known names are not empty.
        const at = slot(length, bytes[0] as number, bytes[length >> 1] as number, bytes[length - 1] as number, a, b);
        if (CANDIDATES[at] !== FIELD_OTHER) return true;
        CANDIDATES[at] = id;
        return false;
      });
      if (!clash) return [a, b];
    }
  }
  throw new Error("Cannot build the field name table: no perfect hash found; enlarge TABLE_MASK");
}
