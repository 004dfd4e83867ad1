// Longer than most files: the way of one request past the store as one state machine; its drawing is in the class comment.
import type { Exchange } from "../exchange.ts";
import type { ResponseTap } from "../exchange-tap.ts";
import { ANSWERED, CONTINUE, HELD, type Holder } from "../filters/filter.ts";
import { DOWNSTREAM_CLOSED, DOWNSTREAM_TIMEOUT, NOT_CACHED } from "../failures.ts";
import { BODY_LENGTH, BODY_NONE, BODY_TUNNEL, type FieldLines, Head, METHOD_HEAD } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import { BodyCollector } from "./body-collector.ts";
import { NO_DIRECTIVES } from "./cache-control.ts";
import { addForwardStatus, type ForwardReason, storedAnswerLines } from "./cache-status.ts";
import { isKnownToCaller } from "./client-conditions.ts";
import { isWeaklyEqual } from "./entity-tag.ts";
import { decideReuse, initialAgeMs, lifetimeMs, mayUseOnError, type ResponseTimes } from "./freshness.ts";
import { formatHttpDate } from "./http-date.ts";
import { readRequestFacts, readResponseFacts, type RequestFacts, type ResponseFacts } from "./message-facts.ts";
import type { CacheOwner } from "./response-cache.ts";
import type { ResponseStore } from "./response-store.ts";
import { type FetchWaiter, MAX_WAIT_MS, SharedFetch } from "./shared-fetch.ts";
import { isMeantForOthers, refuseStoring } from "./storable.ts";
import { mergeFields, readSetCookies, readStoredFields } from "./stored-fields.ts";
import { StoredLines } from "./stored-lines.ts";
import { type StoredHead, StoredResponse } from "./stored-response.ts";
import { type RequestView, selectValues, viewRequest } from "./vary.ts";

/** What is done with the response. */
const FORWARD = 0;
const FETCH = 1;
/** A conditional request of ours: 304 stands for what is stored. */
const VALIDATE = 2;

const VALIDATION_NAMES: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

/**
 * One GET or HEAD request on its way past the store.
 *
 *   enter --usable--> answered
 *     |\--another fetches the same--> waiting --offer--> answered
 *     |                                  \--goOn--> forward, fetch or validate
 *     |\--nothing to store--> forward --head--> over
 *     |\--> fetch -----head, storable--> collecting --end--> stored, over
 *      \--> validate --304--> answered
 *                    \--5xx, or no answer, and stale-if-error--> answered
 *                     \--another head--> as fetch
 */
export class CachePass implements ResponseTap, Holder, FetchWaiter {
  readonly #owner: CacheOwner;
  readonly #x: Exchange;
  readonly #generation: number;
  readonly #store: ResponseStore;
  readonly #key: string;
  readonly #request: Head;
  readonly #view: RequestView;
  readonly #facts: RequestFacts;
  /** A fetch in the background: nobody waits for its answer, and nothing stale will do. */
  readonly #isRefresh: boolean;
  #mode: number = FORWARD;
  #reason: ForwardReason = "bypass";
  /** What fits the request and may not be used without asking; null = nothing. */
  #stored: StoredResponse | null = null;
  /** Waiting for. */
  #joined: SharedFetch | null = null;
  /** Its own. */
  #fetch: SharedFetch | null = null;
  /** False once it has waited in vain. */
  #mayWait: boolean = true;
  /** Set when it first waits, whomever for. */
  #waitUntilMs: number = 0;
  #sentMs: number = 0;
  #head: StoredHead | null = null;
  #body: BodyCollector | null = null;

  constructor(owner: CacheOwner, x: Exchange, options: CachePassOptions) {
    this.#owner = owner;
    this.#x = x;
    this.#generation = x.generation;
    this.#store = options.store;
    this.#key = options.key;
    this.#request = options.request;
    this.#view = viewRequest(options.request);
    this.#facts = readRequestFacts(options.request);
    this.#isRefresh = options.isRefresh;
  }

  /** Its response is being copied into the store. */
  isCollecting(): boolean {
    return this.#body !== null;
  }

  /** CONTINUE, ANSWERED or HELD. */
  enter(): number {
    const facts = this.#facts;
    if (facts.hasRange || facts.hasOriginConditions || this.#request.bodyKind !== BODY_NONE) {
      return this.#goAs(FORWARD, "bypass");
    }
    const entry = this.#store.find(this.#key);
    const stored = entry === undefined ? null : this.#store.select(entry, this.#view);
    this.#stored = stored;
    if (stored === null)
      return this.#miss(entry === undefined || entry.variants.length === 0 ? "uri-miss" : "vary-miss");
    const age = stored.ageAt(this.#owner.clock.nowMs());
    const swrMs = this.#store.policy.staleWhileRevalidateMs;
    const reuse = decideReuse(facts.control, stored.facts.control, age, swrMs);
    if (reuse === "fresh") return this.#hit(stored, false);
    if (reuse === "validate" || this.#isRefresh) return this.#validate(stored, age.ageMs < age.lifetimeMs);
    return this.#hit(stored, reuse === "refresh");
  }

  // What comes from the instance: called by the stack before the head goes downstream, or in place of a failure.

  /** CONTINUE, or ANSWERED when something stored was the answer. */
  onHead(head: Head): number {
    if (isServerError(head.status) && this.#useOnError(`; fwd-status=${head.status}`)) return ANSWERED;
    if (this.#mode === FORWARD) {
      addForwardStatus(head, this.#reason, false);
      if (this.#request.method === METHOD_HEAD) this.#compareHead(head);
      return CONTINUE;
    }
    const times = this.#times();
    const facts = readResponseFacts(head, times.responseWallMs);
    if (this.#mode === VALIDATE && facts.status === 304) return this.#validated(head, facts, times);
    this.#begin(head, facts, times);
    return CONTINUE;
  }

  /** True when a stored response took the place of the failure. */
  onFailure(status: number): boolean {
    return isServerError(status) && this.#useOnError("");
  }

  // ResponseTap

  onResponseHead(): void {
    // `onHead` has seen it as it came; by now others have added to it.
  }

  onResponseData(_x: Exchange, bytes: Uint8Array): void {
    if (this.#body === null || this.#body.push(bytes)) return;
    this.#body = null;
    this.#store.markUnshared(this.#key, this.#owner.clock.nowMs());
    this.#release(false);
  }

  onResponseEnd(_x: Exchange, trailers: Head | null): void {
    const body = this.#body;
    const head = this.#head;
    this.#body = null;
    const isWanted = trailers === null && this.#fetch?.isSpoiled === false;
    if (body === null || head === null || !isWanted) {
      body?.drop();
      this.#release(false);
      return;
    }
    const stored = new StoredResponse(this.#store.enter(this.#key), {
      ...head,
      selection: selectValues(this.#view, head.facts.vary),
      body: body.finish(),
      defaultTtlMs: this.#store.policy.defaultTtlMs,
    });
    this.#store.insert(stored, this.#view);
    const fetch = this.#endFetch();
    fetch?.offer(stored, false);
  }

  onResponseAbort(x: Exchange): void {
    this.#body?.drop();
    this.#body = null;
    // Those who wait for a caller that has left have not been asked for yet; what failed for one would fail for all in turn.
    this.#release(x.failure === DOWNSTREAM_CLOSED || x.failure === DOWNSTREAM_TIMEOUT);
  }

  // Holder

  onEndedWhileHeld(): void {
    this.#joined?.leave(this);
    this.#joined = null;
  }

  // FetchWaiter

  fits(names: readonly string[], selection: string): boolean {
    return selectValues(this.#view, names) === selection;
  }

  offer(stored: StoredResponse, onError: boolean): void {
    if (!this.#wake()) return;
    const age = stored.ageAt(this.#owner.clock.nowMs());
    const { control } = this.#facts;
    const swrMs = this.#store.policy.staleWhileRevalidateMs;
    const isUsable = onError
      ? mayUseOnError(control, stored.facts.control, age)
      : decideReuse(control, stored.facts.control, age, swrMs) !== "validate";
    if (!isUsable || !this.fits(stored.facts.vary, stored.selection)) {
      this.#continue(false);
      return;
    }
    this.#owner.counters.cacheCollapsed += 1;
    this.#answer(stored, `fwd=${this.#reason}; collapsed`);
  }

  goOn(again: boolean): void {
    if (this.#wake()) this.#continue(again);
  }

  // Decisions about a request.

  #hit(stored: StoredResponse, refreshes: boolean): number {
    const { counters } = this.#owner;
    const age = stored.ageAt(this.#owner.clock.nowMs());
    if (age.ageMs < age.lifetimeMs) counters.cacheHits += 1;
    else counters.cacheStaleHits += 1;
    // The request is another one once it is answered.
    const refresh = refreshes ? this.#owner.prepareRefresh(this.#x, stored) : null;
    this.#answer(stored, "hit");
    if (refresh !== null) this.#owner.refresh(refresh);
    return ANSWERED;
  }

  #miss(reason: ForwardReason): number {
    const { control, ifNoneMatch, ifModifiedSince } = this.#facts;
    if (control.onlyIfCached) return this.#failNotCached();
    this.#reason = reason;
    if (this.#join()) return HELD;
    if (this.#request.method === METHOD_HEAD || control.noStore) return this.#goAs(FORWARD, reason);
    // The answer to a caller's own conditions may be a 304, which is of no use to others.
    this.#beginFetch(ifNoneMatch === null && ifModifiedSince === null);
    return this.#goAs(FETCH, reason);
  }

  #validate(stored: StoredResponse, isFresh: boolean): number {
    const reason = isFresh ? "request" : "stale";
    const { control, hasAuthorization } = this.#facts;
    if (control.onlyIfCached) return this.#failNotCached();
    // What one user is told about it must not change what others get (§3.5).
    if (hasAuthorization && !isMeantForOthers(stored.facts)) return this.#goAs(FORWARD, reason);
    const isPlain = control.noStore || this.#request.method === METHOD_HEAD || !stored.canBeValidated();
    if (isPlain) return this.#miss(reason);
    this.#reason = reason;
    if (this.#join()) return HELD;
    this.#beginFetch(true);
    this.#addConditions(stored);
    return this.#goAs(VALIDATE, reason);
  }

  #failNotCached(): number {
    const what = this.#stored === null ? "nothing fitting is stored" : "what is stored would have to be validated";
    this.#x.fail(NOT_CACHED, `The request says only-if-cached, and ${what}`);
    return ANSWERED;
  }

  #goAs(mode: number, reason: ForwardReason): number {
    if (this.#facts.control.onlyIfCached) return this.#failNotCached();
    this.#mode = mode;
    this.#reason = reason;
    this.#sentMs = this.#owner.clock.nowMs();
    this.#owner.counters.cacheMisses += 1;
    this.#x.addResponseTap(this);
    return CONTINUE;
  }

  /** Waits for a request that is under way already, if there is one that will do. */
  #join(): boolean {
    const { control } = this.#facts;
    if (!this.#mayWait || control.noCache || control.noStore || control.maxAgeS === 0) return false;
    const nowMs = this.#owner.clock.nowMs();
    if (this.#waitUntilMs > 0 && nowMs >= this.#waitUntilMs) return false;
    for (const fetch of this.#store.find(this.#key)?.fetches ?? []) {
      if (!fetch.serves(this.#view) || !fetch.join(this)) continue;
      this.#joined = fetch;
      if (this.#waitUntilMs === 0) this.#waitUntilMs = nowMs + MAX_WAIT_MS;
      this.#x.holder = this;
      return true;
    }
    return false;
  }

  /** `isShared`: others may wait for it. */
  #beginFetch(isShared: boolean): void {
    const entry = this.#store.enter(this.#key);
    const isFirst = entry.fetches.every((fetch) => !fetch.serves(this.#view));
    const isOpen = isShared && isFirst && !this.#store.isUnshared(this.#key, this.#owner.clock.nowMs());
    this.#fetch = new SharedFetch(entry, this.#view, this.#owner.wheel, isOpen);
  }

  /** In place of the caller's own: these are answered from what is stored when it is validated. */
  #addConditions(stored: StoredResponse): void {
    const request = this.#request;
    for (let index = 0; index < request.count; index += 1) {
      if (VALIDATION_NAMES.has(request.nameText(index).toLowerCase())) request.drop(index);
    }
    const { etag, lastModifiedMs } = stored.facts;
    let lines = etag === null ? "" : `if-none-match: ${etag}\r\n`;
    if (lastModifiedMs !== null && !Number.isNaN(lastModifiedMs)) {
      lines += `if-modified-since: ${formatHttpDate(lastModifiedMs)}\r\n`;
    }
    request.add(toFieldLines(Buffer.from(lines, "latin1")));
  }

  // Waiting.

  /** False when the exchange is over, or another's by now. */
  #wake(): boolean {
    const x = this.#x;
    this.#joined = null;
    if (!x.active || x.generation !== this.#generation || x.holder !== this) return false;
    x.holder = null;
    return true;
  }

  /** Waited in vain. */
  #continue(mayWait: boolean): void {
    this.#mayWait = mayWait;
    if (this.enter() === CONTINUE) this.#x.stack?.resume(this.#x);
  }

  // Decisions about a response.

  #times(): ResponseTimes {
    const { clock } = this.#owner;
    const requestMs = Math.max(this.#sentMs, this.#x.attemptMs);
    return { requestMs, responseMs: clock.nowMs(), responseWallMs: clock.wallMs() };
  }

  /** A head that goes downstream: from now on its body is copied, or nobody waits for it any more. */
  #begin(head: Head, facts: ResponseFacts, times: ResponseTimes): void {
    const { policy } = this.#store;
    const length = head.bodyKind === BODY_LENGTH ? head.contentLength : head.bodyKind === BODY_NONE ? 0 : -1;
    const fitsIn = length <= policy.maxBodyBytes && head.bodyKind !== BODY_TUNNEL && !this.#store.isClosed;
    if (!fitsIn || refuseStoring(this.#facts, facts, policy) !== null) {
      addForwardStatus(head, this.#reason, false);
      this.#dropOutdated(facts.status);
      if (facts.status < 500 && facts.status !== 304) this.#store.markUnshared(this.#key, times.responseMs);
      this.#release(false);
      return;
    }
    const reason = Buffer.prototype.latin1Slice.call(head.bytes, head.reasonStart, head.reasonEnd);
    this.#head = { facts, times, fields: readStoredFields(head, times.responseWallMs), reason };
    this.#body = new BodyCollector(this.#store, length);
    addForwardStatus(head, this.#reason, true);
    this.#tellWaiters(this.#head);
  }

  /** Those that wait learn from the head whether to go on waiting. */
  #tellWaiters(head: StoredHead): void {
    const { facts, times } = head;
    const { defaultTtlMs, staleWhileRevalidateMs: swrMs } = this.#store.policy;
    const freshMs = lifetimeMs(facts, times.responseWallMs, defaultTtlMs);
    const age = { ageMs: initialAgeMs(facts, times), lifetimeMs: Math.max(0, freshMs) };
    if (decideReuse(NO_DIRECTIVES, facts.control, age, swrMs) === "validate") {
      this.#store.markUnshared(this.#key, times.responseMs);
      this.#fetch?.letGo(false);
    } else {
      this.#fetch?.sift(facts.vary, selectValues(this.#view, facts.vary));
    }
  }

  /** The instance gave another answer than what is stored, one that is not stored in its place (§4.3.3). */
  #dropOutdated(status: number): void {
    if (this.#stored !== null && status < 500 && status !== 304) this.#store.remove(this.#stored);
  }

  /** 304 (§4.3.4). */
  #validated(head: Head, news: ResponseFacts, times: ResponseTimes): number {
    const stored = this.#stored;
    if (stored === null) return CONTINUE;
    const { etag } = stored.facts;
    // An instance that says so of another tag than it was asked about means what it was asked about; but it is not believed twice.
    const isOther = news.etag !== null && etag !== null && !isWeaklyEqual(news.etag, etag);
    if (isOther) this.#store.remove(stored);
    else this.#renew(stored, head, { ...news, status: stored.facts.status }, times);
    this.#owner.counters.cacheRevalidated += 1;
    const fetch = this.#endFetch();
    this.#detachAttempt();
    this.#answer(stored, `fwd=${this.#reason}; fwd-status=304`, readSetCookies(head));
    if (isOther || fetch?.isSpoiled === true) fetch?.letGo(false);
    else fetch?.offer(stored, false);
    return ANSWERED;
  }

  /** The head of `stored` after `head`, and whether it may stay. */
  #renew(stored: StoredResponse, head: Head, news: ResponseFacts, times: ResponseTimes): void {
    const fields = mergeFields(stored.fields(), readStoredFields(head, times.responseWallMs));
    const merged = new Head();
    new StoredLines(fields, "").writeTo(merged, stored.facts.status, false);
    const facts = { ...readResponseFacts(merged, times.responseWallMs), ageS: news.ageS };
    const bytes = stored.bytes;
    const sameVary = facts.vary.join() === stored.facts.vary.join();
    stored.renew(facts, fields, times);
    this.#store.resize(stored, stored.bytes - bytes);
    if (!sameVary || refuseStoring(this.#facts, facts, this.#store.policy) !== null) this.#store.remove(stored);
  }

  /** §4.3.5: the answer to HEAD tells whether a stored response to GET still holds. */
  #compareHead(head: Head): void {
    const stored = this.#stored;
    if (stored === null || head.status !== 200 || stored.facts.status !== 200 || !stored.isStored) return;
    const times = this.#times();
    const news = readResponseFacts(head, times.responseWallMs);
    const isSame =
      (head.declaredLength < 0 || head.declaredLength === stored.body.length) &&
      news.etag === stored.facts.etag &&
      Object.is(news.lastModifiedMs, stored.facts.lastModifiedMs);
    if (!isSame) this.#store.remove(stored);
    else if (!this.#facts.control.noStore && !this.#facts.hasAuthorization) this.#renew(stored, head, news, times);
  }

  #useOnError(status: string): boolean {
    const stored = this.#stored;
    const isAsked = this.#mode !== FORWARD || this.#request.method === METHOD_HEAD;
    if (stored === null || !isAsked || this.#isRefresh) return false;
    const age = stored.ageAt(this.#owner.clock.nowMs());
    if (!mayUseOnError(this.#facts.control, stored.facts.control, age)) return false;
    this.#owner.counters.cacheStaleHits += 1;
    const fetch = this.#endFetch();
    this.#detachAttempt();
    this.#answer(stored, `fwd=${this.#reason}${status}`);
    fetch?.offer(stored, true);
    return true;
  }

  #answer(stored: StoredResponse, member: string, more: string = ""): void {
    const x = this.#x;
    const { clock } = this.#owner;
    const toHead = this.#request.method === METHOD_HEAD;
    const isKnown = stored.facts.status === 200 && isKnownToCaller(this.#facts, toValidators(stored), clock.wallMs());
    const lines: FieldLines = storedAnswerLines(member, stored.ageAt(clock.nowMs()), more);
    const head = stored.toHead(lines, toHead, isKnown);
    this.#store.touch(stored);
    x.answeredBy = "cache";
    x.answer(head, head.bodyKind === BODY_LENGTH ? stored.body : null);
  }

  /** The rest of an answer that is not used is read for the sake of its connection. */
  #detachAttempt(): void {
    const x = this.#x;
    const attempt = x.attempt;
    x.attempt = null;
    x.connected = false;
    attempt?.discard();
  }

  #endFetch(): SharedFetch | null {
    const fetch = this.#fetch;
    if (fetch === null) return null;
    this.#fetch = null;
    fetch.end();
    const entry = this.#store.find(this.#key);
    if (entry !== undefined) this.#store.tidy(entry);
    return fetch;
  }

  /** Nothing will be stored: those that wait go on. */
  #release(again: boolean): void {
    this.#endFetch()?.letGo(again);
  }
}

export interface CachePassOptions {
  readonly store: ResponseStore;
  readonly key: string;
  readonly request: Head;
  readonly isRefresh: boolean;
}

/** RFC 5861 §4. */
function isServerError(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}

function toValidators(stored: StoredResponse): Parameters<typeof isKnownToCaller>[1] {
  const { etag, lastModifiedMs } = stored.facts;
  const hasTime = lastModifiedMs !== null && !Number.isNaN(lastModifiedMs);
  return { etag, lastModifiedMs: hasTime ? lastModifiedMs : null, madeMs: stored.madeMs };
}
