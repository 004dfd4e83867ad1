import type { Exchange } from "../exchange.ts";
import type { OverloadPolicy } from "../policy/cluster-policy.ts";
import type { ProxyRuntime } from "../runtime.ts";
import { NO_FAILURE, OVERLOADED } from "../failures.ts";
import { ANSWERED, CONTINUE, HELD } from "../filters/filter.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import { WaitingRequest, type WaitingRequestOwner } from "./waiting-request.ts";

/**
 * In front of one app: lets as many requests in as it can work on, keeps a few waiting, and refuses the rest at once, the
 * least important first. Refused requests surely did not reach the app, so callers may try another instance. Waiting ones
 * are let in by importance; among equals the first comes first while waits are short, and the last when they are not: then
 * the callers of the first have usually left, and answering them would help nobody.
 */
export class OverloadGate implements WaitingRequestOwner {
  readonly policy: OverloadPolicy;
  readonly limit: ConcurrencyLimit;
  readonly #runtime: ProxyRuntime;
  /** By class, the most important first; each in order of arrival. */
  readonly #lines: WaitingRequest[][];
  #inFlight: number = 0;
  #waiting: number = 0;

  constructor(runtime: ProxyRuntime, policy: OverloadPolicy) {
    this.#runtime = runtime;
    this.policy = policy;
    this.limit = new ConcurrencyLimit(policy.concurrency, runtime.clock.nowMs());
    this.#lines = policy.priorities.map(() => []);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** CONTINUE: the request is in, and `left` follows once. HELD: it waits. ANSWERED: it was refused. */
  admit(x: Exchange, nowMs: number): number {
    if (this.#waiting === 0 && this.#inFlight < this.limit.current) {
      this.#enter(x, nowMs);
      return CONTINUE;
    }
    x.priority = this.#classOf(x);
    if (this.#isHopeless(x, nowMs)) {
      this.#refuse(x, "Its caller would have left before its turn came");
      return ANSWERED;
    }
    if (this.#waiting >= this.policy.maxQueue && !this.#pushOut(x.priority)) {
      this.#refuse(x, `${this.#inFlight} requests are at the app and ${this.#waiting} wait`);
      return ANSWERED;
    }
    const line = this.#lines[x.priority];
    if (line === undefined) return CONTINUE;
    this.#waiting += 1;
    this.#runtime.counters.overloadWaiting += 1;
    line.push(
      new WaitingRequest(x, { owner: this, wheel: this.#runtime.wheel, beganMs: nowMs }, this.policy.maxWaitMs),
    );
    return HELD;
  }

  /** The app is done with a request, or will be busy with it for as long as anybody listens. */
  left(x: Exchange): void {
    if (x.gate !== this) return;
    x.gate = null;
    this.#inFlight -= 1;
    const nowMs = this.#runtime.clock.nowMs();
    // A failure says nothing about how fast the app is; what never ends says nothing either.
    if (x.failure === NO_FAILURE && !x.endless && !x.tunnel) this.limit.add(nowMs - x.gateMs, this.#inFlight, nowMs);
    this.#letIn(nowMs);
  }

  // WaitingRequestOwner

  onWaitOver(waiting: WaitingRequest): void {
    this.#remove(waiting);
    this.#refuse(waiting.exchange, `It waited for ${this.policy.maxWaitMs} ms`);
  }

  onWaiterGone(waiting: WaitingRequest): void {
    this.#remove(waiting);
  }

  #enter(x: Exchange, nowMs: number): void {
    this.#inFlight += 1;
    x.gate = this;
    x.gateMs = nowMs;
  }

  #letIn(nowMs: number): void {
    while (this.#waiting > 0 && this.#inFlight < this.limit.current) {
      const next = this.#takeNext(nowMs);
      if (next === null) return;
      const x = next.exchange;
      if (this.#isHopeless(x, nowMs)) {
        this.#refuse(x, "Its caller would have left before its answer");
        continue;
      }
      this.#enter(x, nowMs);
      x.stack?.resume(x);
    }
  }

  #takeNext(nowMs: number): WaitingRequest | null {
    for (const line of this.#lines) {
      const first = line[0];
      if (first === undefined) continue;
      const late = nowMs - first.beganMs > this.policy.maxWaitMs / 2;
      const next = late ? line.pop() : line.shift();
      if (next === undefined) return null;
      this.#waiting -= 1;
      this.#runtime.counters.overloadWaiting -= 1;
      next.end();
      return next;
    }
    return null;
  }

  /** A less important one, the last that came, makes room. False when there is none. */
  #pushOut(priority: number): boolean {
    for (let index = this.#lines.length - 1; index > priority; index -= 1) {
      const last = this.#lines[index]?.pop();
      if (last === undefined) continue;
      this.#waiting -= 1;
      this.#runtime.counters.overloadWaiting -= 1;
      last.end();
      this.#refuse(last.exchange, "A more important request took its place");
      return true;
    }
    return false;
  }

  #remove(waiting: WaitingRequest): void {
    for (const line of this.#lines) {
      const index = line.indexOf(waiting);
      if (index < 0) continue;
      line.splice(index, 1);
      this.#waiting -= 1;
      this.#runtime.counters.overloadWaiting -= 1;
      return;
    }
  }

  #refuse(x: Exchange, detail: string): void {
    this.#runtime.counters.overloadShed += 1;
    x.failureFields = "retry-after: 1\r\n";
    x.fail(OVERLOADED, detail);
  }

  /** Less time is left than an answer takes. */
  #isHopeless(x: Exchange, nowMs: number): boolean {
    return x.deadlineMs > 0 && x.deadlineMs - nowMs < this.limit.latencyMs;
  }

  #classOf(x: Exchange): number {
    const { priorities, priorityHeader } = this.policy;
    const middle = priorities.length >> 1;
    const { request } = x;
    if (priorityHeader === "" || request === null) return middle;
    for (let index = 0; index < request.count; index += 1) {
      if (request.nameText(index).toLowerCase() !== priorityHeader) continue;
      const found = priorities.indexOf(request.valueText(index));
      return found < 0 ? middle : found;
    }
    return middle;
  }
}
