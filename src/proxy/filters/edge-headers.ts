import type { Head } from "../head.ts";
import { startsWithIgnoreCase } from "../http1/field-name.ts";
import { toFieldLines } from "../http1/field-line.ts";
import {
  FIELD_FORWARDED_FOR,
  FIELD_FORWARDED_HOST,
  FIELD_FORWARDED_PROTO,
  FIELD_OTHER,
  FIELD_WEFT_FAILURE,
} from "../head.ts";

const OWN_PREFIX: Uint8Array = Buffer.from("x-weft-", "latin1");

/**
 * At the edge nothing that a stranger says about where it comes from is believed: forwarding fields are replaced by what
 * the proxy saw itself, and what weft says to itself (`x-weft-priority`) is dropped. Trace and request ids are passed on, so that a trace may begin in front of the mesh.
 */
export function replaceForwardedFields(request: Head, peerAddress: string, scheme: string): void {
  for (let i = 0; i < request.count; i += 1) {
    switch (request.ids[i]) {
      case FIELD_FORWARDED_FOR:
      case FIELD_FORWARDED_PROTO:
      case FIELD_FORWARDED_HOST:
        request.drop(i);
        break;
      case FIELD_OTHER: {
        // four for each field
        const start = request.spans[i * 4] as number;
        if (startsWithIgnoreCase(request.bytes, start, request.spans[i * 4 + 1] as number, OWN_PREFIX)) request.drop(i);
        break;
      }
      default:
        break;
    }
  }
  const host = request.authorityEnd > request.authorityStart ? `x-forwarded-host: ${request.authorityText()}\r\n` : "";
  const lines = `x-forwarded-for: ${peerAddress}\r\nx-forwarded-proto: ${scheme}\r\n${host}`;
  request.add(toFieldLines(Buffer.from(lines, "latin1")));
}

/** `x-weft-failure` is weft's word: an app that sets it would be taken for a failing proxy. */
export function dropFailureField(response: Head): void {
  for (let i = 0; i < response.count; i += 1) {
    if (response.ids[i] === FIELD_WEFT_FAILURE) response.drop(i);
  }
}
