import type { Clock } from "../../time/clock.ts";
import type { Random } from "../../random/random.ts";
import type { ProxyCounters } from "../counters.ts";
import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { OverloadPolicy } from "../policy/cluster-policy.ts";
import { Deadline, type DeadlineOwner, type TimerWheel } from "../../time/timer-wheel.ts";
import { DEADLINE_PASSED, OVERLOADED, TIMEOUT } from "../failures.ts";
import { ANSWERED, CONTINUE, HELD } from "../filters/filter.ts";
import { BODY_NONE, BODY_TUNNEL } from "../head.ts";
import { type AppLimit, createAppLimit } from "./app-limit.ts";
import { NO_LIMIT } from "./guard-limit.ts";
import { judgeTelling, TELLS_LATENCY, TELLS_LEAST, TELLS_NOTHING } from "./judge-telling.ts";
import { MedianLatency } from "./median-latency.ts";
import { RequestClasses } from "./request-classes.ts";
import { SHED_LATE, SHED_FULL, SHED_PUSHED_OUT, SHED_WAITED, ShedCounts } from "./shed-counts.ts";
import { WaitingLines, WaitingRequest, type WaitingRequestOwner } from "./waiting-lines.ts";

/** Somebody who waited all of that time, while others came and went, has met no passing rush but an overload. */
const STANDING_MS = 100;
/** What is left of the longest wait under overload. */
const SHORTER_WAIT = 0.25;
/** Who waits is looked after so often. */
const CHECK_MS = 20;
/** Where others wait, a response that has begun, and has not ended so long after its request came in, is a stream. */
const STREAM_MS = 10_000;
const MAX_RETRY_AFTER_SECONDS = 60;

/** What it needs of its proxy: a `ProxyRuntime` has it. */
export interface OverloadContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly counters: ProxyCounters;
}

export interface OverloadView {
  /** Requests at the app, how many there may be (0 = as many as come), and how many wait in front of it. */
  readonly inFlight: number;
  readonly limit: number;
  readonly waiting: number;
  /** Classes of which somebody always waits. */
  readonly overloaded: readonly string[];
  /** Half of the answers take longer; 0 = not known. */
  readonly medianMs: number;
  /** What the adaptive limit takes for normal; 0 = not known, or the limit is fixed. */
  readonly unloadedMs: number;
  /** Refused so far, by class. */
  readonly shed: Readonly<Record<string, number>>;
}

/**
 * In front of one app: lets as many requests in as it can work on, keeps a few waiting, and refuses the rest at once.
 * Refused requests surely did not reach the app, so callers may try another instance.
 *
 * - Importance: a more important class is let in first, always. Where the lines are full, the least important request
 *   that waits makes room for a more important one.
 * - Order in a class: first come, first served. Under overload (its line was never empty for 100 ms and for
 *   twice the median latency) last come, first served: of those at the old end most callers have left by the time it is
 *   their turn, and answering them would help nobody. A full line gives up its oldest then instead of refusing the newest.
 * - Waiting ends after `maxWaitMs`; under overload after a quarter of it (but not before twice the median latency), so
 *   that callers can still try elsewhere.
 * - Deadlines: who must wait and has less time left than half of the answers take is refused, on arrival and when its turn
 *   comes. A request that need not wait goes in with whatever time it has: an idle app loses nothing by trying.
 * - What lasts for as long as somebody listens (tunnels, event streams, gRPC calls) holds no place once its response has
 *   begun; other responses after 10 s, if somebody waits for it.
 */
export class OverloadGate implements WaitingRequestOwner, DeadlineOwner {
  policy: OverloadPolicy;
  readonly #context: OverloadContext;
  readonly #check: Deadline = new Deadline(this, 0);
  readonly #median: MedianLatency = new MedianLatency();
  /** At the app, in the order they were let in. */
  readonly #inside: Set<Exchange> = new Set();
  readonly #sample = { latencyMs: 0, admittedMs: 0, met: 0, gaveUp: false };
  #limit: AppLimit;
  #classes: RequestClasses;
  #lines: WaitingLines;
  #shed: ShedCounts;
  #lettingIn: boolean = false;
  #closed: boolean = false;
  /** The limit as the counters know it. */
  #shownLimit: number = 0;

  constructor(context: OverloadContext, policy: OverloadPolicy) {
    this.#context = context;
    this.policy = policy;
    this.#limit = createAppLimit(policy.concurrency, context.random, context.clock.nowMs());
    this.#classes = new RequestClasses(policy);
    this.#lines = new WaitingLines(policy.priorities.length);
    this.#shed = new ShedCounts(policy.priorities, context.counters);
    this.#showLimit();
  }

  get inFlight(): number {
    return this.#inside.size;
  }

  get waiting(): number {
    return this.#lines.length;
  }

  /** 0 = as many as come. */
  get limit(): number {
    const { current } = this.#limit;
    return current === NO_LIMIT ? 0 : current;
  }

  /**
   * CONTINUE: the request is in (`x.gate`), and `left` follows once. HELD: it waits, and `x.stack.resume(x)` follows unless
   * its exchange ends before. ANSWERED: it was refused.
   */
  admit(x: Exchange, nowMs: number): number {
    if (this.#closed || (this.#lines.length === 0 && this.#inside.size < this.#limit.current)) {
      this.#enter(x, nowMs);
      return CONTINUE;
    }
    this.#limit.onFull(nowMs);
    x.priority = x.request === null ? this.#classes.middle : this.#classes.find(x.request);
    if (this.#isLate(x, nowMs)) {
      this.#refuseLate(x, nowMs);
      return ANSWERED;
    }
    if (this.#isFull() && !this.#makeRoom(x.priority, nowMs)) {
      const { size } = this.#inside;
      this.#refuse(x, SHED_FULL, `${size} requests are at the app and ${this.#lines.length} wait; expected fewer`);
      return ANSWERED;
    }
    if (this.#lines.length === 0) this.#context.wheel.arm(this.#check, CHECK_MS, nowMs);
    this.#lines.add(new WaitingRequest(this, x, nowMs));
    this.#context.counters.overloadWaiting += 1;
    return HELD;
  }

  /** The app begins to answer `x`. */
  answered(x: Exchange, head: Head): void {
    if (x.gate !== this) return;
    // What comes now may come for days; how long it took until now tells as much as any other answer only for a call.
    if (x.endless || head.bodyKind === BODY_TUNNEL) this.#leave(x, false);
    else if (x.grpc && head.bodyKind !== BODY_NONE) this.#leave(x, true);
  }

  /** The exchange is over. */
  left(x: Exchange): void {
    if (x.gate === this) this.#leave(x, true);
  }

  /** What was learnt and who waits stay as far as they can. */
  setPolicy(policy: OverloadPolicy): void {
    const before = this.policy;
    if (policy === before) return;
    const { clock, random, counters } = this.#context;
    this.policy = policy;
    if (JSON.stringify(policy.concurrency) !== JSON.stringify(before.concurrency))
      this.#limit = createAppLimit(policy.concurrency, random, clock.nowMs());
    this.#classes = new RequestClasses(policy);
    if (policy.priorities.join() !== before.priorities.join()) {
      this.#shed = new ShedCounts(policy.priorities, counters);
      this.#regroup();
    }
    this.#showLimit();
    this.#letIn(clock.nowMs());
  }

  /** No policy asks for it any more: who waits is let in. */
  close(): void {
    this.#closed = true;
    this.#letIn(this.#context.clock.nowMs());
    this.#context.counters.overloadLimit -= this.#shownLimit;
    this.#shownLimit = 0;
  }

  describe(): OverloadView {
    const { clock } = this.#context;
    return {
      inFlight: this.inFlight,
      limit: this.limit,
      waiting: this.waiting,
      overloaded: this.policy.priorities.filter((_, priority) => this.#isOverloaded(priority, clock.nowMs())),
      medianMs: this.#median.ms,
      unloadedMs: this.#limit.unloadedMs,
      shed: this.#shed.describe(),
    };
  }

  // WaitingRequestOwner

  onWaiterGone(waiting: WaitingRequest): void {
    this.#remove(waiting);
  }

  // DeadlineOwner

  /** Somebody waits: those who did for too long are refused, and streams give up their places. */
  onDeadline(): void {
    const nowMs = this.#context.clock.nowMs();
    for (let priority = this.#lines.classes - 1; priority >= 0; priority -= 1) {
      const longestMs = this.#longestWaitMs(priority, nowMs);
      for (;;) {
        const oldest = this.#lines.oldest(priority);
        if (oldest === null || nowMs - oldest.beganMs < longestMs) break;
        this.#remove(oldest);
        const waited = `It waited for ${Math.round(longestMs)} ms`;
        this.#refuse(oldest.exchange, SHED_WAITED, `${waited} and none of ${this.limit} places at the app was free`);
      }
    }
    if (this.#lines.length > 0) this.#freeStreams(nowMs);
    if (this.#lines.length > 0) this.#context.wheel.arm(this.#check, CHECK_MS, nowMs);
  }

  #enter(x: Exchange, nowMs: number): void {
    this.#inside.add(x);
    x.gate = this;
    x.gateMs = nowMs;
    this.#context.counters.overloadInFlight += 1;
  }

  #leave(x: Exchange, tells: boolean): void {
    const nowMs = this.#context.clock.nowMs();
    const met = this.#inside.size;
    x.gate = null;
    this.#inside.delete(x);
    this.#context.counters.overloadInFlight -= 1;
    const latencyMs = nowMs - x.gateMs;
    const telling = tells ? judgeTelling(x, latencyMs, this.#median) : TELLS_NOTHING;
    if (telling === TELLS_LATENCY) this.#median.add(latencyMs);
    if (telling !== TELLS_NOTHING) {
      const sample = this.#sample;
      sample.latencyMs = latencyMs;
      sample.admittedMs = x.gateMs;
      sample.met = met;
      sample.gaveUp = telling === TELLS_LEAST;
      this.#limit.add(sample, nowMs);
      if (this.limit !== this.#shownLimit && !this.#closed) this.#showLimit();
    }
    if (this.#lines.length > 0) this.#letIn(nowMs);
  }

  /** Those let in may be over at once and free their place: one loop, not one inside the other. */
  #letIn(nowMs: number): void {
    if (this.#lettingIn) return;
    this.#lettingIn = true;
    while (this.#lines.length > 0 && (this.#closed || this.#inside.size < this.#limit.current)) {
      const next = this.#next(nowMs);
      if (next === null) break;
      this.#remove(next);
      const x = next.exchange;
      if (this.#isLate(x, nowMs)) {
        this.#refuseLate(x, nowMs);
        continue;
      }
      this.#enter(x, nowMs);
      x.stack?.resume(x);
    }
    this.#lettingIn = false;
  }

  #next(nowMs: number): WaitingRequest | null {
    for (let priority = 0; priority < this.#lines.classes; priority += 1) {
      const next = this.#isOverloaded(priority, nowMs) ? this.#lines.newest(priority) : this.#lines.oldest(priority);
      if (next !== null) return next;
    }
    return null;
  }

  #isFull(): boolean {
    return this.policy.maxWaitMs === 0 || this.#lines.length >= this.policy.maxQueue;
  }

  /** True when somebody who waits was refused for the sake of a newcomer of class `priority`. */
  #makeRoom(priority: number, nowMs: number): boolean {
    if (this.policy.maxWaitMs === 0) return false;
    for (let index = this.#lines.classes - 1; index >= priority; index -= 1) {
      const isOverloaded = this.#isOverloaded(index, nowMs);
      // Among equals only the oldest, and only where the newest comes first anyway.
      if (index === priority && !isOverloaded) return false;
      const victim = isOverloaded ? this.#lines.oldest(index) : this.#lines.newest(index);
      if (victim === null) continue;
      this.#remove(victim);
      const whose = index === priority ? "A later" : "A more important";
      this.#refuse(victim.exchange, SHED_PUSHED_OUT, `${whose} request took its place among those that may wait`);
      return true;
    }
    return false;
  }

  #remove(waiting: WaitingRequest): void {
    this.#lines.remove(waiting);
    waiting.exchange.holder = null;
    this.#context.counters.overloadWaiting -= 1;
    if (this.#lines.length === 0) this.#context.wheel.clear(this.#check);
  }

  #isOverloaded(priority: number, nowMs: number): boolean {
    return this.#lines.standingMs(priority, nowMs) > Math.max(STANDING_MS, 2 * this.#median.ms);
  }

  #longestWaitMs(priority: number, nowMs: number): number {
    const { maxWaitMs } = this.policy;
    if (this.#median.ms === 0 || !this.#isOverloaded(priority, nowMs)) return maxWaitMs;
    return Math.min(maxWaitMs, Math.max(maxWaitMs * SHORTER_WAIT, 2 * this.#median.ms));
  }

  /** Less time is left than an answer takes, more often than not. */
  #isLate(x: Exchange, nowMs: number): boolean {
    return x.deadlineMs > 0 && x.deadlineMs - nowMs <= this.#median.ms;
  }

  #refuseLate(x: Exchange, nowMs: number): void {
    const leftMs = Math.round(x.deadlineMs - nowMs);
    if (leftMs > 0) {
      const detail = `${leftMs} ms are left for it, and half of the answers take ${Math.round(this.#median.ms)} ms or more`;
      this.#refuse(x, SHED_LATE, detail);
      return;
    }
    this.#shed.count(x.priority, SHED_LATE);
    const allowedMs = Math.round(x.deadlineMs - x.startedMs);
    if (x.deadlineIsCallers) x.fail(DEADLINE_PASSED, `The caller gave it ${allowedMs} ms, which it waited for the app`);
    else x.fail(TIMEOUT, `The policy of its route gives it ${allowedMs} ms, which it waited for the app`);
  }

  #refuse(x: Exchange, reason: number, detail: string): void {
    this.#shed.count(x.priority, reason);
    // Who has no time left need not come again.
    if (reason !== SHED_LATE) x.failureFields = `retry-after: ${this.#retryAfterSeconds()}\r\n`;
    x.fail(OVERLOADED, detail);
  }

  /** When those who wait now will be through. */
  #retryAfterSeconds(): number {
    const aheadMs = (this.#lines.length * this.#median.ms) / this.#limit.current;
    return Math.max(1, Math.min(MAX_RETRY_AFTER_SECONDS, Math.ceil(aheadMs / 1_000)));
  }

  #freeStreams(nowMs: number): void {
    for (const x of this.#inside) {
      if (nowMs - x.gateMs < STREAM_MS) return;
      if (x.responseStarted) this.#leave(x, false);
    }
  }

  /** The classes changed: who waits keeps its rank as far as there is one. */
  #regroup(): void {
    const before = this.#lines;
    this.#lines = new WaitingLines(this.policy.priorities.length);
    for (let priority = 0; priority < before.classes; priority += 1) {
      for (let old = before.oldest(priority); old !== null; old = old.newer) {
        const x = old.exchange;
        x.priority = Math.min(priority, this.#lines.classes - 1);
        this.#lines.add(new WaitingRequest(this, x, old.beganMs));
      }
    }
  }

  #showLimit(): void {
    const shown = this.limit;
    this.#context.counters.overloadLimit += shown - this.#shownLimit;
    this.#shownLimit = shown;
  }
}
