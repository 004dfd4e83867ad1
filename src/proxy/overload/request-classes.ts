import type { Head } from "../head.ts";
import type { OverloadPolicy } from "../policy/cluster-policy.ts";
import { FIELD_DROPPED } from "../head.ts";
import { equalsIgnoreCase } from "../http1/field-name.ts";

/** How important a request is, by what its caller says in the policy's header. */
export class RequestClasses {
  /** Of requests that say nothing, or a name that the policy does not know. */
  readonly middle: number;
  readonly #header: Uint8Array;
  readonly #names: readonly Uint8Array[];

  constructor({ priorityHeader, priorities }: Pick<OverloadPolicy, "priorityHeader" | "priorities">) {
    // Of an even number the less important one: who says nothing does not come before who does.
    this.middle = priorities.length >> 1;
    this.#header = toBytes(priorityHeader);
    this.#names = priorities.map(toBytes);
  }

  /** Index in `priorities`; 0 is the most important. */
  find(request: Head): number {
    if (this.#header.length === 0) return this.middle;
    const { bytes, spans, ids } = request;
    for (let index = 0; index < request.count; index += 1) {
      const at = index * 4;
      if (ids[index] === FIELD_DROPPED) continue;
      // spans has four entries for each field
      if (!equalsIgnoreCase(bytes, spans[at] as number, spans[at + 1] as number, this.#header)) continue;
      return this.#findName(bytes, spans[at + 2] as number, spans[at + 3] as number);
    }
    return this.middle;
  }

  #findName(bytes: Uint8Array, start: number, end: number): number {
    for (let index = 0; index < this.#names.length; index += 1) {
      const name = this.#names[index] as Uint8Array; // below the length
      if (equalsIgnoreCase(bytes, start, end, name)) return index;
    }
    return this.middle;
  }
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text.toLowerCase(), "latin1");
}
