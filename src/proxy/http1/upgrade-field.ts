import { BYTE_CLASS, BYTE_TOKEN } from "./byte-class.ts";
import { equalsIgnoreCase } from "./field-name.ts";

const COMMA = 0x2c;
const SLASH = 0x2f;
const SPACE = 0x20;
const TAB = 0x09;
const H2C: Uint8Array = Buffer.from("h2c", "latin1");

/**
 * True when an Upgrade value (RFC 9110 section 7.8) is a list of protocols, each `name` or `name/version`, none of them
 * h2c. RFC 9113 took the upgrade to h2c away, and a server that is sent one behind a proxy serves requests that no rule of
 * the proxy has seen. A value that is not well-formed is passed over too, as a server may always ignore the field.
 */
export function isCarriedUpgrade(bytes: Uint8Array, start: number, end: number): boolean {
  let at = skip(bytes, start, end);
  if (at === end) return false;
  while (at < end) {
    at = endOfProtocol(bytes, at, end);
    if (at < 0) return false;
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
    if (at < end && bytes[at] !== COMMA) return false;
    at = skip(bytes, at, end);
  }
  return true;
}

/** True when the span is one protocol that is carried, as `:protocol` holds it (RFC 8441 section 4). */
export function isCarriedProtocol(bytes: Uint8Array, start: number, end: number): boolean {
  return endOfProtocol(bytes, start, end) === end;
}

/** True when the one protocol that an answer names is in the list that the request offered. */
export function offersProtocol(offered: string, chosen: string): boolean {
  const wanted = chosen.trim().toLowerCase();
  return offered.split(",").some((protocol) => protocol.trim().toLowerCase() === wanted);
}

/** Where `name` or `name/version` from `start` on ends; -1 when there is none, or it is h2c. */
function endOfProtocol(bytes: Uint8Array, start: number, end: number): number {
  const nameEnd = endOfToken(bytes, start, end);
  if (nameEnd === start || equalsIgnoreCase(bytes, start, nameEnd, H2C)) return -1;
  if (nameEnd === end || bytes[nameEnd] !== SLASH) return nameEnd;
  const versionEnd = endOfToken(bytes, nameEnd + 1, end);
  return versionEnd === nameEnd + 1 ? -1 : versionEnd;
}

/** Skips white space and commas: empty list elements are allowed (RFC 9110 section 5.6.1.2). */
function skip(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === COMMA)) at += 1;
  return at;
}

function endOfToken(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_TOKEN) !== 0) at += 1; // `at` is below `end`
  return at;
}
