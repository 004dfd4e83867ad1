import type { Random } from "../../random/random.ts";
import type { Head } from "../head.ts";
import { FIELD_B3, FIELD_B3_TRACE_ID, FIELD_REQUEST_ID } from "../head.ts";

const HEX = "0123456789abcdef";

/**
 * Where a request has no B3 ids they are born (https://github.com/openzipkin/b3-propagation, multi-header form): a 128-bit
 * trace id and a 64-bit span id, sampled. Ids that came are passed on as they are. `x-request-id` likewise.
 */
export function addTraceIds(request: Head, random: Random): void {
  const hasTrace = request.find(FIELD_B3_TRACE_ID) >= 0 || request.find(FIELD_B3) >= 0;
  const hasId = request.find(FIELD_REQUEST_ID) >= 0;
  if (hasTrace && hasId) return;
  const bytes = random.bytes(16);
  if (!hasTrace) {
    const span = hex(random.bytes(8));
    request.add(Buffer.from(`x-b3-traceid: ${hex(bytes)}\r\nx-b3-spanid: ${span}\r\nx-b3-sampled: 1\r\n`, "latin1"));
  }
  if (!hasId)
    request.add(Buffer.from(`x-request-id: ${formatUuid(hasTrace ? bytes : random.bytes(16))}\r\n`, "latin1"));
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    text += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  }
  return text;
}

/** RFC 9562 version 4. */
function formatUuid(bytes: Uint8Array): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = hex(bytes);
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}
