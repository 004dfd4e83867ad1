import type { Random } from "../../random/random.ts";
import type { Head } from "../head.ts";
import { FIELD_B3, FIELD_B3_TRACE_ID, FIELD_REQUEST_ID } from "../head.ts";

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
const REQUEST_ID_BYTES = 16;
const HEX: Uint8Array = Buffer.from("0123456789abcdef", "latin1");

// The digits are written over; what stands between them stays.
const TRACE_LINES = `x-b3-traceid: ${"0".repeat(2 * TRACE_BYTES)}\r\nx-b3-spanid: ${"0".repeat(2 * SPAN_BYTES)}\r\nx-b3-sampled: 1\r\n`;
const REQUEST_ID_LINE = "x-request-id: 00000000-0000-0000-0000-000000000000\r\n";
const TRACE: Buffer = Buffer.from(TRACE_LINES, "latin1");
const REQUEST_ID: Buffer = Buffer.from(REQUEST_ID_LINE, "latin1");
const BOTH: Buffer = Buffer.from(TRACE_LINES + REQUEST_ID_LINE, "latin1");
const TRACE_AT: number = TRACE_LINES.indexOf(" ") + 1;
const SPAN_AT: number = TRACE_LINES.indexOf("spanid: ") + 8;
const REQUEST_ID_AT: number = REQUEST_ID_LINE.indexOf(" ") + 1;

/**
 * Where a request has no B3 ids they are born (https://github.com/openzipkin/b3-propagation, multi-header form): a 128-bit
 * trace id and a 64-bit span id, sampled. Ids that came are passed on as they are. `x-request-id` likewise.
 */
export function addTraceIds(request: Head, random: Random): void {
  const hasTrace = request.find(FIELD_B3_TRACE_ID) >= 0 || request.find(FIELD_B3) >= 0;
  const hasId = request.find(FIELD_REQUEST_ID) >= 0;
  if (hasTrace && hasId) return;
  const bytes = random.bytes(TRACE_BYTES + SPAN_BYTES + REQUEST_ID_BYTES);
  const template = hasId ? TRACE : hasTrace ? REQUEST_ID : BOTH;
  const block = Buffer.allocUnsafe(template.length);
  template.copy(block);
  if (!hasTrace) {
    writeHex(bytes, 0, TRACE_BYTES, block, TRACE_AT);
    writeHex(bytes, TRACE_BYTES, SPAN_BYTES, block, SPAN_AT);
  }
  if (!hasId) writeUuid(bytes, TRACE_BYTES + SPAN_BYTES, block, template.length - REQUEST_ID.length + REQUEST_ID_AT);
  request.add(block);
}

/** RFC 9562 version 4. */
function writeUuid(bytes: Uint8Array, start: number, out: Uint8Array, at: number): void {
  bytes[start + 6] = ((bytes[start + 6] ?? 0) & 0x0f) | 0x40;
  bytes[start + 8] = ((bytes[start + 8] ?? 0) & 0x3f) | 0x80;
  writeHex(bytes, start, 4, out, at);
  writeHex(bytes, start + 4, 2, out, at + 9);
  writeHex(bytes, start + 6, 2, out, at + 14);
  writeHex(bytes, start + 8, 2, out, at + 19);
  writeHex(bytes, start + 10, 6, out, at + 24);
}

function writeHex(bytes: Uint8Array, start: number, count: number, out: Uint8Array, offset: number): void {
  let at = offset;
  for (let index = start; index < start + count; index += 1) {
    const byte = bytes[index] ?? 0;
    out[at] = HEX[byte >> 4] ?? 0;
    out[at + 1] = HEX[byte & 15] ?? 0;
    at += 2;
  }
}
