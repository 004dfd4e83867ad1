import { Buffer } from "node:buffer";
import type { FieldLines } from "../head.ts";
import { BYTE_CLASS, BYTE_TOKEN, BYTE_VALUE } from "./byte-class.ts";

/**
 * `name: value\r\n` as bytes, for `Head.add` and local responses. The only way text becomes a field line, so CRLF cannot be
 * injected: throws RangeError when the name is not a token or the value has a byte that a field value may not have or
 * white space around it. Values are Latin-1. Meant for configuration and set-up, not for every request.
 */
export function renderField(name: string, value: string): Uint8Array {
  if (!isFieldName(name))
    throw new RangeError(`Cannot render field "${printable(name)}": expected a token as its name`);
  if (!isFieldValue(value)) {
    throw new RangeError(
      `Cannot render field "${name}": its value is "${printable(value)}"; expected visible Latin-1 text`,
    );
  }
  return Buffer.from(`${name}: ${value}\r\n`, "latin1");
}

/** The lines of `block` (complete ones, as `renderField` makes them) with the places of their names and values. */
export function toFieldLines(block: Uint8Array): FieldLines {
  const spans: number[] = [];
  for (let start = 0; start < block.length;) {
    const colon = block.indexOf(0x3a, start);
    const end = block.indexOf(0x0d, start);
    spans.push(start, colon, colon + 2, end);
    start = end + 2;
  }
  return { bytes: block, spans: Int32Array.from(spans), count: spans.length / 4 };
}

export function isFieldName(name: string): boolean {
  if (name.length === 0) return false;
  for (let index = 0; index < name.length; index += 1) if (!inClass(name.charCodeAt(index), BYTE_TOKEN)) return false;
  return true;
}

export function isFieldValue(value: string): boolean {
  for (let index = 0; index < value.length; index += 1) if (!inClass(value.charCodeAt(index), BYTE_VALUE)) return false;
  return value === value.trim();
}

function inClass(code: number, bits: number): boolean {
  return code < 256 && ((BYTE_CLASS[code] as number) & bits) !== 0; // the table has 256 entries
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 80)).slice(1, -1);
}
