import * as failures from "./decode-failure.ts";
import type { DecodeFailure } from "./decoder-contract.ts";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

// Why a line is refused at the byte that cannot be part of it.

export function versionFault(bytes: Uint8Array, at: number, version: number): DecodeFailure {
  if (version < 0) return failures.BAD_REQUEST_LINE;
  return lineEndFault(bytes, at + 8, failures.BAD_REQUEST_LINE);
}

export function lineEndFault(bytes: Uint8Array, at: number, otherwise: DecodeFailure): DecodeFailure {
  if (bytes[at] === LF) return failures.BARE_LF;
  return bytes[at] === CR ? failures.BARE_CR : otherwise;
}

export function methodFault(bytes: Uint8Array, start: number, at: number): DecodeFailure {
  if (at > start) return requestLineFault(bytes, at, failures.BAD_METHOD);
  const byte = bytes[at];
  if (byte === LF) return failures.BARE_LF;
  return byte === SPACE || byte === TAB || byte === CR ? failures.LEADING_SPACE : failures.BAD_METHOD;
}

/** A request line that ends too early (HTTP/0.9, or only a method) lacks a part; otherwise the byte is to blame. */
export function requestLineFault(bytes: Uint8Array, at: number, otherwise: DecodeFailure): DecodeFailure {
  if (bytes[at] === CR && bytes[at + 1] === LF) return failures.BAD_REQUEST_LINE;
  return lineEndFault(bytes, at, otherwise);
}

export function nameFault(bytes: Uint8Array, lineAt: number, at: number): DecodeFailure {
  const byte = bytes[at];
  if (byte === CR && bytes[at + 1] === LF) return failures.BAD_FIELD_NAME;
  if (at === lineAt && (byte === SPACE || byte === TAB)) return failures.OBS_FOLD;
  if (byte === SPACE || byte === TAB) return failures.SPACE_BEFORE_COLON;
  if (byte === LF) return failures.BARE_LF;
  return byte === CR ? failures.BARE_CR : failures.BAD_FIELD_NAME;
}
