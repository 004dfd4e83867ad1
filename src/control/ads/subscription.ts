import type { google } from "#gen/protos.js";
import { decodeRejections, type Rejection } from "../../xds/rejections.ts";
import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { NO_RESOURCES } from "../layered-resources.ts";
import { ResourceChanges } from "../resource-changes.ts";
import { NameSet } from "./name-set.ts";
import { ABSENT, type Covered, type Told, ToldVersions } from "./told-versions.ts";

/** What a DeltaDiscoveryRequest says about one type, with the defaults of absent fields. */
export interface SubscriptionRequest {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name to version; counts in the first request of a type only. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** "" when the request answers nothing. */
  readonly nonce: string;
  readonly error: google.rpc.Status | null;
}

export type RequestOutcome = "ack" | "nack" | "stale" | "none";

/** What a proxy is owed of one type. */
export interface Owed {
  readonly upserts: readonly EncodedResource[];
  readonly removals: readonly string[];
}

/**
 * What the proxy runs under a name: a resource that it acknowledged, or one that it brought along to this stream and whose
 * content we no longer know.
 */
export type InForce = { readonly version: string; readonly resource: EncodedResource | null };

export const WILDCARD = "*";

/** What the subscriptions of all streams share. */
export interface SubscriptionPool {
  readonly changes: ResourceChanges;
  /** The empty set, from which all others come. */
  readonly names: NameSet;
}

export interface SubscriptionOptions {
  /** Whether a first request without names means "everything": for listeners and clusters only. */
  readonly allowsLegacyWildcard: boolean;
  /** Default one of its own. */
  readonly pool?: SubscriptionPool;
}

export function createSubscriptionPool(): SubscriptionPool {
  return { changes: new ResourceChanges(), names: new NameSet() };
}

/**
 * The delta xDS rules for one type on one stream, with no socket and no timer. At most one response is in flight; what
 * changes meanwhile is owed in the next one, in its latest version.
 *
 * ```
 *            owed, send()                    ACK            everything sent is in force
 *   IDLE ─────────────────▶ IN FLIGHT ──────────────▶ IDLE
 *                               │           NACK            named resources are rejected, the rest is in force;
 *                               └──────────────────▶ IDLE   a rejected one is owed again when its version changes
 * ```
 *
 * - Names in the first request are skipped when the proxy says that it holds their current version; a name subscribed in
 *   any later request is answered even if nothing changed, because the proxy may have dropped it meanwhile.
 * - `initialVersions` subscribes to nothing.
 * - A nonce that is not the one in flight acknowledges nothing, but the subscription changes beside it count.
 * - In one request, names are unsubscribed before names are subscribed.
 */
export class Subscription {
  readonly typeUrl: string;
  readonly #allowsLegacyWildcard: boolean;
  readonly #changes: ResourceChanges;
  #isFirst = true;
  #wildcard = false;
  /** A wildcard's first response is sent even when it is empty: the proxy waits to hear that there is nothing. */
  #owesFirst = false;
  #names: NameSet;
  /** Names may be subscribed that were never compared with a view. */
  #hasNewNames = false;
  /** Last sent on this stream or brought along; ABSENT when the proxy knows that there is none. */
  readonly #sent = new ToldVersions();
  readonly #running = new ToldVersions();
  /** To be answered whatever the version. */
  readonly #mustAnswer = new Set<string>();
  readonly #rejected = new Map<string, Rejection>();
  /** A NACK of a response that only removed, until the next answer. */
  #refusal: Rejection | null = null;
  #inFlight: InFlight | null = null;

  constructor(typeUrl: string, options: SubscriptionOptions) {
    const { changes, names } = options.pool ?? createSubscriptionPool();
    this.typeUrl = typeUrl;
    this.#allowsLegacyWildcard = options.allowsLegacyWildcard;
    this.#changes = changes;
    this.#names = names;
  }

  /** `view`: the latest; it only makes the first request cheaper, of which most proxies hold most. */
  onRequest(request: SubscriptionRequest, view: ResourcesByName = NO_RESOURCES): RequestOutcome {
    const outcome = this.#settle(request);
    if (this.#isFirst) {
      this.#isFirst = false;
      this.#start(request, view);
    } else {
      this.#change(request);
    }
    return outcome;
  }

  /** All that differs between `view` and what the proxy was told. Whether it may be sent now is the caller's decision. */
  owed(view: ResourcesByName): Owed {
    const upserts: EncodedResource[] = [];
    const removals: string[] = [];
    for (const name of this.#candidates(view)) {
      if (!this.covers(name)) continue;
      const resource = view.get(name);
      const mustAnswer = this.#mustAnswer.has(name);
      const sent = this.#sent.get(name);
      if (resource !== undefined) {
        if (mustAnswer || sent?.version !== resource.version) upserts.push(resource);
      } else if (mustAnswer || (this.#names.has(name) ? sent !== ABSENT : sent !== undefined && sent !== ABSENT)) {
        removals.push(name);
      }
    }
    if (upserts.length + removals.length === 0) this.#compact(view);
    return { upserts, removals };
  }

  /** True when an empty response is due: the first one of a wildcard. */
  owesFirst(): boolean {
    return this.#owesFirst;
  }

  /**
   * Notes a response as sent. Only when none is in flight. `whole` is the view of which `owed` is all that was owed, null
   * when it is a part.
   */
  send(nonce: string, owed: Owed, whole: ResourcesByName | null = null): void {
    if (this.#inFlight !== null) throw new Error("A response is in flight already");
    this.#inFlight = { nonce, upserts: owed.upserts, removals: owed.removals, whole };
    this.#owesFirst = false;
    if (whole === null) for (const resource of owed.upserts) this.#sent.set(resource.name, resource);
    else
      this.#sent.adopt(
        whole,
        [...this.#sent.ownNames()].filter((name) => !whole.has(name)),
      );
    if (this.#mustAnswer.size > 0) for (const { name } of owed.upserts) this.#mustAnswer.delete(name);
    for (const name of owed.removals) {
      // The proxy may run it until it answers, so it stays in force here for as long.
      this.#mustAnswer.delete(name);
      this.#rejected.delete(name);
      if (this.#names.has(name)) this.#sent.set(name, ABSENT);
      else this.#sent.forget(name);
    }
  }

  /** The proxy asked for `name` (by name or by wildcard). */
  covers(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  /** The proxy acknowledged some version of `name`, and nothing sent since takes it away. */
  isRunning(name: string): boolean {
    return this.covers(name) && this.#running.get(name) !== undefined && this.holds(name);
  }

  /** The proxy acknowledged this very version of `name`, or brought it along. */
  runs(name: string, version: string): boolean {
    return this.isRunning(name) && this.#running.get(name)?.version === version;
  }

  /** Every name of `view` that it covers is running in the version there. */
  runsAllOf(view: ResourcesByName): boolean {
    return this.#running.whole() === view && this.#sent.whole() === view;
  }

  names(): NameSet {
    return this.#names;
  }

  isWildcard(): boolean {
    return this.#wildcard;
  }

  isInFlight(): boolean {
    return this.#inFlight !== null;
  }

  /** True when the proxy was given `name`, or brought it along, and has not been told that it is gone. */
  holds(name: string): boolean {
    return this.covers(name) && (this.#sent.get(name) ?? ABSENT) !== ABSENT;
  }

  /** Made anew at every call. */
  inForce(): ReadonlyMap<string, InForce> {
    const running = new Map<string, InForce>();
    for (const [name, told] of this.#running.entries((candidate) => this.covers(candidate)))
      running.set(name, toInForce(told));
    return running;
  }

  inForceCount(): number {
    const whole = this.#running.whole();
    if (whole !== null) return this.#wildcard ? whole.size : this.#names.countIn(whole);
    let count = 0;
    for (const _ of this.#running.entries((name) => this.covers(name))) count += 1;
    return count;
  }

  /** Sent and not answered: the proxy may or may not run these. */
  unansweredUpserts(): readonly EncodedResource[] {
    return this.#inFlight?.upserts ?? [];
  }

  /** What the proxy refused and still does not run; the name is "*" for a response without resources. */
  rejections(): readonly Rejection[] {
    return this.#refusal === null ? [...this.#rejected.values()] : [...this.#rejected.values(), this.#refusal];
  }

  subscribedCount(): number {
    return this.#names.size;
  }

  /** Names that may have to be told of; no other has. */
  #candidates(view: ResourcesByName): Iterable<string> {
    const differing = this.#sent.differences(view, this.#changes);
    if (this.#mustAnswer.size === 0 && !this.#hasNewNames) return differing;
    return new Set([...differing, ...this.#mustAnswer, ...(this.#hasNewNames ? this.#names : [])]);
  }

  /** Nothing is owed: what is known of the proxy is written as the difference from what everybody has. */
  #compact(view: ResourcesByName): void {
    this.#hasNewNames = false;
    const covers = (name: string): boolean => this.covers(name);
    this.#sent.rebase(view, this.#changes, covers);
    this.#running.rebase(view, this.#changes, covers);
  }

  #start(request: SubscriptionRequest, view: ResourcesByName): void {
    const { subscribe } = request;
    this.#wildcard = subscribe.includes(WILDCARD) || (this.#allowsLegacyWildcard && subscribe.length === 0);
    this.#names = this.#names.change(
      subscribe.filter((name) => name !== WILDCARD),
      [],
    );
    this.#hasNewNames = this.#names.countIn(view) < this.#names.size;
    this.#owesFirst = this.#wildcard;
    const { initialVersions } = request;
    if (initialVersions.size === 0) return;
    const covered: Covered = {
      has: (name) => this.covers(name),
      countIn: (resources) => (this.#wildcard ? resources.size : this.#names.countIn(resources)),
      listIn: (resources) => (this.#wildcard ? resources.keys() : this.#names),
    };
    this.#sent.begin(initialVersions, view, covered);
    this.#running.copy(this.#sent);
  }

  #change({ subscribe, unsubscribe }: SubscriptionRequest): void {
    if (unsubscribe.length > 0) {
      const gone = unsubscribe.filter((name) => this.#names.has(name));
      this.#names = this.#names.change([], gone);
      if (unsubscribe.includes(WILDCARD)) this.#unsubscribeAll();
      for (const name of gone) {
        // Under a wildcard the proxy cannot know whether it may drop the resource, so it is told (xDS: "unsubscribing").
        if (this.#wildcard) this.#mustAnswer.add(name);
        else this.#forget(name);
      }
    }
    if (subscribe.length === 0) return;
    if (subscribe.includes(WILDCARD)) this.#subscribeAll();
    for (const name of subscribe) {
      if (name === WILDCARD) continue;
      if (!this.covers(name)) this.#forget(name);
      this.#mustAnswer.add(name);
    }
    this.#names = this.#names.change(
      subscribe.filter((name) => name !== WILDCARD),
      [],
    );
  }

  #subscribeAll(): void {
    if (this.#wildcard) return;
    this.#sent.keepOnly(this.#names);
    this.#running.keepOnly(this.#names);
    this.#owesFirst = true;
    this.#wildcard = true;
  }

  #unsubscribeAll(): void {
    this.#wildcard = false;
    this.#owesFirst = false;
    for (const name of [...this.#mustAnswer, ...this.#rejected.keys()]) if (!this.#names.has(name)) this.#forget(name);
  }

  #settle(request: SubscriptionRequest): RequestOutcome {
    if (request.nonce === "") return "none";
    const response = this.#inFlight;
    if (response === null || response.nonce !== request.nonce) return "stale";
    this.#inFlight = null;
    this.#refusal = null;
    for (const name of response.removals) this.#running.forget(name);
    if (request.error === null) {
      if (response.whole === null) for (const resource of response.upserts) this.#settleResource(resource, undefined);
      else this.#settleWhole(response, response.whole);
      return "ack";
    }
    const rejections = decodeRejections(
      request.error,
      response.upserts.map(({ name }) => name),
    );
    const byName = new Map(rejections.map((rejection) => [rejection.name, rejection]));
    for (const resource of response.upserts) this.#settleResource(resource, byName.get(resource.name));
    if (rejections.length === 0) this.#refusal = { name: WILDCARD, reason: request.error.message ?? "" };
    return "nack";
  }

  #settleResource(resource: EncodedResource, rejection: Rejection | undefined): void {
    const { name, version } = resource;
    // Unsubscribed while it was under way, or sent again since: the answer is about nothing that counts now.
    if (!this.covers(name) || this.#sent.get(name)?.version !== version) return;
    if (rejection === undefined) {
      this.#running.set(name, resource);
      this.#rejected.delete(name);
    } else {
      this.#rejected.set(name, rejection);
    }
  }

  /** All that the proxy was told is in force, but for what it refused earlier and what it asked for anew meanwhile. */
  #settleWhole(response: InFlight, whole: ResourcesByName): void {
    if (this.#rejected.size > 0) for (const { name } of response.upserts) this.#rejected.delete(name);
    this.#running.adopt(whole, new Set([...this.#sent.ownNames(), ...this.#rejected.keys()]));
  }

  #forget(name: string): void {
    this.#sent.forget(name);
    this.#running.forget(name);
    this.#mustAnswer.delete(name);
    this.#rejected.delete(name);
  }
}

interface InFlight extends Owed {
  readonly nonce: string;
  /** The view that the proxy has in full once it acknowledges; null when the response was a part of what was owed. */
  readonly whole: ResourcesByName | null;
}

function toInForce(told: Told): InForce {
  return { version: told.version, resource: "bytes" in told ? told : null };
}
