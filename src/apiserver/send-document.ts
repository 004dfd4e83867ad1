import { createHash } from "node:crypto";
import type { ApiAnswer, ApiCall } from "./api-route.ts";
import { writeBody } from "./write-answer.ts";

/** Bytes that stay the same, with the name of their content. */
export interface Document {
  readonly type: string;
  readonly bytes: Uint8Array;
  /** SHA-256 in hexadecimal, in upper case as Kubernetes writes it. */
  readonly hash: string;
}

/** A year: as long as caches may be told. */
const IMMUTABLE = "private, max-age=31536000, immutable";

export function createDocument(bytes: Uint8Array, type: string): Document {
  return { type, bytes, hash: createHash("sha256").update(bytes).digest("hex").toUpperCase() };
}

export function createJsonDocument(value: unknown, type = "application/json"): Document {
  return createDocument(Buffer.from(JSON.stringify(value)), type);
}

/**
 * Sends it with an ETag, or 304 to one who has it. `isVersioned`: the address names the content, so it never need be
 * asked for again; otherwise a client asks each time whether it changed.
 */
export function sendDocument(
  call: ApiCall,
  document: Document,
  { isVersioned = false }: { readonly isVersioned?: boolean } = {},
): ApiAnswer {
  return {
    kind: "stream",
    start(response) {
      const etag = `"${document.hash}"`;
      response.setHeader("etag", etag);
      response.setHeader("cache-control", isVersioned ? IMMUTABLE : "no-cache, private");
      response.setHeader("vary", "accept, accept-encoding");
      if (hasTag(call.headers["if-none-match"], etag)) {
        response.writeHead(304);
        response.end();
        return;
      }
      const body = { statusCode: 200, type: document.type, bytes: document.bytes };
      writeBody(response, call.headers, body).catch(() => response.destroy());
    },
  };
}

/** RFC 9110 section 13.1.2: the weak comparison. */
function hasTag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((part) => {
    const tag = part.trim().replace(/^W\//, "");
    return tag === "*" || tag === etag;
  });
}
