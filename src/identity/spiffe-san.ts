import { parseSpiffeId } from "./spiffe-id.ts";

/**
 * The SPIFFE ID of a certificate, from its subject alternative names as Node and Bun print them
 * (`X509Certificate.subjectAltName`, `getPeerCertificate().subjectaltname`). Null unless there is exactly one URI name
 * and it is a well-formed SPIFFE ID; other kinds of name are allowed beside it.
 *
 * The list is taken apart, never searched: a value with a comma, a quote, a backslash or a control character is printed
 * as a JSON string, so nothing inside a DNS name or a second URI can pass for an entry of its own.
 */
export function parseSpiffeSan(subjectAltName: string | undefined | null): string | null {
  if (subjectAltName === undefined || subjectAltName === null) return null;
  let uri: string | null = null;
  let at = 0;
  while (at < subjectAltName.length) {
    const colon = subjectAltName.indexOf(":", at);
    if (colon < 0) return null;
    const end = findEntryEnd(subjectAltName, colon + 1);
    if (end < 0) return null;
    if (subjectAltName.slice(at, colon) === "URI") {
      if (uri !== null) return null;
      // A quoted value stays quoted here and so is refused: a SPIFFE ID has no character that needs quoting.
      uri = subjectAltName.slice(colon + 1, end);
    }
    if (end === subjectAltName.length) break;
    // A list that ends in a separator has an entry we do not see.
    if (!subjectAltName.startsWith(", ", end) || end + 2 === subjectAltName.length) return null;
    at = end + 2;
  }
  return uri !== null && parseSpiffeId(uri) !== null ? uri : null;
}

/** Where the value that starts at `from` ends: the comma after it, or the end of the text; -1 when its quote never closes. */
function findEntryEnd(text: string, from: number): number {
  if (text[from] !== '"') {
    const comma = text.indexOf(",", from);
    return comma < 0 ? text.length : comma;
  }
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return -1;
}
