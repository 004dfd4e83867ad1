import {
  CLUSTER_TYPE,
  DELIVERY_ORDER,
  ENDPOINT_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from "../../xds/names.ts";
import { GRPC_INVALID_ARGUMENT, GRPC_RESOURCE_EXHAUSTED, type GrpcStatus } from "../../xds/grpc-status.ts";
import type { ConfigSource, EncodedResource, ProxyNode, ProxyView, ResourcesByName } from "../config-source.ts";
import type { ProxyTypeStatus } from "../views.ts";
import { countFieldBytes, type DeltaResponse } from "./delta-response.ts";
import { DeliveryGates } from "./delivery-gates.ts";
import { NO_RESOURCES } from "../layered-resources.ts";
import type { DeltaRequest } from "./read-delta-request.ts";
import type { ResourceReferences } from "./resource-references.ts";
import {
  type InForce,
  type Owed,
  type RequestOutcome,
  Subscription,
  type SubscriptionPool,
  createSubscriptionPool,
} from "./subscription.ts";

export interface StreamSessionOptions {
  readonly node: ProxyNode;
  readonly source: Pick<ConfigSource, "viewFor">;
  /** Shared by all streams. */
  readonly references: ResourceReferences;
  /** Shared by all streams; default one of its own. */
  readonly pool?: SubscriptionPool;
  /** Different for every stream, so that a nonce of another stream is never taken for one of this. */
  readonly noncePrefix: string;
  /**
   * Whether an update of a cluster sends its endpoints again, changed or not. Envoy keeps the new version of a cluster
   * warming until it gets them and does not ask; weft's own proxy carries the endpoints over and needs no second copy.
   */
  readonly resendsEndpoints: boolean;
  /** A response is cut at this size (but holds at least one resource); the rest follows after its ACK. */
  readonly maxResponseBytes: number;
}

/** More names of one type than this, or more types, end the stream. */
const MAX_NAMES_PER_TYPE = 65_536;
const MAX_TYPES = 16;

const TYPE_LABELS: Readonly<Record<string, string>> = {
  [LISTENER_TYPE]: "listener",
  [ROUTE_TYPE]: "route",
  [CLUSTER_TYPE]: "cluster",
  [ENDPOINT_TYPE]: "endpoint",
  [SECRET_TYPE]: "secret",
};

export interface SessionAnswer {
  readonly outcome: RequestOutcome;
  /** Not null when the stream must end with this status. */
  readonly failure: GrpcStatus | null;
}

/**
 * One ADS stream over all its types: requests in, responses out, in make-before-break order (CDS, EDS, SDS, LDS, RDS, then
 * what goes away). It has no socket and no timer: the caller writes what `nextResponse` gives as long as the stream takes
 * bytes, and calls `release` when `waitsForProxy` has been true for too long.
 *
 * Pending work is bounded by nature: at most one response per type is under way, and what is owed is not a queue but the
 * difference between the latest view and what the proxy was told, so a burst of changes becomes one response.
 */
export class StreamSession {
  readonly node: ProxyNode;
  readonly #options: StreamSessionOptions;
  readonly #pool: SubscriptionPool;
  readonly #gates: DeliveryGates;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Types in the order of delivery, as far as subscribed. */
  #order: readonly string[] = [];
  #view: ProxyView;
  #viewIsOld = false;
  /** Nothing was owed of these types under that map; saves comparing it again. */
  readonly #settled = new Map<string, ResourcesByName>();
  /** Endpoints of clusters sent since: owed again whatever their version. */
  readonly #warming = new Set<string>();
  #nonces = 0;

  constructor(options: StreamSessionOptions) {
    this.node = options.node;
    this.#options = options;
    this.#pool = options.pool ?? createSubscriptionPool();
    this.#view = options.source.viewFor(options.node);
    this.#gates = new DeliveryGates(this.#subscriptions, options.references);
  }

  onRequest(request: DeltaRequest): SessionAnswer {
    const typeUrl = request.typeUrl ?? "";
    const initialVersions = toMap(request.initialResourceVersions ?? {});
    const failure = this.#findFault(typeUrl, request, initialVersions.size);
    if (failure !== null) return { outcome: "none", failure };
    this.#readView();
    const outcome = this.#subscription(typeUrl).onRequest(
      {
        subscribe: request.resourceNamesSubscribe ?? [],
        unsubscribe: request.resourceNamesUnsubscribe ?? [],
        initialVersions,
        nonce: request.responseNonce ?? "",
        error: request.errorDetail ?? null,
      },
      this.#view.get(typeUrl),
    );
    this.#settled.delete(typeUrl);
    return { outcome, failure: null };
  }

  /** The view may have changed; it is read when the next response is made. */
  onSourceChange(): void {
    this.#viewIsOld = true;
  }

  /** The next response to write, noted as sent; null when nothing may be sent now. */
  nextResponse(): DeltaResponse | null {
    this.#readView();
    this.#gates.start(this.#view);
    for (const typeUrl of this.#order) {
      const response = this.#makeResponse(typeUrl);
      if (response !== null) return response;
    }
    for (const typeUrl of this.#order) {
      const response = this.#makeRemoval(typeUrl);
      if (response !== null) return response;
    }
    return null;
  }

  /**
   * True when, at the last `nextResponse`, something was held back for a subscription that the proxy should make and has
   * not made yet: endpoints of a cluster it acknowledged, routes of a listener it runs.
   */
  waitsForProxy(): boolean {
    return this.#gates.waitsForProxy();
  }

  /** The proxy has yet to answer a response. */
  awaitsAnswer(): boolean {
    for (const subscription of this.#subscriptions.values()) if (subscription.isInFlight()) return true;
    return false;
  }

  /** Gives up waiting for subscriptions on this stream: a proxy that never makes them still gets its configuration. */
  release(): void {
    this.#gates.release();
  }

  types(): readonly ProxyTypeStatus[] {
    this.#readView();
    return this.#order.flatMap((typeUrl) => {
      const type = TYPE_LABELS[typeUrl];
      const subscription = this.#subscriptions.get(typeUrl);
      if (type === undefined || subscription === undefined) return [];
      const reasons = subscription.rejections().map((rejection) => `${rejection.name}: ${rejection.reason}`);
      const reason = reasons.length === 0 ? null : reasons.join("; ");
      const isBehind = subscription.isInFlight() || this.#isOwed(subscription);
      const state = reason !== null ? "REJECTED" : isBehind ? "STALE" : "SYNCED";
      return [{ type, state, resources: subscription.inForceCount(), reason }];
    });
  }

  /** The proxy acknowledged the resource as it is now. */
  hasNewest(typeUrl: string, name: string): boolean {
    this.#readView();
    const newest = this.#view.get(typeUrl)?.get(name);
    return newest !== undefined && this.#subscriptions.get(typeUrl)?.runs(name, newest.version) === true;
  }

  /** What the proxy acknowledged or brought along, by the label of its type. */
  inForce(): ReadonlyMap<string, ReadonlyMap<string, InForce>> {
    const known = this.#order.flatMap((typeUrl) => {
      const type = TYPE_LABELS[typeUrl];
      const subscription = this.#subscriptions.get(typeUrl);
      return type === undefined || subscription === undefined ? [] : [[type, subscription.inForce()] as const];
    });
    return new Map(known);
  }

  #findFault(typeUrl: string, request: DeltaRequest, versions: number): GrpcStatus | null {
    if (typeUrl === "") return { code: GRPC_INVALID_ARGUMENT, message: "Cannot read the request: it has no type_url" };
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined && this.#subscriptions.size >= MAX_TYPES) {
      return { code: GRPC_RESOURCE_EXHAUSTED, message: `Cannot subscribe to more than ${MAX_TYPES} types on a stream` };
    }
    const names = (subscription?.subscribedCount() ?? 0) + (request.resourceNamesSubscribe?.length ?? 0);
    if (Math.max(names, versions) <= MAX_NAMES_PER_TYPE) return null;
    return {
      code: GRPC_RESOURCE_EXHAUSTED,
      message: `Cannot subscribe to more than ${MAX_NAMES_PER_TYPE} names of ${typeUrl}`,
    };
  }

  #subscription(typeUrl: string): Subscription {
    const known = this.#subscriptions.get(typeUrl);
    if (known !== undefined) return known;
    const allowsLegacyWildcard = typeUrl === LISTENER_TYPE || typeUrl === CLUSTER_TYPE;
    const created = new Subscription(typeUrl, { allowsLegacyWildcard, pool: this.#pool });
    this.#subscriptions.set(typeUrl, created);
    const others = [...this.#subscriptions.keys()].filter((type) => !DELIVERY_ORDER.includes(type));
    this.#order = [...DELIVERY_ORDER.filter((type) => this.#subscriptions.has(type)), ...others];
    return created;
  }

  #readView(): void {
    if (!this.#viewIsOld) return;
    this.#viewIsOld = false;
    this.#view = this.#options.source.viewFor(this.node);
  }

  /** What is new or changed, and the answers "there is no such thing". */
  #makeResponse(typeUrl: string): DeltaResponse | null {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined || subscription.isInFlight()) return null;
    const owed = this.#owed(subscription);
    const upserts = owed.upserts.filter((resource) => this.#gates.maySend(resource));
    const removals = owed.removals.filter((name) => typeUrl === LISTENER_TYPE || !subscription.holds(name));
    const isEmpty = upserts.length + removals.length === 0;
    if (isEmpty && !(subscription.owesFirst() && owed.upserts.length === 0)) return null;
    const isAll = upserts.length === owed.upserts.length && removals.length === owed.removals.length;
    return this.#send(subscription, { upserts, removals }, isAll);
  }

  /** What goes away, once nothing that the proxy runs needs it any more. */
  #makeRemoval(typeUrl: string): DeltaResponse | null {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined || subscription.isInFlight()) return null;
    const removals = this.#owed(subscription).removals.filter((name) => this.#gates.mayRemove(typeUrl, name));
    return removals.length === 0 ? null : this.#send(subscription, { upserts: [], removals }, false);
  }

  #owed(subscription: Subscription): Owed {
    const { typeUrl } = subscription;
    const resources = this.#view.get(typeUrl) ?? NO_RESOURCES;
    const isWarming = typeUrl === ENDPOINT_TYPE && this.#warming.size > 0;
    if (this.#settled.get(typeUrl) === resources && !isWarming) return { upserts: [], removals: [] };
    const owed = subscription.owed(resources);
    if (!isWarming) {
      if (owed.upserts.length + owed.removals.length === 0) this.#settled.set(typeUrl, resources);
      return owed;
    }
    const upserts = new Set(owed.upserts);
    for (const name of this.#warming) {
      const resource = resources.get(name);
      // One that appears later is new to the proxy anyway.
      if (resource === undefined) this.#warming.delete(name);
      else if (subscription.covers(name)) upserts.add(resource);
    }
    return { upserts: [...upserts], removals: owed.removals };
  }

  #isOwed(subscription: Subscription): boolean {
    const { upserts, removals } = this.#owed(subscription);
    return upserts.length + removals.length > 0 || subscription.owesFirst();
  }

  /** `isAll`: nothing of what is owed is held back. */
  #send(subscription: Subscription, owed: Owed, isAll: boolean): DeltaResponse {
    const { typeUrl } = subscription;
    const upserts = cutToSize(owed.upserts, this.#options.maxResponseBytes);
    this.#nonces += 1;
    const response = {
      typeUrl,
      nonce: `${this.#options.noncePrefix}-${this.#nonces}`,
      upserts,
      removals: owed.removals,
    };
    const isWhole = isAll && upserts.length === owed.upserts.length;
    subscription.send(response.nonce, response, isWhole ? (this.#view.get(typeUrl) ?? null) : null);
    if (typeUrl === CLUSTER_TYPE && this.#options.resendsEndpoints) this.#noteWarming(upserts);
    if (typeUrl === ENDPOINT_TYPE) for (const { name } of upserts) this.#warming.delete(name);
    return response;
  }

  #noteWarming(clusters: readonly EncodedResource[]): void {
    for (const cluster of clusters) {
      const { endpoints } = this.#options.references.of(cluster);
      if (endpoints !== null && this.#warming.size < MAX_NAMES_PER_TYPE) this.#warming.add(endpoints);
    }
  }
}

function toMap(versions: NonNullable<DeltaRequest["initialResourceVersions"]>): ReadonlyMap<string, string> {
  return versions instanceof Map ? versions : new Map(Object.entries(versions));
}

function cutToSize(resources: readonly EncodedResource[], maxBytes: number): readonly EncodedResource[] {
  let total = 0;
  const end = resources.findIndex((resource, index) => {
    total += countFieldBytes(resource.bytes);
    return index > 0 && total > maxBytes;
  });
  return end < 0 ? resources : resources.slice(0, end);
}
