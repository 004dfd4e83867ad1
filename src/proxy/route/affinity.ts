import { toFieldLines } from "../http1/field-line.ts";
import { equalsIgnoreCase } from "../http1/field-name.ts";
import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { HashSource } from "../policy/route-policy.ts";
import type { Random } from "../../random/random.ts";

const COOKIE: Uint8Array = Buffer.from("cookie", "latin1");
const COOKIE_BYTES = 12;
const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const AMPERSAND = 0x26;
const QUESTION = 0x3f;

/**
 * A number for what `sources` find in the request, in their order; the first that finds something decides. 0 = nothing was
 * found. A cookie is made where the request has none: its line waits in `x.affinityCookies` for the response.
 */
export function hashRequest(x: Exchange, sources: readonly HashSource[], random: Random): number {
  const { request } = x;
  if (request === null) return 0;
  for (let i = 0; i < sources.length; i += 1) {
    const source = sources[i];
    const hash = source === undefined ? 0 : hashSource(x, request, source, random);
    if (hash !== 0) return hash;
  }
  return 0;
}

/** Adds the cookies that this request began to its response. */
export function setAffinityCookies(x: Exchange, response: Head): void {
  response.add(toFieldLines(Buffer.from(x.affinityCookies, "latin1")));
  x.affinityCookies = "";
}

function hashSource(x: Exchange, request: Head, source: HashSource, random: Random): number {
  switch (source.kind) {
    case "header":
      return hashHeader(request, source.name);
    case "query":
      return hashQuery(request, source.name);
    case "source":
      return hashText(x.origin?.peerId ?? x.origin?.peerAddress ?? "");
    case "cookie": {
      const found = hashCookie(request, source.name);
      if (found !== 0) return found;
      // A split and a ring may go by the same cookie.
      const begun = x.affinityCookies.indexOf(`set-cookie: ${source.name}=`);
      if (begun >= 0)
        return hashText(x.affinityCookies.slice(begun, x.affinityCookies.indexOf(";", begun)).split("=")[1] ?? "");
      const value = Buffer.from(random.bytes(COOKIE_BYTES)).toString("base64url");
      const age = source.ttlMs === 0 ? "" : `; Max-Age=${Math.ceil(source.ttlMs / 1_000)}`;
      x.affinityCookies += `set-cookie: ${source.name}=${value}; Path=${source.path}${age}; HttpOnly; SameSite=Lax\r\n`;
      return hashText(value);
    }
  }
}

function hashHeader(request: Head, name: string): number {
  const { spans, bytes } = request;
  for (let index = 0, base = 0; index < request.count; index += 1, base += 4) {
    // four for each field
    if ((spans[base + 1] as number) - (spans[base] as number) !== name.length) continue;
    if (request.nameText(index).toLowerCase() !== name) continue;
    return hashBytes(bytes, spans[base + 2] as number, spans[base + 3] as number);
  }
  return 0;
}

function hashQuery(request: Head, name: string): number {
  const { bytes, pathEnd, targetEnd } = request;
  let at = pathEnd;
  if (bytes[at] !== QUESTION) return 0;
  while (at < targetEnd) {
    const start = at + 1;
    let end = start;
    while (end < targetEnd && bytes[end] !== AMPERSAND) end += 1;
    const value = valueBehind(bytes, start, end, name);
    if (value >= 0) return hashBytes(bytes, value, end);
    at = end;
  }
  return 0;
}

function hashCookie(request: Head, name: string): number {
  const { spans, bytes } = request;
  for (let index = 0, base = 0; index < request.count; index += 1, base += 4) {
    if (!equalsIgnoreCase(bytes, spans[base] as number, spans[base + 1] as number, COOKIE)) continue;
    const last = spans[base + 3] as number;
    let at = spans[base + 2] as number;
    while (at < last) {
      while (at < last && bytes[at] === SPACE) at += 1;
      let end = at;
      while (end < last && bytes[end] !== SEMICOLON) end += 1;
      const value = valueBehind(bytes, at, end, name);
      if (value >= 0) return hashBytes(bytes, value, end);
      at = end + 1;
    }
  }
  return 0;
}

/** Where the value of `name=value` begins; -1 when the pair has another name. */
function valueBehind(bytes: Uint8Array, start: number, end: number, name: string): number {
  const equals = start + name.length;
  if (equals >= end || bytes[equals] !== EQUALS) return -1;
  for (let i = 0; i < name.length; i += 1) if (bytes[start + i] !== name.charCodeAt(i)) return -1;
  return equals + 1;
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return text.length === 0 ? 0 : finish(hash);
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return start === end ? 0 : finish(hash);
}

/** FNV-1a leaves the high bits of short texts alike; the last steps of MurmurHash3 spread them. Never 0. */
function finish(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return mixed === 0 ? 1 : mixed;
}
