import type { FieldLines } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";

const SLOTS = 128;

/**
 * The field that passes a deadline on, for each number of milliseconds left. Where deadlines come from policies the same
 * few numbers come again and again, so the last line of each slot is kept.
 */
export class DeadlineLines {
  readonly #format: (leftMs: number) => string;
  readonly #lines: (FieldLines | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  readonly #left: Float64Array = new Float64Array(SLOTS);

  /** `format` makes a whole line, its CRLF included. */
  constructor(format: (leftMs: number) => string) {
    this.#format = format;
  }

  find(leftMs: number): FieldLines {
    const slot = leftMs % SLOTS;
    const known = this.#lines[slot];
    if (known !== undefined && this.#left[slot] === leftMs) return known;
    const lines = toFieldLines(Buffer.from(this.#format(leftMs), "latin1"));
    this.#lines[slot] = lines;
    this.#left[slot] = leftMs;
    return lines;
  }
}
