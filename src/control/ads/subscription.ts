import type { google } from "#gen/protos.js";
import { decodeRejections, type Rejection } from "../../xds/rejections.ts";
import type { EncodedResource, ResourcesByName } from "../config-source.ts";

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

/** The version noted for a name that the proxy was told does not exist. Versions are hashes, so never empty. */
const ABSENT = "";
export const WILDCARD = "*";

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
  /** Whether a first request without names means "everything": for listeners and clusters only. */
  readonly #allowsLegacyWildcard: boolean;
  #isFirst = true;
  #wildcard = false;
  /** A wildcard's first response is sent even when it is empty: the proxy waits to hear that there is nothing. */
  #owesFirst = false;
  readonly #names = new Set<string>();
  /** Name to the version last sent on this stream or brought along; ABSENT when the proxy knows that there is none. */
  readonly #sent = new Map<string, string>();
  readonly #inForce = new Map<string, InForce>();
  /** To be answered whatever the version. */
  readonly #mustAnswer = new Set<string>();
  readonly #rejected = new Map<string, Rejection>();
  /** A NACK of a response that only removed, until the next answer. */
  #refusal: Rejection | null = null;
  #inFlight: (Owed & { readonly nonce: string }) | null = null;

  constructor(typeUrl: string, options: { readonly allowsLegacyWildcard: boolean }) {
    this.typeUrl = typeUrl;
    this.#allowsLegacyWildcard = options.allowsLegacyWildcard;
  }

  onRequest(request: SubscriptionRequest): RequestOutcome {
    const outcome = this.#settle(request);
    if (this.#isFirst) {
      this.#isFirst = false;
      this.#start(request);
    } else {
      for (const name of request.unsubscribe) this.#unsubscribe(name);
      for (const name of request.subscribe) this.#subscribe(name);
    }
    return outcome;
  }

  /** All that differs between `view` and what the proxy was told. Whether it may be sent now is the caller's decision. */
  owed(view: ResourcesByName): Owed {
    const upserts: EncodedResource[] = [];
    const removals = new Set<string>();
    if (this.#wildcard) {
      for (const resource of view.values()) if (this.#needs(resource)) upserts.push(resource);
      for (const [name, version] of this.#sent) if (version !== ABSENT && !view.has(name)) removals.add(name);
      for (const name of this.#mustAnswer) if (!view.has(name)) removals.add(name);
    }
    for (const name of this.#names) {
      const resource = view.get(name);
      if (resource === undefined) {
        if (this.#sent.get(name) !== ABSENT || this.#mustAnswer.has(name)) removals.add(name);
      } else if (!this.#wildcard && this.#needs(resource)) {
        upserts.push(resource);
      }
    }
    return { upserts, removals: [...removals] };
  }

  /** True when an empty response is due: the first one of a wildcard. */
  owesFirst(): boolean {
    return this.#owesFirst;
  }

  /** Notes a response as sent. Only when none is in flight. */
  send(nonce: string, owed: Owed): void {
    if (this.#inFlight !== null) throw new Error("A response is in flight already");
    this.#inFlight = { nonce, ...owed };
    this.#owesFirst = false;
    for (const { name, version } of owed.upserts) {
      this.#sent.set(name, version);
      this.#mustAnswer.delete(name);
    }
    for (const name of owed.removals) {
      // The proxy may run it until it answers, so it stays in force here for as long.
      this.#mustAnswer.delete(name);
      this.#rejected.delete(name);
      if (this.#names.has(name)) this.#sent.set(name, ABSENT);
      else this.#sent.delete(name);
    }
  }

  /** The proxy asked for `name` (by name or by wildcard). */
  covers(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  /** The proxy acknowledged some version of `name`, and nothing sent since takes it away. */
  isRunning(name: string): boolean {
    return this.#inForce.has(name) && this.holds(name);
  }

  isInFlight(): boolean {
    return this.#inFlight !== null;
  }

  /** True when the proxy was given `name`, or brought it along, and has not been told that it is gone. */
  holds(name: string): boolean {
    return (this.#sent.get(name) ?? ABSENT) !== ABSENT;
  }

  inForce(): ReadonlyMap<string, InForce> {
    return this.#inForce;
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

  #needs(resource: EncodedResource): boolean {
    const { name, version } = resource;
    if (this.#sent.get(name) !== version) return true;
    const running = this.#inForce.get(name);
    // The proxy brought along just this version, so its content is known after all.
    if (running?.version === version && running.resource === null) this.#inForce.set(name, { version, resource });
    return this.#mustAnswer.has(name);
  }

  #start(request: SubscriptionRequest): void {
    for (const name of request.subscribe) {
      if (name === WILDCARD) this.#wildcard = true;
      else this.#names.add(name);
    }
    if (this.#allowsLegacyWildcard && request.subscribe.length === 0) this.#wildcard = true;
    this.#owesFirst = this.#wildcard;
    for (const [name, version] of request.initialVersions) {
      if (version === ABSENT || !this.covers(name)) continue;
      this.#sent.set(name, version);
      this.#inForce.set(name, { version, resource: null });
    }
  }

  #subscribe(name: string): void {
    if (name === WILDCARD) {
      if (!this.#wildcard) this.#owesFirst = true;
      this.#wildcard = true;
      return;
    }
    this.#names.add(name);
    this.#mustAnswer.add(name);
  }

  #unsubscribe(name: string): void {
    if (name === WILDCARD) {
      this.#wildcard = false;
      this.#owesFirst = false;
      for (const held of [...this.#sent.keys(), ...this.#mustAnswer]) if (!this.#names.has(held)) this.#forget(held);
      return;
    }
    if (!this.#names.delete(name)) return;
    // Under a wildcard the proxy cannot know whether it may drop the resource, so it is told (xDS: "unsubscribing").
    if (this.#wildcard) this.#mustAnswer.add(name);
    else this.#forget(name);
  }

  #settle(request: SubscriptionRequest): RequestOutcome {
    if (request.nonce === "") return "none";
    const response = this.#inFlight;
    if (response === null || response.nonce !== request.nonce) return "stale";
    this.#inFlight = null;
    this.#refusal = null;
    for (const name of response.removals) this.#inForce.delete(name);
    if (request.error === null) {
      for (const resource of response.upserts) this.#settleResource(resource, undefined);
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
    if (this.#sent.get(name) !== version) return;
    if (rejection === undefined) {
      this.#inForce.set(name, { version, resource });
      this.#rejected.delete(name);
    } else {
      this.#rejected.set(name, rejection);
    }
  }

  #forget(name: string): void {
    this.#sent.delete(name);
    this.#inForce.delete(name);
    this.#mustAnswer.delete(name);
    this.#rejected.delete(name);
  }
}
