import { FIELD_DROPPED, type Head } from "../head.ts";
import { equalsIgnoreCase } from "../http1/field-name.ts";

interface Candidate {
  readonly name: Uint8Array;
  readonly slot: number;
}

const ABSENT = -1;
/** Lengths up to 31, and five bits of the first letter. */
const TABLE_SIZE = 1_024;

/**
 * Finds the few fields of a head that somebody wants to read, in one pass that makes no text. `pick`, then `has` and `text` of
 * what was found, before the next `pick`; a name is spoken of by its place in the list.
 */
export class FieldPicker {
  readonly #candidates: (readonly Candidate[] | undefined)[] = Array.from({ length: TABLE_SIZE });
  /** Indexes of the first field of each name in the head. */
  readonly #first: Int32Array;
  /** 1 where a list's name came more than once. */
  readonly #isRepeated: Uint8Array;
  readonly #isList: readonly boolean[];
  readonly #names: readonly Uint8Array[];

  /** Names in lower case, of less than 32 letters. Of those in `single`, which are no lists, the first counts (RFC 9111 §4.2.1). */
  constructor(names: readonly string[], single: ReadonlySet<string>) {
    this.#names = names.map((name) => Buffer.from(name, "latin1"));
    this.#isList = names.map((name) => !single.has(name));
    this.#first = new Int32Array(names.length);
    this.#isRepeated = new Uint8Array(names.length);
    for (const [slot, name] of this.#names.entries()) {
      const place = placeOf(name.length, name[0] as number); // no name is empty
      this.#candidates[place] = [...(this.#candidates[place] ?? []), { name, slot }];
    }
  }

  pick(head: Head): void {
    this.#first.fill(ABSENT);
    this.#isRepeated.fill(0);
    const { bytes, spans, ids, count } = head;
    for (let index = 0; index < count; index += 1) {
      if (ids[index] === FIELD_DROPPED) continue;
      const start = spans[index * 4] as number; // below the count
      const end = spans[index * 4 + 1] as number;
      if (end - start > 31) continue;
      const candidates = this.#candidates[placeOf(end - start, bytes[start] as number)];
      if (candidates === undefined) continue;
      for (const { name, slot } of candidates) {
        if (!equalsIgnoreCase(bytes, start, end, name)) continue;
        if (this.#first[slot] === ABSENT) this.#first[slot] = index;
        else if (this.#isList[slot] === true) this.#isRepeated[slot] = 1;
      }
    }
  }

  has(slot: number): boolean {
    return this.#first[slot] !== ABSENT;
  }

  /** Its value in the head that was picked from, of a list in several lines joined with commas (RFC 9110 §5.3); null: none. */
  text(head: Head, slot: number): string | null {
    const first = this.#first[slot] as number; // slots are those of the names
    if (first === ABSENT) return null;
    const text = head.valueText(first);
    return this.#isRepeated[slot] === 0 ? text : text + this.#moreText(head, slot, first);
  }

  #moreText(head: Head, slot: number, first: number): string {
    const name = this.#names[slot] as Uint8Array; // as above
    let more = "";
    for (let index = first + 1; index < head.count; index += 1) {
      const start = head.spans[index * 4] as number; // below the count
      const isIt =
        head.ids[index] !== FIELD_DROPPED &&
        equalsIgnoreCase(head.bytes, start, head.spans[index * 4 + 1] as number, name);
      if (isIt) more += `, ${head.valueText(index)}`;
    }
    return more;
  }
}

function placeOf(length: number, first: number): number {
  return (length << 5) | (first & 31);
}
