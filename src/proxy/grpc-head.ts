// hot
import type { Head } from "./head.ts";
import { GRPC_STATUS_UNKNOWN } from "../observe/grpc-class.ts";
import { FIELD_CONTENT_TYPE, FIELD_GRPC_STATUS, FIELD_GRPC_TIMEOUT, METHOD_POST } from "./head.ts";

/** A head without `grpc-status`. */
export const NO_GRPC_STATUS = -1;

const MEDIA_TYPE: Uint8Array = Buffer.from("application/grpc", "latin1");
const PLUS = 0x2b;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const ZERO = 0x30;
/** The specification allows eight digits. */
const MAX_TIMEOUT_DIGITS = 8;
/** Longer ones are the caller's to keep. */
const MAX_TIMEOUT_MS = 24 * 3_600_000;

/**
 * True for a gRPC call: POST with the media type `application/grpc`, alone or with a format (`application/grpc+proto`).
 * gRPC-Web (`application/grpc-web`) is none: it is made for HTTP/1.1 and keeps its status in the body.
 */
export function isGrpcRequest(request: Head): boolean {
  if (request.method !== METHOD_POST) return false;
  const index = request.find(FIELD_CONTENT_TYPE);
  if (index < 0) return false;
  // find() gives an index below count; spans has four entries for each.
  const start = request.spans[index * 4 + 2] as number;
  const end = request.spans[index * 4 + 3] as number;
  const length = MEDIA_TYPE.length;
  if (end - start < length) return false;
  for (let at = 0; at < length; at += 1) {
    // Media types are told apart without regard to case; `| 0x20` leaves `/` and lower-case letters as they are.
    if (((request.bytes[start + at] as number) | 0x20) !== MEDIA_TYPE[at]) return false;
  }
  if (end - start === length) return true;
  const next = request.bytes[start + length];
  return next === PLUS || next === SEMICOLON || next === SPACE;
}

/** The `grpc-status` of trailers, or of the head of a trailers-only response; NO_GRPC_STATUS when there is none. */
export function readGrpcStatus(head: Head): number {
  const index = head.find(FIELD_GRPC_STATUS);
  if (index < 0) return NO_GRPC_STATUS;
  const start = head.spans[index * 4 + 2] as number;
  const end = head.spans[index * 4 + 3] as number;
  if (start === end || end - start > 4) return GRPC_STATUS_UNKNOWN;
  let code = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (head.bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return GRPC_STATUS_UNKNOWN;
    code = code * 10 + digit;
  }
  return code;
}

/** The caller's deadline from `grpc-timeout`, in milliseconds, at least 1; 0 when there is none or it cannot be read. */
export function readGrpcTimeoutMs(request: Head): number {
  const index = request.find(FIELD_GRPC_TIMEOUT);
  if (index < 0) return 0;
  const start = request.spans[index * 4 + 2] as number;
  const last = (request.spans[index * 4 + 3] as number) - 1;
  if (last <= start || last - start > MAX_TIMEOUT_DIGITS) return 0;
  let count = 0;
  for (let at = start; at < last; at += 1) {
    const digit = (request.bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return 0;
    count = count * 10 + digit;
  }
  const ms = Math.ceil(count * unitMs(request.bytes[last] as number));
  return ms > MAX_TIMEOUT_MS || Number.isNaN(ms) ? 0 : Math.max(1, ms);
}

/** NaN for what is no unit. */
function unitMs(letter: number): number {
  switch (letter) {
    case 0x48: // H
      return 3_600_000;
    case 0x4d: // M
      return 60_000;
    case 0x53: // S
      return 1_000;
    case 0x6d: // m
      return 1;
    case 0x75: // u
      return 0.001;
    case 0x6e: // n
      return 0.000001;
    default:
      return NaN;
  }
}
