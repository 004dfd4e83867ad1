import { NO_FAILURE } from "../../src/proxy/failures.ts";
import type { OverloadPolicy } from "../../src/proxy/policy/cluster-policy.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { EventQueue } from "./event-queue.ts";
import { type AppModel, ModelledApp } from "./modelled-app.ts";
import { SimulatedProxy } from "./simulated-proxy.ts";

export interface OverloadRun {
  readonly app: AppModel;
  readonly policy: OverloadPolicy | null;
  /** Requests per second, by simulated time. */
  readonly rate: (atMs: number) => number;
  readonly seconds: number;
  readonly seed: number;
  /** Callers leave after it; default: never. */
  readonly patienceMs?: number;
  /** Whether the callee knows about it; default true. */
  readonly tellsDeadline?: boolean;
  /** Classes in turn; default: none. */
  readonly priorities?: readonly string[];
  /** Changes the app in the middle of the run. */
  readonly change?: { readonly atMs: number; readonly app: AppModel };
}

export interface OverloadSecond {
  /** Mean over the arrivals; 0 without a gate. */
  readonly limit: number;
  readonly waiting: number;
  /** Of each class of `priorities`. */
  readonly answered: readonly number[];
  readonly refused: readonly number[];
  readonly left: number;
  /** Mean, of answers that were waited for, with the wait at the gate. */
  readonly meanMs: number;
  readonly maxMs: number;
  /** Requests in the app, at the end of the second. */
  readonly inside: number;
}

/** The real gate in front of a modelled app, with callers that come whatever happens. One entry for each second. */
export function runOverload(run: OverloadRun): readonly OverloadSecond[] {
  const random = createSeededRandom(run.seed);
  const events = new EventQueue(new FakeClock());
  const { clock } = events;
  const app = new ModelledApp(run.app, events, random);
  const proxy = new SimulatedProxy(run.policy, app, events, random);
  const priorities = run.priorities ?? [""];
  const seconds: OverloadSecond[] = [];
  let tally = new Tally(priorities.length);
  let count = 0;
  const arrive = (): void => {
    const beganMs = clock.nowMs();
    tally.look(proxy.gate?.limit ?? 0, proxy.gate?.waiting ?? 0);
    const index = count % priorities.length;
    count += 1;
    let isOpen = true;
    const { patienceMs } = run;
    const sent = proxy.send({
      deadlineMs: patienceMs !== undefined && run.tellsDeadline !== false ? beganMs + patienceMs : 0,
      priority: priorities[index] ?? "",
      done: (failure) => {
        isOpen = false;
        if (failure === NO_FAILURE) tally.answer(index, clock.nowMs() - beganMs);
        else tally.refuse(index);
      },
    });
    if (patienceMs !== undefined && isOpen) {
      events.add(patienceMs, () => {
        if (!isOpen) return;
        sent.abandon();
        tally.left += 1;
      });
    }
    events.add((-Math.log(1 - random.next()) * 1_000) / run.rate(beganMs), arrive);
  };
  const look = (): void => {
    seconds.push(tally.result(app.inside));
    tally = new Tally(priorities.length);
    events.add(1_000, look);
  };
  arrive();
  events.add(1_000, look);
  const { change } = run;
  if (change !== undefined) {
    events.add(change.atMs, () => {
      app.model = change.app;
    });
  }
  events.run(run.seconds * 1_000);
  return seconds;
}

class Tally {
  left: number = 0;
  readonly #answered: number[];
  readonly #refused: number[];
  #sumMs: number = 0;
  #maxMs: number = 0;
  #looks: number = 0;
  #sumLimit: number = 0;
  #sumWaiting: number = 0;

  constructor(classes: number) {
    this.#answered = new Array<number>(classes).fill(0);
    this.#refused = new Array<number>(classes).fill(0);
  }

  look(limit: number, waiting: number): void {
    this.#looks += 1;
    this.#sumLimit += limit;
    this.#sumWaiting += waiting;
  }

  answer(index: number, tookMs: number): void {
    this.#answered[index] = (this.#answered[index] ?? 0) + 1;
    this.#sumMs += tookMs;
    this.#maxMs = Math.max(this.#maxMs, tookMs);
  }

  refuse(index: number): void {
    this.#refused[index] = (this.#refused[index] ?? 0) + 1;
  }

  result(inside: number): OverloadSecond {
    const answers = this.#answered.reduce((sum, one) => sum + one, 0);
    const looks = Math.max(1, this.#looks);
    return {
      limit: this.#sumLimit / looks,
      waiting: this.#sumWaiting / looks,
      answered: this.#answered,
      refused: this.#refused,
      left: this.left,
      meanMs: this.#sumMs / Math.max(1, answers),
      maxMs: this.#maxMs,
      inside,
    };
  }
}
