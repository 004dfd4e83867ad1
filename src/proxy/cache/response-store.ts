import type { CachePolicy } from "../policy/route-policy.ts";
import type { ProxyCounters } from "../counters.ts";
import { selectValues, type RequestView } from "./vary.ts";
import type { SharedFetch } from "./shared-fetch.ts";
import type { StoredResponse } from "./stored-response.ts";

/** Everything about one key: what is stored, one response for each set of values that Vary tells apart, and what is under way. */
export interface KeyEntry {
  readonly key: string;
  /** The newest last. */
  readonly variants: StoredResponse[];
  readonly fetches: SharedFetch[];
}

/** Of one key: an app that varies by something that nobody shares must not fill the store with it. */
const MAX_VARIANTS = 64;
/** Keys that are known to give what cannot be shared; the oldest is forgotten first. */
const MAX_UNSHARED = 1_024;
/** For so long nobody waits for another's answer to such a key. */
const UNSHARED_MS = 10_000;

/**
 * The stored responses of one route. Bounded in bytes: what is used longest ago goes first. Bodies that are still coming count as
 * well.
 */
export class ResponseStore {
  readonly policy: CachePolicy;
  /** Heads, bodies, and bodies that are coming. */
  bytes: number = 0;
  /** Its route, or the route's policy, is gone: nothing more is stored. */
  isClosed: boolean = false;
  readonly #counters: ProxyCounters;
  readonly #entries: Map<string, KeyEntry> = new Map();
  readonly #unshared: Map<string, number> = new Map();
  #newest: StoredResponse | null = null;
  #oldest: StoredResponse | null = null;
  #comingBytes: number = 0;

  constructor(policy: CachePolicy, counters: ProxyCounters) {
    this.policy = policy;
    this.#counters = counters;
  }

  find(key: string): KeyEntry | undefined {
    return this.#entries.get(key);
  }

  /** The stored response that fits a request: of several the newest (RFC 9111 §4.1). */
  select(entry: KeyEntry, view: RequestView): StoredResponse | null {
    let found: StoredResponse | null = null;
    for (const variant of entry.variants) {
      if (found !== null && variant.madeMs < found.madeMs) continue;
      if (variant.selection === selectValues(view, variant.facts.vary)) found = variant;
    }
    return found;
  }

  /** The entry of a key, made when there is none. Whoever makes it adds a fetch or a response, or calls `tidy`. */
  enter(key: string): KeyEntry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { key, variants: [], fetches: [] };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** Forgets an entry that holds nothing. */
  tidy(entry: KeyEntry): void {
    if (entry.variants.length > 0 || entry.fetches.length > 0) return;
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }

  /** Puts `response` in the place of those that the same request would have got. */
  insert(response: StoredResponse, view: RequestView): void {
    const { entry } = response;
    if (this.isClosed || response.bytes > this.policy.maxBytes) {
      this.tidy(entry);
      return;
    }
    for (const variant of [...entry.variants]) {
      if (variant.selection === selectValues(view, variant.facts.vary)) this.remove(variant);
    }
    while (entry.variants.length >= MAX_VARIANTS) this.#evict(entry.variants[0]);
    this.#entries.set(entry.key, entry);
    entry.variants.push(response);
    response.isStored = true;
    this.#link(response);
    this.#count(response.bytes, 1);
    this.#counters.cacheStored += 1;
    this.#makeRoom();
  }

  /** It was used. */
  touch(response: StoredResponse): void {
    if (!response.isStored || this.#newest === response) return;
    this.#unlink(response);
    this.#link(response);
  }

  remove(response: StoredResponse): void {
    if (!response.isStored) return;
    response.isStored = false;
    const { entry } = response;
    entry.variants.splice(entry.variants.indexOf(response), 1);
    this.#unlink(response);
    this.#count(-response.bytes, -1);
    this.tidy(entry);
  }

  /** What it costs has changed by `bytes`. */
  resize(response: StoredResponse, bytes: number): void {
    if (!response.isStored) return;
    this.#count(bytes, 0);
    this.#makeRoom();
  }

  /** Room for bytes of a body that is still coming. False: there is none. */
  reserve(bytes: number): boolean {
    if (this.isClosed || this.#comingBytes + bytes > this.policy.maxBytes) return false;
    this.#comingBytes += bytes;
    this.#count(bytes, 0);
    this.#makeRoom();
    return true;
  }

  release(bytes: number): void {
    this.#comingBytes -= bytes;
    this.#count(-bytes, 0);
  }

  /** Everything under a key is out of date, and so is what is being fetched for it. */
  invalidate(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#counters.cacheInvalidated += entry.variants.length;
    for (const fetch of [...entry.fetches]) fetch.spoil();
    for (const variant of [...entry.variants]) this.remove(variant);
  }

  /** Answers to this key are for one caller each, so waiting for one would be in vain. */
  markUnshared(key: string, nowMs: number): void {
    this.#unshared.delete(key);
    if (this.#unshared.size >= MAX_UNSHARED) {
      const [oldest] = this.#unshared.keys();
      if (oldest !== undefined) this.#unshared.delete(oldest);
    }
    this.#unshared.set(key, nowMs + UNSHARED_MS);
  }

  isUnshared(key: string, nowMs: number): boolean {
    const untilMs = this.#unshared.get(key);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#unshared.delete(key);
    return false;
  }

  /** Forgets everything. Requests that wait for an answer of it go on by themselves. */
  close(): void {
    this.isClosed = true;
    for (const entry of [...this.#entries.values()]) {
      for (const fetch of [...entry.fetches]) fetch.spoil();
      for (const variant of [...entry.variants]) this.remove(variant);
    }
    this.#unshared.clear();
  }

  #makeRoom(): void {
    while (this.bytes > this.policy.maxBytes && this.#oldest !== null) this.#evict(this.#oldest);
  }

  #evict(response: StoredResponse | undefined): void {
    if (response === undefined) return;
    this.#counters.cacheEvicted += 1;
    this.remove(response);
  }

  #count(bytes: number, entries: number): void {
    this.bytes += bytes;
    this.#counters.cacheBytesNow += bytes;
    this.#counters.cacheEntriesNow += entries;
  }

  #link(response: StoredResponse): void {
    response.older = this.#newest;
    response.newer = null;
    if (this.#newest !== null) this.#newest.newer = response;
    this.#newest = response;
    this.#oldest ??= response;
  }

  #unlink(response: StoredResponse): void {
    if (response.older === null) this.#oldest = response.newer;
    else response.older.newer = response.newer;
    if (response.newer === null) this.#newest = response.older;
    else response.newer.older = response.older;
    response.older = null;
    response.newer = null;
  }
}
