import {
  FIELD_CONTENT_LENGTH,
  FIELD_GRPC_STATUS,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_TRANSFER_ENCODING,
  FIELD_WEFT_FAILURE,
} from "../head.ts";
import { equalsIgnoreCase, startsWithIgnoreCase } from "./field-name.ts";

// RFC 9110 section 6.5.1: framing, routing, request modifiers, authentication, content format and response control do not
// belong in trailers, where a receiver that merges them would act on what nobody checked.
const NAMES: readonly Uint8Array[] = [
  "authorization",
  "www-authenticate",
  "proxy-authenticate",
  "cookie",
  "set-cookie",
  "cache-control",
  "age",
  "content-encoding",
  "content-range",
  "content-location",
  "expires",
  "location",
  "vary",
  "range",
  "forwarded",
  "origin",
  "tracestate",
  "x-real-ip",
].map((name) => Buffer.from(name, "latin1"));

const PREFIXES: readonly Uint8Array[] = ["x-forwarded-", "x-weft-", "x-b3-", "if-", "sec-"].map((prefix) =>
  Buffer.from(prefix, "latin1"),
);

/** Only an attack puts these into trailers; the message is refused. */
export function isFramingField(id: number): boolean {
  return id === FIELD_CONTENT_LENGTH || id === FIELD_TRANSFER_ENCODING || id === FIELD_HOST;
}

/**
 * Dropped from the trailers. Every field the proxy itself gives a meaning to is, apart from those that say how a call ended:
 * `grpc-status`, and `x-weft-failure`, which the stack drops when an app sent it.
 */
export function isForbiddenTrailer(id: number, bytes: Uint8Array, start: number, end: number): boolean {
  if (id !== FIELD_OTHER) return id !== FIELD_GRPC_STATUS && id !== FIELD_WEFT_FAILURE;
  for (const name of NAMES) if (equalsIgnoreCase(bytes, start, end, name)) return true;
  for (const prefix of PREFIXES) if (startsWithIgnoreCase(bytes, start, end, prefix)) return true;
  return false;
}
