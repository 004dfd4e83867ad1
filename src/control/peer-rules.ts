import { WeftError } from "../lib/weft-error.ts";
import type { Log } from "../lib/log.ts";
import { MAX_REVOCATIONS, normaliseSerialNumber, RevocationList } from "../identity/revocation-list.ts";
import type { RevokedSubject } from "../identity/revocation-list.ts";
import type { Resource } from "../resources/resource.ts";
import type { Revocation } from "../resources/revocation.ts";
import type { TrustBundle } from "../resources/trust-bundle.ts";
import { encodeKey, toResourceKey } from "../store/store-key.ts";
import type { Store, WatchEvent } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { parseWallTime } from "../time/wall-time.ts";
import type { PeerRules } from "../xds/peer-rules-secret.ts";
import type { JobLease } from "./replicas/job-lease.ts";

export interface PeerRuleFollowerOptions {
  readonly store: Store;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Log;
}

const KINDS: readonly { readonly group: string; readonly kind: string }[] = [
  { group: "weft.dev", kind: "Revocation" },
  { group: "weft.dev", kind: "TrustBundle" },
];
const RETRY_MS = 1_000;
const PRUNE_MS = 60_000;

/**
 * Who is revoked and which other trust domains are trusted, followed as the store changes. While the store cannot be
 * followed the last rules stay in force. Revocations that have ended are left out at once and deleted within a minute or
 * so by the control plane that has the mesh's jobs.
 */
export class PeerRuleFollower {
  readonly #options: PeerRuleFollowerOptions;
  readonly #resources = new Map<string, Resource>();
  readonly #listeners: ((rules: PeerRules) => void)[] = [];
  #rules: PeerRules = { bundles: new Map(), revoked: [] };
  #revocations: RevocationList = new RevocationList([]);
  #text: string = "";
  #lease: JobLease = { held: () => false };
  #stopWatches: (() => void)[] = [];
  #retry: Timer | null = null;
  readonly #pruning: Timer;
  #isClosed = false;

  constructor(options: PeerRuleFollowerOptions) {
    this.#options = options;
    this.#pruning = options.clock.every(PRUNE_MS, (follower: PeerRuleFollower) => void follower.prune(), this);
  }

  /** Resolves when the rules of now are in force. Rejects when the store cannot be read. */
  async start(): Promise<void> {
    const { log, store } = this.#options;
    const fresh = new Map<string, Resource>();
    const watches: { readonly kind: (typeof KINDS)[number]; readonly fromVersion: string }[] = [];
    for (const kind of KINDS) {
      const { items, resourceVersion } = await store.list(kind);
      for (const item of items) fresh.set(encodeKey(toResourceKey(item)), item);
      watches.push({ kind, fromVersion: resourceVersion });
    }
    if (this.#isClosed) return;
    this.#resources.clear();
    for (const [key, resource] of fresh) this.#resources.set(key, resource);
    this.#update();
    this.#stopWatches = watches.map(({ kind, fromVersion }) =>
      store.watch({
        kind,
        fromVersion,
        onEvent: (event) => this.#follow(event),
        onError: (error) => {
          log.warn("revocations and trust bundles cannot be followed; reading them again", { error });
          this.#startAgain();
        },
      }),
    );
  }

  rules(): PeerRules {
    return this.#rules;
  }

  /** As of now. */
  readonly revocations = (): RevocationList => this.#revocations;

  /** Called at once, and with all other rules from then on. */
  onRules(listener: (rules: PeerRules) => void): void {
    this.#listeners.push(listener);
    listener(this.#rules);
  }

  /** Who may delete what has ended. */
  setLease(lease: JobLease): void {
    this.#lease = lease;
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stopWatches) stop();
    this.#retry?.clear();
    this.#pruning.clear();
  }

  /** Runs every minute by itself. */
  async prune(): Promise<void> {
    this.#update();
    const { log, store } = this.#options;
    for (const resource of [...this.#resources.values()]) {
      if (!this.#lease.held()) return;
      if (resource.kind !== "Revocation" || !this.#hasEnded(resource as Revocation)) continue;
      const { resourceVersion } = resource.metadata;
      const expected = resourceVersion === undefined ? {} : { ifVersion: resourceVersion };
      await store.delete(toResourceKey(resource), expected).catch((error: unknown) => {
        log.debug("cannot delete a revocation that has ended; trying again later", {
          name: resource.metadata.name,
          error: error instanceof WeftError ? error.code : error,
        });
      });
    }
  }

  #follow({ type, resource }: WatchEvent): void {
    const key = encodeKey(toResourceKey(resource));
    if (type === "DELETED") this.#resources.delete(key);
    else this.#resources.set(key, resource);
    this.#update();
  }

  #update(): void {
    const all = [...this.#resources].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, resource]) => resource);
    const bundles = new Map<string, string>();
    const revoked: RevokedSubject[] = [];
    for (const resource of all) {
      if (resource.kind === "TrustBundle") {
        const { trustDomain, bundle } = (resource as TrustBundle).spec;
        // Nobody else vouches for this mesh's own identities.
        if (trustDomain !== this.#options.trustDomain && !bundles.has(trustDomain)) bundles.set(trustDomain, bundle);
      } else if (!this.#hasEnded(resource as Revocation)) revoked.push(toSubject(resource as Revocation));
    }
    if (revoked.length > MAX_REVOCATIONS) {
      this.#options.log.error("too many revocations: the last ones are not in force", {
        found: revoked.length,
        limit: MAX_REVOCATIONS,
      });
      revoked.length = MAX_REVOCATIONS;
    }
    const text = JSON.stringify([[...bundles], revoked]);
    if (text === this.#text) return;
    this.#text = text;
    this.#rules = { bundles, revoked };
    this.#revocations = new RevocationList(revoked);
    for (const listener of this.#listeners) listener(this.#rules);
  }

  #hasEnded({ spec }: Revocation): boolean {
    return spec.notAfter !== undefined && parseWallTime(spec.notAfter) <= this.#options.clock.wallMs();
  }

  #startAgain(): void {
    for (const stop of this.#stopWatches) stop();
    this.start().catch((error: unknown) => {
      if (this.#isClosed) return;
      this.#options.log.warn("revocations and trust bundles cannot be read; trying on", { error });
      this.#retry = this.#options.clock.after(RETRY_MS, () => this.#startAgain(), undefined);
    });
  }
}

function toSubject({ spec }: Revocation): RevokedSubject {
  return {
    spiffeId: spec.spiffeId ?? null,
    workload: spec.workload ?? null,
    serialNumber: spec.serialNumber === undefined ? null : normaliseSerialNumber(spec.serialNumber),
  };
}
