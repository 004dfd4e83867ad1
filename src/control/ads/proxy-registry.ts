import type { Clock } from "../../time/clock.ts";
import type { Json } from "../../xds/struct-json.ts";
import type { ProxyNode } from "../config-source.ts";
import type { ProxyStatus, ProxyTypeStatus } from "../views.ts";
import { SECRET_TYPE, SERVER_CERTIFICATE_PREFIX, TRUST_BUNDLE_SECRET } from "../../xds/names.ts";
import { toResourceJson } from "./resource-json.ts";
import type { StreamSession } from "./stream-session.ts";

export interface ProxyRegistryOptions {
  readonly clock: Pick<Clock, "wallMs">;
  /** A proxy that left is listed this long, */
  readonly keepLeftMs: number;
  /** and at most this many of them, the last ones. */
  readonly maxLeft: number;
}

interface ProxyEntry {
  readonly node: ProxyNode;
  readonly session: StreamSession;
  readonly isConnected: boolean;
  readonly sinceWallMs: number;
}

/** The proxies that are connected, and for a while those that were: what `weft proxy list` and `config` show. */
export class ProxyRegistry {
  readonly #options: ProxyRegistryOptions;
  /** By node id; those that left are in the order in which they did. */
  readonly #entries = new Map<string, ProxyEntry>();

  constructor(options: ProxyRegistryOptions) {
    this.#options = options;
  }

  /** A newer stream of the same proxy takes the place of an older one. */
  join(session: StreamSession): void {
    this.#put(session, true);
  }

  /** Does nothing when a newer stream has taken its place. */
  leave(session: StreamSession): void {
    if (this.#entries.get(session.node.id)?.session === session) this.#put(session, false);
    this.#prune();
  }

  statuses(): readonly ProxyStatus[] {
    this.#prune();
    return [...this.#entries.values()].map(toStatus).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Type label to resource name to JSON; null when no such proxy is known. */
  config(id: string): Json {
    this.#prune();
    const entry = this.#entries.get(id);
    if (entry === undefined) return null;
    const byType = [...entry.session.inForce()].map(([type, resources]): [string, Json] => {
      const byName = [...resources].map(([name, { version, resource }]): [string, Json] => [
        name,
        {
          version,
          content: resource === null || name.startsWith(SERVER_CERTIFICATE_PREFIX) ? null : toResourceJson(resource),
        },
      ]);
      return [type, Object.fromEntries(byName)];
    });
    return Object.fromEntries(byType);
  }

  #put(session: StreamSession, isConnected: boolean): void {
    const { node } = session;
    this.#entries.delete(node.id);
    this.#entries.set(node.id, { node, session, isConnected, sinceWallMs: this.#options.clock.wallMs() });
  }

  #prune(): void {
    const left = [...this.#entries.values()].filter((entry) => !entry.isConnected);
    const oldestWallMs = this.#options.clock.wallMs() - this.#options.keepLeftMs;
    const surplus = left.length - this.#options.maxLeft;
    left.forEach((entry, index) => {
      if (index < surplus || entry.sinceWallMs < oldestWallMs) this.#entries.delete(entry.node.id);
    });
  }
}

function toStatus({ node, session, isConnected, sinceWallMs }: ProxyEntry): ProxyStatus {
  const types = session
    .types()
    .map((type) => (isConnected || type.state !== "SYNCED" ? type : { ...type, state: STALE }));
  return {
    id: node.id,
    role: node.metadata.role,
    spiffeId: node.spiffeId,
    runtime: node.metadata.runtime,
    weftVersion: node.metadata.weftVersion,
    connected: isConnected,
    sinceWallMs,
    state: summarise(types, isConnected),
    types,
    admin: node.metadata.admin,
    hasRoots: session.hasNewest(SECRET_TYPE, TRUST_BUNDLE_SECRET),
  };
}

const STALE = "STALE" as const;

function summarise(types: readonly ProxyTypeStatus[], isConnected: boolean): ProxyStatus["state"] {
  if (types.some(({ state }) => state === "REJECTED")) return "REJECTED";
  const isSynced = isConnected && types.length > 0 && types.every(({ state }) => state === "SYNCED");
  return isSynced ? "SYNCED" : STALE;
}
