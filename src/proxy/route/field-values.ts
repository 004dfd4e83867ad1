import type { Head } from "../head.ts";

/**
 * The values of all fields with this lower-case name, in order, joined with ", " (RFC 9110 §5.3; cookies with "; ", RFC
 * 6265 §5.4); null when there is none.
 */
export function joinFieldValues(head: Head, name: string): string | null {
  let joined: string | null = null;
  const separator = name === "cookie" ? "; " : ", ";
  for (let i = 0; i < head.count; i += 1) {
    if (!isNamed(head, i, name)) continue;
    const value = head.valueText(i);
    joined = joined === null ? value : joined + separator + value;
  }
  return joined;
}

export function isFieldPresent(head: Head, name: string): boolean {
  return findNamed(head, name, 0) >= 0;
}

/** True when `joinFieldValues` would give this value; makes no text unless there are several fields. */
export function hasFieldValue(head: Head, name: string, value: string): boolean {
  const index = findNamed(head, name, 0);
  if (index < 0) return false;
  if (findNamed(head, name, index + 1) >= 0) return joinFieldValues(head, name) === value;
  const start = head.spans[index * 4 + 2] as number; // below the count
  const end = head.spans[index * 4 + 3] as number;
  if (end - start !== value.length) return false;
  for (let at = 0; at < value.length; at += 1) if (head.bytes[start + at] !== value.charCodeAt(at)) return false;
  return true;
}

function findNamed(head: Head, name: string, from: number): number {
  for (let index = from; index < head.count; index += 1) if (isNamed(head, index, name)) return index;
  return -1;
}

function isNamed(head: Head, index: number, name: string): boolean {
  const start = head.spans[index * 4] ?? 0;
  const end = head.spans[index * 4 + 1] ?? 0;
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i += 1) {
    let byte = head.bytes[start + i] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
    if (byte !== name.charCodeAt(i)) return false;
  }
  return true;
}
