import { FIELD_DROPPED, Head } from "../head.ts";
import { fieldId } from "../http1/field-name.ts";
import { isOfNotModified, type StoredField } from "./stored-fields.ts";

/** Four offsets, and two ids. */
const BYTES_PER_FIELD = 18;

/** The field lines of a stored response, as an encoder takes them: as small as they can be, as there may be many. */
export class StoredLines {
  /** What it takes, beside the objects. */
  readonly byteLength: number;
  /** The lines, and behind them the reason phrase. */
  readonly #bytes: Uint8Array;
  readonly #linesEnd: number;
  readonly #spans: Int32Array;
  /** The ids of an answer with the body, then those of a 304, which leaves out most fields. */
  readonly #ids: Uint8Array;

  constructor(fields: readonly StoredField[], reason: string) {
    const text = fields.map(({ line }) => line).join("");
    // A Buffer made of text would be a piece of a larger one, and keep that alive.
    const bytes = Buffer.allocUnsafeSlow(text.length + reason.length);
    bytes.write(text, 0, "latin1");
    bytes.write(reason, text.length, "latin1");
    this.#bytes = bytes;
    this.#linesEnd = text.length;
    this.#spans = new Int32Array(4 * fields.length);
    this.#ids = new Uint8Array(2 * fields.length);
    let start = 0;
    fields.forEach(({ name, line }, index) => {
      const nameEnd = start + name.length;
      this.#spans.set([start, nameEnd, nameEnd + 2, start + line.length - 2], 4 * index);
      const id = fieldId(bytes, start, nameEnd);
      this.#ids[index] = id;
      this.#ids[fields.length + index] = isOfNotModified(name) ? id : FIELD_DROPPED;
      start += line.length;
    });
    this.byteLength = bytes.length + BYTES_PER_FIELD * fields.length;
  }

  /** Makes `head` one with these fields, and nothing else. `notModified`: those of a 304. */
  writeTo(head: Head, status: number, notModified: boolean): void {
    const count = this.#spans.length / 4;
    head.recycle();
    head.bytes = this.#bytes;
    head.end = this.#bytes.length;
    head.status = status;
    // A 304 has no phrase of its own: the stored one is of another status.
    head.reasonStart = notModified ? this.#bytes.length : this.#linesEnd;
    head.reasonEnd = this.#bytes.length;
    head.count = count;
    head.spans = this.#spans;
    if (head.ids.length < count) head.ids = new Uint8Array(count);
    const offset = notModified ? count : 0;
    for (let index = 0; index < count; index += 1) head.ids[index] = this.#ids[offset + index] as number; // two for each
  }

  fields(): StoredField[] {
    const head = new Head();
    this.writeTo(head, 0, false);
    const fields: StoredField[] = [];
    for (let index = 0; index < head.count; index += 1) {
      const name = head.nameText(index);
      fields.push({ name: name.toLowerCase(), line: `${name}: ${head.valueText(index)}\r\n` });
    }
    return fields;
  }
}
