import type { Random } from "../../random/random.ts";
import type { FieldLines, Head } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import { FIELD_B3, FIELD_B3_TRACE_ID, FIELD_REQUEST_ID } from "../head.ts";

/** Lines whose zeros are digits to be drawn. */
interface Template {
  readonly bytes: Buffer;
  /** Where the names and values are. */
  readonly spans: Int32Array;
  /** Where the two digits of each random byte go. */
  readonly places: Uint8Array;
  /** Which of them begins the request id; -1 when there is none. */
  readonly requestId: number;
}

const TRACE_LINES = `x-b3-traceid: ${"0".repeat(32)}\r\nx-b3-spanid: ${"0".repeat(16)}\r\nx-b3-sampled: 1\r\n`;
const REQUEST_ID_LINE = "x-request-id: 00000000-0000-0000-0000-000000000000\r\n";
const REQUEST_ID_BYTES = 16;
const HEX: Uint8Array = Buffer.from("0123456789abcdef", "latin1");

const TRACE: Template = createTemplate(TRACE_LINES, false);
const REQUEST_ID: Template = createTemplate(REQUEST_ID_LINE, true);
const BOTH: Template = createTemplate(TRACE_LINES + REQUEST_ID_LINE, true);

/**
 * Where a request has no B3 ids they are born (https://github.com/openzipkin/b3-propagation, multi-header form): a 128-bit
 * trace id and a 64-bit span id, sampled. Ids that came are passed on as they are. `x-request-id` likewise.
 */
export function addTraceIds(request: Head, random: Random): void {
  const hasTrace = request.find(FIELD_B3_TRACE_ID) >= 0 || request.find(FIELD_B3) >= 0;
  const hasId = request.find(FIELD_REQUEST_ID) >= 0;
  if (hasTrace && hasId) return;
  request.add(fill(hasId ? TRACE : hasTrace ? REQUEST_ID : BOTH, random));
}

function fill({ bytes, spans, places, requestId }: Template, random: Random): FieldLines {
  const drawn = random.bytes(places.length);
  if (requestId >= 0) {
    // RFC 9562 version 4. The request id's sixteen bytes are among those drawn.
    drawn[requestId + 6] = ((drawn[requestId + 6] as number) & 0x0f) | 0x40;
    drawn[requestId + 8] = ((drawn[requestId + 8] as number) & 0x3f) | 0x80;
  }
  const lines = Buffer.allocUnsafe(bytes.length);
  bytes.copy(lines);
  for (let index = 0; index < places.length; index += 1) {
    const place = places[index] as number; // as many bytes were drawn as there are places
    const byte = drawn[index] as number;
    lines[place] = HEX[byte >> 4] as number;
    lines[place + 1] = HEX[byte & 15] as number;
  }
  return { bytes: lines, spans, count: spans.length / 4 };
}

function createTemplate(text: string, hasRequestId: boolean): Template {
  const places = Array.from(text.matchAll(/00/g), (match) => match.index);
  const bytes = Buffer.from(text, "latin1");
  return {
    bytes,
    spans: toFieldLines(bytes).spans,
    places: Uint8Array.from(places),
    requestId: hasRequestId ? places.length - REQUEST_ID_BYTES : -1,
  };
}
