import type { ProxyCounters } from "../counters.ts";
import type { Route, RouteTable, Snapshot, VirtualHost } from "../snapshot.ts";
import { ResponseStore } from "./response-store.ts";

interface CachedRoute {
  readonly route: Route;
  readonly key: string;
}

/**
 * Which store belongs to which route. A route that comes again, the same in all that decides its answers, keeps its store; one
 * that is gone, changed, or lost its cache, loses it.
 */
export class RouteStores {
  readonly #counters: ProxyCounters;
  /** Tables that did not change are the same objects: these are looked through once. */
  readonly #tables: WeakMap<RouteTable, readonly CachedRoute[]> = new WeakMap();
  readonly #byRoute: WeakMap<Route, ResponseStore> = new WeakMap();
  #byKey: Map<string, ResponseStore> = new Map();

  constructor(counters: ProxyCounters) {
    this.#counters = counters;
  }

  /** Null for a route without a cache, and for one of an older snapshot that is gone. */
  find(route: Route): ResponseStore | null {
    const store = this.#byRoute.get(route);
    return store === undefined || store.isClosed ? null : store;
  }

  all(): Iterable<ResponseStore> {
    return this.#byKey.values();
  }

  /** A new snapshot will be in force. */
  reconcile(snapshot: Snapshot): void {
    const kept = new Map<string, ResponseStore>();
    for (const table of tablesOf(snapshot)) {
      for (const { route, key } of this.#cachedRoutes(table)) {
        const { cache } = route.policy;
        if (cache === null) continue;
        const store = kept.get(key) ?? this.#byKey.get(key) ?? new ResponseStore(cache, this.#counters);
        kept.set(key, store);
        this.#byRoute.set(route, store);
      }
    }
    const before = this.#byKey;
    this.#byKey = kept;
    for (const [key, store] of before) if (!kept.has(key)) store.close();
  }

  close(): void {
    for (const store of this.#byKey.values()) store.close();
    this.#byKey.clear();
  }

  #cachedRoutes(table: RouteTable): readonly CachedRoute[] {
    let found = this.#tables.get(table);
    if (found === undefined) {
      found = listCachedRoutes(table);
      this.#tables.set(table, found);
    }
    return found;
  }
}

function* tablesOf(snapshot: Snapshot): Iterable<RouteTable> {
  yield* snapshot.routes.values();
  for (const listener of snapshot.listeners.values()) {
    for (const chain of [...listener.chains, listener.defaultChain]) {
      if (chain?.handler.kind === "http" && chain.handler.inlineRoutes !== null) yield chain.handler.inlineRoutes;
    }
  }
}

function listCachedRoutes(table: RouteTable): CachedRoute[] {
  const hosts = new Set<VirtualHost>([...table.exact.values(), ...table.suffixes.map(([, host]) => host)]);
  if (table.fallback !== null) hosts.add(table.fallback);
  const found: CachedRoute[] = [];
  for (const host of hosts) {
    for (const route of host.routes) {
      if (route.policy.cache !== null) found.push({ route, key: describeRoute(table, host, route) });
    }
  }
  return found;
}

/** All that decides what a route answers, as one text: whose requests, from where, changed how, kept how. */
function describeRoute(table: RouteTable, host: VirtualHost, route: Route): string {
  const { name, cache, rewrite, requestHeaders } = route.policy;
  const { path, methods, headers } = route.match;
  const parts = [
    ...[table.name, host.name, route.name, name],
    { path, headers, methods: methods === null ? null : [...methods].toSorted() },
    route.clusters.names,
    { cache, rewrite, requestHeaders },
  ];
  // Compiled patterns show their source; what they do with it is a function, which JSON leaves out.
  return JSON.stringify(parts);
}
