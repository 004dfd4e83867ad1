import type { Route, RouteTable, VirtualHost } from "../snapshot.ts";
import type { MatchableRequest } from "./match-request.ts";
import { matchesRequest } from "./match-request.ts";

/** Exact name first, then the longest `*.suffix`, then `*` (Envoy's domain search order). */
export function findVirtualHost(table: RouteTable, written: string): VirtualHost | null {
  const authority = table.ignoresPort === true ? withoutPort(written) : written;
  const exact = table.exact.get(authority);
  if (exact !== undefined) return exact;
  for (let i = 0; i < table.suffixes.length; i += 1) {
    const entry = table.suffixes[i];
    if (entry !== undefined && authority.length > entry[0].length && authority.endsWith(entry[0])) return entry[1];
  }
  return table.fallback;
}

/** The first route whose match accepts the request, or null. */
export function findRoute(host: VirtualHost, x: MatchableRequest): Route | null {
  for (let i = 0; i < host.routes.length; i += 1) {
    const route = host.routes[i];
    if (route !== undefined && matchesRequest(route.match, x)) return route;
  }
  return null;
}

/** Returns the argument itself when it has no port. */
function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(":");
  return colon < 0 || authority.indexOf("]", colon) >= 0 ? authority : authority.slice(0, colon);
}

/**
 * An authority as routing compares it: lower-case, without the trailing dot of a fully qualified name (`reviews.:80` is
 * `reviews:80`). Returns the argument itself when it is already so.
 */
export function normaliseAuthority(text: string): string {
  const lower = text.toLowerCase();
  const colon = lower.lastIndexOf(":");
  const hostEnd = colon > 0 && lower.indexOf("]", colon) < 0 ? colon : lower.length;
  if (hostEnd > 1 && lower.charCodeAt(hostEnd - 1) === 0x2e) return lower.slice(0, hostEnd - 1) + lower.slice(hostEnd);
  return lower;
}
