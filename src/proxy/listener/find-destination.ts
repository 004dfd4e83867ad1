import type { FilterChainConfig, ListenerConfig, RouteTable, Snapshot, TcpHandlerConfig } from "../snapshot.ts";
import { EGRESS_DENIED, NOT_READY, NO_ROUTE } from "../failures.ts";

/** Why a connection is not carried: a code of the failure table and what was found. */
export interface Refusal {
  readonly code: number;
  readonly detail: string;
}

/** What a name and a port stand for, to one outbound listener. */
export type Destination =
  /** Requests only: the HTTP decoders judge whatever comes. */
  | { readonly kind: "http" }
  /** Opaque bytes only, from the first on. */
  | { readonly kind: "tcp"; readonly tcp: TcpHandlerConfig }
  /** Either; the connection's first bytes tell. */
  | { readonly kind: "detect"; readonly tcp: TcpHandlerConfig }
  /** Requests get a proper answer; nothing else is carried. */
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** `name` as `normaliseAuthority` makes it, without a port. */
export function findDestination(
  snapshot: Snapshot | null,
  listenerName: string,
  name: string,
  port: number,
): Destination {
  const listener = snapshot?.listeners.get(listenerName);
  if (snapshot === null || listener === undefined) {
    return refused(NOT_READY, "the proxy has not received its configuration yet");
  }
  const opaque = findNamedChain(listener, name, port);
  if (opaque !== null) return opaque;
  const table = findRouteTable(snapshot, listener);
  if (table === null) return refused(NOT_READY, "the proxy has not received its routes yet");
  if (isRouted(table, name, port)) return { kind: "http" };
  const egress = findEgress(snapshot, table);
  if (egress !== null) return { kind: "detect", tcp: egress };
  const target = `"${name}:${port}"`;
  return name.includes(".")
    ? refused(EGRESS_DENIED, `${target} is not part of the mesh, and the mesh forbids calls to other hosts`)
    : refused(NO_ROUTE, `no service of the mesh is called ${target}`);
}

/** As Envoy orders them: the name's own chain before a chain of its suffix. Both "tcp" and "http" chains make "detect". */
function findNamedChain(listener: ListenerConfig, name: string, port: number): Destination | null {
  let tcp: TcpHandlerConfig | null = null;
  let http = false;
  for (const chain of listener.chains) {
    if (chain.destinationPort !== 0 && chain.destinationPort !== port) continue;
    if (!chain.serverNames.includes(name)) continue;
    if (chain.handler.kind === "http") http = true;
    else tcp ??= chain.handler;
  }
  if (tcp !== null) return { kind: http ? "detect" : "tcp", tcp };
  return http ? { kind: "http" } : null;
}

/** The chain for TLS by the name that the client asks for: that ends it, or passes it on. Null when there is none. */
export function findTlsChain(listener: ListenerConfig, serverName: string | null): FilterChainConfig | null {
  let best: FilterChainConfig | null = null;
  let bestLength = -1;
  for (const chain of listener.chains) {
    if (chain.transportProtocol !== "tls") continue;
    const length = matchServerName(chain.serverNames, serverName);
    if (length > bestLength) {
      best = chain;
      bestLength = length;
    }
  }
  if (best !== null) return best;
  return listener.defaultChain?.serverSecret == null ? null : listener.defaultChain;
}

/** How much of the name was matched: all of it beats a longer suffix beats a shorter one beats any; -1 = no match. */
function matchServerName(patterns: readonly string[], serverName: string | null): number {
  if (patterns.length === 0) return 0;
  let best = -1;
  if (serverName === null) return best;
  for (const pattern of patterns) {
    if (pattern === serverName) return Infinity;
    if (pattern.startsWith("*.") && serverName.endsWith(pattern.slice(1))) best = Math.max(best, pattern.length - 1);
  }
  return best;
}

function findRouteTable(snapshot: Snapshot, listener: ListenerConfig): RouteTable | null {
  const handler = listener.defaultChain?.handler;
  if (handler === undefined || handler.kind !== "http") return null;
  if (handler.inlineRoutes !== null) return handler.inlineRoutes;
  return handler.routeName === null ? null : (snapshot.routes.get(handler.routeName) ?? null);
}

function isRouted(table: RouteTable, name: string, port: number): boolean {
  const authority = `${name}:${port}`;
  if (table.exact.has(authority) || (port === 80 && table.exact.has(name))) return true;
  return table.suffixes.some(([suffix]) => authority.length > suffix.length && authority.endsWith(suffix));
}

/** Where requests for any host go straight out, opaque connections may too: that is what allowing egress means. */
function findEgress(snapshot: Snapshot, table: RouteTable): TcpHandlerConfig | null {
  const clusters = table.fallback?.routes[0]?.clusters;
  const name = clusters?.names.length === 1 ? clusters.names[0] : undefined;
  if (clusters === undefined || name === undefined) return null;
  return snapshot.clusters.get(name)?.kind === "dynamic" ? { kind: "tcp", clusters, access: null } : null;
}

function refused(code: number, detail: string): Destination {
  return { kind: "refused", refusal: { code, detail } };
}
