import { type FieldLines, Head } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import { fieldId } from "../http1/field-name.ts";
import type { StoredField } from "./stored-fields.ts";

/** A head that answers share one after the other: they are encoded before the next begins. */
export class ReusableHead {
  readonly #head: Head = new Head();
  readonly #ids: Uint8Array;

  constructor(status: number, fields: readonly StoredField[], reason: string) {
    const lines = toFieldLines(Buffer.from(fields.map(({ line }) => line).join(""), "latin1"));
    const bytes = Buffer.concat([lines.bytes, Buffer.from(reason, "latin1")]);
    const ids = new Uint8Array(lines.count);
    for (let index = 0; index < lines.count; index += 1) {
      // Four spans for each.
      ids[index] = fieldId(bytes, lines.spans[index * 4] as number, lines.spans[index * 4 + 1] as number);
    }
    this.#ids = ids;
    this.#head.bytes = bytes;
    this.#head.end = bytes.length;
    this.#head.status = status;
    this.#head.reasonStart = lines.bytes.length;
    this.#head.reasonEnd = bytes.length;
    this.#head.count = lines.count;
    this.#head.spans = lines.spans;
    this.#head.ids = ids.slice();
  }

  /** Valid until the next call. */
  take(lines: FieldLines): Head {
    const head = this.#head;
    head.ids.set(this.#ids);
    head.additionCount = 0;
    head.mayHaveTrailers = false;
    head.add(lines);
    return head;
  }
}
