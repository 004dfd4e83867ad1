import { NO_FAILURE, OVERLOADED } from "../../src/proxy/failures.ts";
import { DEFAULT_CLUSTER_POLICY, type OverloadPolicy } from "../../src/proxy/policy/cluster-policy.ts";
import { DEFAULT_ROUTE_POLICY } from "../../src/proxy/policy/route-policy.ts";
import { RetryBudget } from "../../src/proxy/upstream/retry-budget.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import type { Random } from "../../src/random/random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { EventQueue } from "./event-queue.ts";
import { type AppModel, ModelledApp } from "./modelled-app.ts";
import { SimulatedProxy } from "./simulated-proxy.ts";

export interface MetastableRun {
  readonly app: AppModel;
  readonly instances: number;
  readonly callers: number;
  /** New requests per second, of all callers, without their retries. */
  readonly requestsPerSecond: number;
  readonly trigger: { readonly fromMs: number; readonly untilMs: number; readonly factor: number };
  readonly seconds: number;
  readonly seed: number;
  /** Of one attempt; then the caller leaves. */
  readonly patienceMs: number;
  readonly attempts: number;
  /** Attempts that took too long are made again. */
  readonly retriesTimeouts: boolean;
  /** Retries come out of weft's default budget. */
  readonly hasBudget: boolean;
  /** Null = no gate. */
  readonly overload: OverloadPolicy | null;
}

/** Of the requests that began in one second. */
export interface MetastableSecond {
  readonly requests: number;
  /** Answered, in the end. */
  readonly good: number;
  /** Sent, with retries. */
  readonly attempts: number;
}

/** Callers with the real retry budget, instances with the real gate, in simulated time. */
export function runMetastable(run: MetastableRun): readonly MetastableSecond[] {
  const random = createSeededRandom(run.seed);
  const events = new EventQueue(new FakeClock());
  const { clock } = events;
  const proxies = Array.from({ length: run.instances }, () => {
    return new SimulatedProxy(run.overload, new ModelledApp(run.app, events, random), events, random);
  });
  const callers = Array.from({ length: run.callers }, () => new RetryingCaller(run, proxies, events, random));
  const seconds = Array.from({ length: run.seconds }, () => ({ requests: 0, good: 0, attempts: 0 }));
  const arrive = (): void => {
    const nowMs = clock.nowMs();
    const second = seconds[Math.floor(nowMs / 1_000)];
    if (second !== undefined) callers[random.below(callers.length)]?.call(second);
    const { fromMs, untilMs, factor } = run.trigger;
    const rate = run.requestsPerSecond * (nowMs >= fromMs && nowMs < untilMs ? factor : 1);
    events.add((-Math.log(1 - random.next()) * 1_000) / rate, arrive);
  };
  arrive();
  events.run(run.seconds * 1_000);
  return seconds;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One proxy that calls. */
class RetryingCaller {
  readonly #run: MetastableRun;
  readonly #proxies: readonly SimulatedProxy[];
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #budget: RetryBudget;

  constructor(run: MetastableRun, proxies: readonly SimulatedProxy[], events: EventQueue, random: Random) {
    this.#run = run;
    this.#proxies = proxies;
    this.#events = events;
    this.#random = random;
    this.#budget = new RetryBudget(events.clock, DEFAULT_CLUSTER_POLICY.retryBudget);
  }

  call(second: Mutable<MetastableSecond>): void {
    second.requests += 1;
    this.#budget.deposit();
    this.#attempt(second, 1, -1);
  }

  /** `avoided` failed the attempt before. */
  #attempt(second: Mutable<MetastableSecond>, attempt: number, avoided: number): void {
    const { patienceMs, retriesTimeouts } = this.#run;
    const index = this.#pick(avoided);
    let isOpen = true;
    second.attempts += 1;
    const sent = this.#proxies[index]?.send({
      deadlineMs: this.#events.clock.nowMs() + patienceMs,
      priority: "",
      done: (failure) => {
        isOpen = false;
        if (failure === NO_FAILURE) second.good += 1;
        // Others never reached the app and may be sent again; a passed deadline may not.
        else if (failure === OVERLOADED) this.#again(second, attempt, index);
      },
    });
    if (!isOpen) return;
    this.#events.add(patienceMs, () => {
      if (!isOpen) return;
      sent?.abandon();
      if (retriesTimeouts) this.#again(second, attempt, index);
    });
  }

  #again(second: Mutable<MetastableSecond>, attempt: number, index: number): void {
    if (attempt >= this.#run.attempts) return;
    if (this.#run.hasBudget && !this.#budget.withdraw()) return;
    const { backoffBaseMs, backoffMaxMs } = DEFAULT_ROUTE_POLICY.retry;
    const waitMs = attempt === 1 ? 0 : this.#random.next() * Math.min(backoffMaxMs, backoffBaseMs * 2 ** (attempt - 2));
    this.#events.add(waitMs, () => this.#attempt(second, attempt + 1, index));
  }

  #pick(avoided: number): number {
    const count = this.#proxies.length;
    if (avoided < 0 || count === 1) return this.#random.below(count);
    const other = this.#random.below(count - 1);
    return other < avoided ? other : other + 1;
  }
}
