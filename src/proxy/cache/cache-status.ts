import { TextMemo } from "../../lib/text-memo.ts";
import type { FieldLines, Head } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import type { Age } from "./freshness.ts";

/** Why a request went on (RFC 9211 §2.2). */
export type ForwardReason =
  /** Ranges, conditions that are for the origin, and bodies: the store is not asked. */
  | "bypass"
  | "method"
  | "uri-miss"
  | "vary-miss"
  /** A stored response would do, but the request wants it validated. */
  | "request"
  | "stale";

/** `Age` and `Cache-Status` of an answer from the store, and more lines, each ended by CRLF. */
export function storedAnswerLines(member: string, age: Age, more: string = ""): FieldLines {
  const ageS = Math.floor(age.ageMs / 1_000);
  const ttlS = Math.floor((age.lifetimeMs - age.ageMs) / 1_000);
  return toLines(`age: ${ageS}\r\ncache-status: weft; ${member}; ttl=${ttlS}\r\n${more}`);
}

/** Says on a response that goes through why it was fetched. Adds to what caches behind this one said. */
export function addForwardStatus(head: Head, reason: ForwardReason, isStored: boolean): void {
  head.add((isStored ? storedLines : forwardLines).of(reason));
}

// A handful of reasons: one line each, the same object for every response, which encoders know again.
const forwardLines: TextMemo<FieldLines> = new TextMemo(16, (reason) =>
  toLines(`cache-status: weft; fwd=${reason}\r\n`),
);
const storedLines: TextMemo<FieldLines> = new TextMemo(16, (reason) =>
  toLines(`cache-status: weft; fwd=${reason}; stored\r\n`),
);

function toLines(text: string): FieldLines {
  return toFieldLines(Buffer.from(text, "latin1"));
}
