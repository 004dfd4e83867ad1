import type { Head } from "../head.ts";
import { canonicalisePath } from "../path.ts";

/**
 * What one resource is called in a store: authority and target. The method is GET, as nothing else is stored; the scheme is http,
 * as weft sees no request that was sent by another. `authority` is what the request was routed by. Where a request names
 * another host than that (a captured connection), the app may answer by either, so both are part of the key.
 */
export function toCacheKey(authority: string, request: Head): string {
  const target = latin1(request, request.targetStart, request.targetEnd);
  const host = withoutPort(request.authorityText().toLowerCase());
  const routed = withoutPort(authority);
  return host === routed ? `${routed}${target}` : `${routed} ${host}${target}`;
}

/**
 * The key of what a Location or Content-Location names, for invalidation (RFC 9111 §4.4): null when it is of another host, or
 * is relative to the path in a way that nobody uses here.
 */
export function toLinkedKey(key: string, link: string): string | null {
  const base = key.slice(0, key.indexOf("/"));
  let target = link;
  if (!link.startsWith("/") || link.startsWith("//")) {
    const match = /^(?:http:)?\/\/([^/?#]*)([^#]*)/i.exec(link);
    if (match === null || withoutPort((match[1] ?? "").toLowerCase()) !== base.slice(base.indexOf(" ") + 1))
      return null;
    target = match[2] ?? "";
    if (!target.startsWith("/")) target = `/${target}`;
  }
  const fragment = target.indexOf("#");
  if (fragment >= 0) target = target.slice(0, fragment);
  const query = target.indexOf("?");
  const pathEnd = query < 0 ? target.length : query;
  const bytes = Buffer.from(target, "latin1");
  const path = canonicalisePath(bytes, 0, pathEnd);
  if (path === "same") return base + target;
  return path instanceof Uint8Array ? base + Buffer.from(path).toString("latin1") + target.slice(pathEnd) : null;
}

function withoutPort(authority: string): string {
  return authority.endsWith(":80") ? authority.slice(0, -3) : authority;
}

function latin1(head: Head, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(head.bytes, start, end);
}
