// Header blocks for tests of what is in them: literals only, so that they read as lists of fields.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Head } from "../../src/proxy/head.ts";
import { HEAD_OK, HeadDecoder, type HeadLimits, KIND_REQUEST } from "../../src/proxy/http2/hpack/head-decoder.ts";
import { writeInteger } from "../../src/proxy/http2/hpack/hpack-integer.ts";

export const LIMITS: HeadLimits = { maxHeadBytes: 4_096, maxTargetBytes: 1_000, maxFields: 20, maxTableBytes: 4_096 };

export type Field = readonly [name: string, value: string];

/** A block of literals without indexing. */
export function block(fields: readonly Field[]): Buffer {
  const out = Buffer.alloc(200_000);
  let at = 0;
  for (const [name, value] of fields) {
    out[at++] = 0;
    for (const text of [name, value]) {
      at = writeInteger(text.length, 0x7f, 0, out, at);
      at += out.write(text, at, "latin1");
    }
  }
  return out.subarray(0, at);
}

export interface Outcome {
  readonly verdict: number;
  readonly detail: string | null;
  readonly head: Head;
  readonly fields: readonly Field[];
}

export interface Given {
  readonly kind?: number;
  readonly endStream?: boolean;
  readonly bodyless?: boolean;
  readonly decoder?: HeadDecoder;
  readonly limits?: Partial<HeadLimits>;
}

export function decode(bytes: Uint8Array, given: Given = {}): Outcome {
  const decoder = given.decoder ?? new HeadDecoder({ ...LIMITS, ...given.limits });
  const head = new Head();
  const { kind = KIND_REQUEST, endStream = true, bodyless = false } = given;
  const verdict = decoder.decode(kind, bytes, 0, bytes.length, endStream, head, bodyless);
  const fields = Array.from({ length: head.count }, (_, index): Field => [head.nameText(index), head.valueText(index)]);
  assert.equal(decoder.failure === null, verdict === HEAD_OK);
  return { verdict, detail: decoder.failure?.detail ?? null, head, fields };
}

export function text(head: Head): string {
  return Buffer.from(head.bytes.subarray(0, head.end)).toString("latin1");
}

export function target(head: Head): string {
  return text(head).slice(head.targetStart, head.targetEnd);
}

export const PSEUDO: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "shop:80"],
  [":path", "/a?b"],
];

export function request(...more: readonly Field[]): Buffer {
  return block([...PSEUDO, ...more]);
}

export function without(name: string, ...more: readonly Field[]): Buffer {
  return block([...PSEUDO.filter((field) => field[0] !== name), ...more]);
}

export function replaced(name: string, value: string, ...more: readonly Field[]): Buffer {
  return block([...PSEUDO.map((field): Field => (field[0] === name ? [name, value] : field)), ...more]);
}
