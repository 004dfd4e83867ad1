import {
  METHOD_CONNECT,
  METHOD_DELETE,
  METHOD_GET,
  METHOD_HEAD,
  METHOD_OPTIONS,
  METHOD_OTHER,
  METHOD_PATCH,
  METHOD_POST,
  METHOD_PUT,
  METHOD_TRACE,
} from "../head.ts";

const PUT: Uint8Array = Buffer.from("PUT", "latin1");
const HEAD: Uint8Array = Buffer.from("HEAD", "latin1");
const POST: Uint8Array = Buffer.from("POST", "latin1");
const PATCH: Uint8Array = Buffer.from("PATCH", "latin1");
const TRACE: Uint8Array = Buffer.from("TRACE", "latin1");
const DELETE: Uint8Array = Buffer.from("DELETE", "latin1");
const OPTIONS: Uint8Array = Buffer.from("OPTIONS", "latin1");
const CONNECT: Uint8Array = Buffer.from("CONNECT", "latin1");

/** METHOD_* of a method token. Methods are case-sensitive (RFC 9110 section 9.1): `get` is METHOD_OTHER. */
export function methodId(bytes: Uint8Array, start: number, end: number): number {
  switch (end - start) {
    case 3:
      if (bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) return METHOD_GET;
      return is(bytes, start, PUT) ? METHOD_PUT : METHOD_OTHER;
    case 4:
      if (is(bytes, start, POST)) return METHOD_POST;
      return is(bytes, start, HEAD) ? METHOD_HEAD : METHOD_OTHER;
    case 5:
      if (is(bytes, start, PATCH)) return METHOD_PATCH;
      return is(bytes, start, TRACE) ? METHOD_TRACE : METHOD_OTHER;
    case 6:
      return is(bytes, start, DELETE) ? METHOD_DELETE : METHOD_OTHER;
    case 7:
      if (is(bytes, start, OPTIONS)) return METHOD_OPTIONS;
      return is(bytes, start, CONNECT) ? METHOD_CONNECT : METHOD_OTHER;
    default:
      return METHOD_OTHER;
  }
}

function is(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let index = 0; index < name.length; index += 1) if (bytes[start + index] !== name[index]) return false;
  return true;
}

/** Names by METHOD_*; METHOD_OTHER has none. */
export const METHOD_NAMES: readonly string[] = nameMethods();

function nameMethods(): string[] {
  const names: string[] = [];
  names[METHOD_OTHER] = "";
  names[METHOD_GET] = "GET";
  names[METHOD_HEAD] = "HEAD";
  names[METHOD_POST] = "POST";
  names[METHOD_PUT] = "PUT";
  names[METHOD_DELETE] = "DELETE";
  names[METHOD_OPTIONS] = "OPTIONS";
  names[METHOD_PATCH] = "PATCH";
  names[METHOD_TRACE] = "TRACE";
  names[METHOD_CONNECT] = "CONNECT";
  return names;
}
