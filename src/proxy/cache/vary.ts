import { type Head, FIELD_DROPPED } from "../head.ts";

/**
 * A request as it was when the store was asked: what later layers drop and add on its way to an instance is no part of what
 * the caller said.
 */
export interface RequestView {
  readonly head: Head;
  /** A copy of the head's ids. */
  readonly ids: Uint8Array;
  readonly additionCount: number;
}

export function viewRequest(head: Head): RequestView {
  return { head, ids: head.ids.slice(0, head.count), additionCount: head.additionCount };
}

/**
 * The values of the fields that Vary nominates, as one text: two requests fit one stored response when their texts are the same
 * (RFC 9111 §4.1). Spaces around commas do not count, unless a quoted string could hold them.
 */
export function selectValues(view: RequestView, names: readonly string[]): string {
  if (names.length === 0) return "";
  let text = "";
  for (const name of names) {
    const value = joinValues(view, name);
    // No field value has these control characters: an absent field differs from an empty one.
    text += value === null ? "\u0000" : `\u0001${normalise(value)}`;
  }
  return text;
}

function normalise(value: string): string {
  return value.includes('"') ? value : value.replace(/[ \t]*,[ \t]*/g, ",");
}

function joinValues({ head, ids, additionCount }: RequestView, name: string): string | null {
  let joined: string | null = null;
  const separator = name === "cookie" ? "; " : ", ";
  const add = (value: string): void => {
    joined = joined === null ? value : joined + separator + value;
  };
  for (let index = 0; index < ids.length; index += 1) {
    if (ids[index] !== FIELD_DROPPED && isNamed(head, index, name)) add(head.valueText(index));
  }
  for (let index = 0; index < additionCount; index += 1) {
    const lines = head.additions[index];
    if (lines === undefined) continue;
    for (let line = 0; line < lines.count; line += 1) {
      const [start = 0, end = 0, valueStart = 0, valueEnd = 0] = lines.spans.subarray(line * 4, line * 4 + 4);
      if (latin1(lines.bytes, start, end) === name) add(latin1(lines.bytes, valueStart, valueEnd));
    }
  }
  return joined;
}

function isNamed(head: Head, index: number, name: string): boolean {
  const length = (head.spans[index * 4 + 1] as number) - (head.spans[index * 4] as number); // below the count
  return length === name.length && head.nameText(index).toLowerCase() === name;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}
