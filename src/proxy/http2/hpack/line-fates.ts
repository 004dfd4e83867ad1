// hot
import type { FieldLines, Head } from "../../head.ts";
import { LINE_INDEXED, LINE_INSERT, LINE_LITERAL, LINE_SKIPPED, LINE_UNDECIDED } from "./line-index.ts";

/**
 * What became of the lines of a head: first its fields, then the lines of its additions. Reused for every head that is
 * written line by line.
 */
export class LineFates {
  /** LINE_* of each line. */
  kinds: Uint8Array = new Uint8Array(64);
  /** Of indexed lines: see `LineIndex.number`. */
  numbers: Float64Array = new Float64Array(64);
  /** Lines, those that are not passed on included. */
  count: number = 0;
  /** The head is none to make a template of. */
  unsettled: boolean = false;
  #hashes: Int32Array = new Int32Array(64);

  begin(head: Head): void {
    let lines = head.count;
    for (let index = 0; index < head.additionCount; index += 1) lines += (head.additions[index] as FieldLines).count;
    this.count = 0;
    this.unsettled = false;
    if (lines <= this.kinds.length) return;
    this.kinds = new Uint8Array(lines);
    this.numbers = new Float64Array(lines);
    this.#hashes = new Int32Array(lines);
  }

  /** Indexed lines are written before literals, so one with the name of a literal before it becomes a literal too. */
  add(kind: number, number: number, nameHash: number): void {
    const { count } = this;
    const late = kind === LINE_INDEXED && this.#hasLiteral(nameHash);
    this.kinds[count] = late ? LINE_LITERAL : kind;
    this.numbers[count] = number;
    this.#hashes[count] = nameHash;
    this.count = count + 1;
  }

  #hasLiteral(nameHash: number): boolean {
    for (let index = 0; index < this.count; index += 1) {
      const kind = this.kinds[index];
      if (this.#hashes[index] === nameHash && kind !== LINE_INDEXED && kind !== LINE_SKIPPED) return true;
    }
    return false;
  }

  /** Nothing about these lines will be otherwise when they come again. */
  isSettled(): boolean {
    if (this.unsettled) return false;
    for (let index = 0; index < this.count; index += 1) {
      const kind = this.kinds[index];
      if (kind === LINE_INSERT || kind === LINE_UNDECIDED) return false;
    }
    return true;
  }
}
