import { BODY_LENGTH, BODY_NONE, type FieldLines, Head } from "../head.ts";
import { fieldId } from "../http1/field-name.ts";
import { toFieldLines } from "../http1/field-line.ts";

/** The head of an answer that weft makes itself. `bodyBytes` 0 = there is none. */
export function toLocalHead(status: number, lines: string, bodyBytes: number): Head {
  return fillHead(toFieldLines(Buffer.from(lines, "latin1")), status, bodyBytes);
}

function fillHead(lines: FieldLines, status: number, bodyBytes: number): Head {
  const head = new Head();
  head.bytes = lines.bytes;
  head.end = lines.bytes.length;
  head.status = status;
  head.count = lines.count;
  head.spans.set(lines.spans);
  for (let index = 0; index < lines.count; index += 1) {
    // spans has four entries per field
    head.ids[index] = fieldId(lines.bytes, lines.spans[index * 4] as number, lines.spans[index * 4 + 1] as number);
  }
  head.bodyKind = bodyBytes === 0 ? BODY_NONE : BODY_LENGTH;
  head.contentLength = bodyBytes;
  return head;
}
