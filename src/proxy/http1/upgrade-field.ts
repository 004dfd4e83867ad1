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
    const nameEnd = endOfToken(bytes, at, end);
    if (nameEnd === at || equalsIgnoreCase(bytes, at, nameEnd, H2C)) return false;
    at = nameEnd;
    if (at < end && bytes[at] === SLASH) {
      const versionEnd = endOfToken(bytes, at + 1, end);
      if (versionEnd === at + 1) return false;
      at = versionEnd;
    }
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
    if (at < end && bytes[at] !== COMMA) return false;
    at = skip(bytes, at, end);
  }
  return true;
}

/** True when the one protocol that an answer names is in the list that the request offered. */
export function offersProtocol(offered: string, chosen: string): boolean {
  const wanted = chosen.trim().toLowerCase();
  return offered.split(",").some((protocol) => protocol.trim().toLowerCase() === wanted);
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
