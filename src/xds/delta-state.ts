import type { envoy, google } from "#gen/protos.js";
import { encodeRefusal, encodeRejections, type Rejection } from "./rejections.ts";

type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type DeltaResponse = envoy.service.discovery.v3.DeltaDiscoveryResponse;

export interface ResourceUpsert {
  readonly name: string;
  readonly version: string;
  /** The encoded message itself, without its Any. */
  readonly bytes: Uint8Array;
}

/** What one response changes. */
export interface ResourceUpdate {
  readonly upserts: readonly ResourceUpsert[];
  /** Names that were held and are gone, and names that were asked for and do not exist. */
  readonly removed: readonly string[];
}

export interface DeltaStateOptions {
  /** Everything of the type, or only what `subscribe` names. */
  readonly wildcard: boolean;
  /** Name to version of what is in force already, e.g. from the last configuration on disk. */
  readonly held?: ReadonlyMap<string, string>;
}

/**
 * A client's side of delta xDS for one type, with no socket and no timer: what it wants, what the server was told of that
 * on this stream, and which version it holds of each resource. Per response: `receive`, apply the update, `answer`.
 *
 * A resource that was refused keeps the version held before (or none), so that after a reconnect the server knows what is
 * really in force.
 */
export class DeltaState {
  readonly typeUrl: string;
  readonly #wildcard: boolean;
  #wanted: ReadonlySet<string> = new Set();
  readonly #held: Map<string, string>;
  /** Null until the first request of this stream. */
  #told: Set<string> | null = null;
  /** Told to the server and dropped by us since: to be asked for again if they are wanted again. */
  readonly #dropped = new Set<string>();
  #received: { readonly nonce: string; readonly update: ResourceUpdate } | null = null;

  constructor(typeUrl: string, options: DeltaStateOptions) {
    this.typeUrl = typeUrl;
    this.#wildcard = options.wildcard;
    this.#held = new Map(options.held);
  }

  /** Replaces the names wanted. What is no longer wanted is no longer held. Not for wildcards. */
  subscribe(names: Iterable<string>): void {
    if (this.#wildcard) throw new Error(`Cannot subscribe to names of ${this.typeUrl}: everything is subscribed`);
    const previous = this.#wanted;
    this.#wanted = new Set(names);
    for (const name of previous) {
      if (this.#wanted.has(name)) continue;
      this.#held.delete(name);
      if (this.#told?.has(name) === true) this.#dropped.add(name);
    }
  }

  /** A new stream: the server knows nothing. */
  reset(): void {
    this.#told = null;
    this.#dropped.clear();
    this.#received = null;
  }

  /** The request that tells the server what changed on our side, noted as sent; null when there is nothing to tell. */
  takeRequest(): DeltaRequest | null {
    if (this.#told === null) {
      // An empty first request would mean "everything" to some servers.
      if (!this.#wildcard && this.#wanted.size === 0) return null;
      return this.#takeFirst();
    }
    const changes = this.#takeChanges(this.#told);
    return changes === null ? null : { typeUrl: this.typeUrl, ...changes };
  }

  /**
   * What `response` changes, or the request that refuses it as a whole (to be sent; nothing is to be applied). Names that
   * nobody asked for are left out.
   */
  receive(response: DeltaResponse): { readonly update: ResourceUpdate } | { readonly refusal: DeltaRequest } {
    const nonce = response.nonce ?? "";
    const problem = findProblem(response, this.typeUrl);
    if (problem !== null) return { refusal: this.#makeAnswer(nonce, encodeRefusal(problem)) };
    const upserts: ResourceUpsert[] = [];
    for (const { name, version, resource } of response.resources ?? []) {
      // Without content it is a heartbeat: what we hold lives on.
      if (!name || !resource || !this.#wants(name)) continue;
      upserts.push({ name, version: version ?? "", bytes: resource.value ?? new Uint8Array(0) });
    }
    const removed = (response.removedResources ?? []).filter((name) => this.#held.has(name) || this.#wanted.has(name));
    const update = { upserts, removed };
    this.#received = { nonce, update };
    return { update };
  }

  /** The ACK, or the NACK that names what was refused, for the response last received. Subscription changes ride on it. */
  answer(rejections: readonly Rejection[]): DeltaRequest {
    if (this.#received === null) throw new Error("There is no response to answer");
    const { nonce, update } = this.#received;
    this.#received = null;
    const refused = new Set(rejections.map(({ name }) => name));
    for (const name of update.removed) this.#held.delete(name);
    for (const { name, version } of update.upserts) {
      if (!refused.has(name) && this.#wants(name)) this.#held.set(name, version);
    }
    const error = rejections.length === 0 ? null : encodeRejections(rejections, update.upserts.length);
    return this.#makeAnswer(nonce, error);
  }

  /** Name to the version in force. */
  held(): ReadonlyMap<string, string> {
    return this.#held;
  }

  #wants(name: string): boolean {
    return this.#wildcard || this.#wanted.has(name);
  }

  #takeFirst(): DeltaRequest {
    this.#told = new Set(this.#wanted);
    this.#dropped.clear();
    const held = [...this.#held].filter(([name]) => this.#wants(name));
    return {
      typeUrl: this.typeUrl,
      resourceNamesSubscribe: [...this.#wanted],
      initialResourceVersions: Object.fromEntries(held),
    };
  }

  #takeChanges(told: Set<string>): Pick<DeltaRequest, "resourceNamesSubscribe" | "resourceNamesUnsubscribe"> | null {
    const subscribe = [...this.#wanted].filter((name) => !told.has(name) || this.#dropped.has(name));
    const unsubscribe = [...told].filter((name) => !this.#wanted.has(name));
    this.#dropped.clear();
    if (subscribe.length + unsubscribe.length === 0) return null;
    for (const name of subscribe) told.add(name);
    for (const name of unsubscribe) told.delete(name);
    return { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe };
  }

  #makeAnswer(nonce: string, error: google.rpc.Status | null): DeltaRequest {
    const changes = this.#told === null ? null : this.#takeChanges(this.#told);
    return {
      typeUrl: this.typeUrl,
      responseNonce: nonce,
      ...changes,
      ...(error === null ? {} : { errorDetail: error }),
    };
  }
}

/** Why a response cannot be taken at all, or null. */
function findProblem(response: DeltaResponse, typeUrl: string): string | null {
  const seen = new Set<string>();
  for (const { name, resource } of response.resources ?? []) {
    if (!name) return "a resource has no name; expected a name for each";
    if (seen.has(name)) return `the resource "${name}" is in the response twice; expected each name once`;
    if (resource && resource.typeUrl !== typeUrl) {
      return `the resource "${name}" is a ${String(resource.typeUrl)}; expected ${typeUrl}`;
    }
    seen.add(name);
  }
  const both = (response.removedResources ?? []).find((name) => seen.has(name));
  return both === undefined ? null : `the resource "${both}" is both sent and removed; expected one of the two`;
}
