import type { Clock } from "../../time/clock.ts";
import type { TimerWheel } from "../../time/timer-wheel.ts";
import type { ProxyCounters } from "../counters.ts";
import { Exchange } from "../exchange.ts";
import { CONTINUE } from "../filters/filter.ts";
import { getFailure } from "../failures.ts";
import { type Head, METHOD_CONNECT, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_TRACE } from "../head.ts";
import type { Snapshot } from "../snapshot.ts";
import { toCacheKey, toLinkedKey } from "./cache-key.ts";
import { CachePass } from "./cache-pass.ts";
import { type RefreshOwner, RefreshStream, toRefreshRequest } from "./refresh-stream.ts";
import { RouteStores } from "./route-stores.ts";
import type { StoredResponse } from "./stored-response.ts";
import { UnsafePass } from "./unsafe-pass.ts";

export interface ResponseCacheOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly counters: ProxyCounters;
}

/** What one request's pass needs of the cache. */
export interface CacheOwner extends ResponseCacheOptions {
  /** A request in the background for what `x` is about to be answered with; null when there is none to be made. */
  prepareRefresh(x: Exchange, stored: StoredResponse): Refresh | null;
  refresh(refresh: Refresh): void;
}

export interface Refresh {
  readonly x: Exchange;
  readonly stream: RefreshStream;
  readonly request: Head;
  readonly origin: NonNullable<Exchange["origin"]>;
  readonly stack: NonNullable<Exchange["stack"]>;
}

/** Requests in the background at once; beyond it stale answers are given and nothing is fetched. */
const MAX_REFRESHES = 256;

/**
 * A shared response cache (RFC 9111) for the routes whose policy asks for one: docs/cache.md says what it keeps and what it does
 * not. One per proxy, or per worker. The stack calls it for routes with a cache only: `lookup` when a request has come so far,
 * `onResponse` with each head that is not tried again and before anybody adds to it, `onFailure` before a failure is answered.
 */
export class ResponseCache implements CacheOwner, RefreshOwner {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly counters: ProxyCounters;
  readonly #stores: RouteStores;
  #refreshes: number = 0;

  constructor({ clock, wheel, counters }: ResponseCacheOptions) {
    this.clock = clock;
    this.wheel = wheel;
    this.counters = counters;
    this.#stores = new RouteStores(counters);
  }

  /** A new snapshot will be in force: stores of routes that are gone, or have lost their cache, are dropped. */
  reconcile(snapshot: Snapshot): void {
    this.#stores.reconcile(snapshot);
  }

  /**
   * CONTINUE: it goes on to an instance (a tap is added). ANSWERED: it is over. HELD: another request fetches the same, and
   * `x.stack.resume(x)` follows unless that one's answer will do.
   */
  lookup(x: Exchange): number {
    const { request, route } = x;
    if (request === null || route === null || x.grpc || request.upgrade) return CONTINUE;
    const store = this.#stores.find(route);
    if (store === null || request.method === METHOD_CONNECT) return CONTINUE;
    const key = toCacheKey(x.authority, request);
    if (request.method !== METHOD_GET && request.method !== METHOD_HEAD) {
      const isSafe = request.method === METHOD_OPTIONS || request.method === METHOD_TRACE;
      x.addResponseTap(new UnsafePass(isSafe, (links) => this.#invalidate(key, links)));
      return CONTINUE;
    }
    const isRefresh = x.downstream instanceof RefreshStream;
    return new CachePass(this, x, { store, key, request, isRefresh }).enter();
  }

  /** CONTINUE, or ANSWERED when the head is not used: the attempt and the exchange have ended then. */
  onResponse(x: Exchange, head: Head): number {
    for (const tap of x.taps) {
      if (tap instanceof CachePass) return tap.onHead(head);
      if (tap instanceof UnsafePass) tap.onHead(head);
    }
    return CONTINUE;
  }

  /** True when a stored response was given in place of failure `code` (stale-if-error); `x` has ended then. */
  onFailure(x: Exchange, code: number): boolean {
    if (!x.active || x.responseStarted || getFailure(code).origin === "downstream") return false;
    for (const tap of x.taps) if (tap instanceof CachePass) return tap.onFailure(getFailure(code).httpStatus);
    return false;
  }

  /** Forgets everything, when the proxy closes. */
  close(): void {
    this.#stores.close();
  }

  // CacheOwner

  prepareRefresh(x: Exchange, stored: StoredResponse): Refresh | null {
    const { request, origin, stack } = x;
    if (request === null || origin === null || stack === null || request.method !== METHOD_GET) return null;
    if (stored.isRefreshing || this.clock.nowMs() < stored.refreshAfterMs || this.#refreshes >= MAX_REFRESHES)
      return null;
    stored.isRefreshing = true;
    this.#refreshes += 1;
    const stream = new RefreshStream(stored, this);
    return { x: new Exchange(stream), stream, request: toRefreshRequest(request), origin, stack };
  }

  refresh({ x, stream, request, origin, stack }: Refresh): void {
    x.begin(stack, origin, request);
    stack.dispatch(x);
    if (x.active) x.onRequestEnd(null);
    else stream.end();
  }

  // RefreshOwner

  nowMs(): number {
    return this.clock.nowMs();
  }

  isCollecting(x: Exchange): boolean {
    for (const tap of x.taps) if (tap instanceof CachePass && tap.isCollecting()) return true;
    return false;
  }

  onRefreshEnded(): void {
    this.#refreshes -= 1;
  }

  #invalidate(key: string, links: readonly string[]): void {
    const keys = [key];
    for (const link of links) {
      const linked = toLinkedKey(key, link);
      if (linked !== null) keys.push(linked);
    }
    // A GET and a POST of one resource may be matched by different routes.
    for (const store of this.#stores.all()) for (const one of keys) store.invalidate(one);
  }
}
