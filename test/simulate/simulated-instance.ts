import type { Random } from "../../src/random/random.ts";
import type { EventQueue } from "./event-queue.ts";
import { LoadReport } from "../../src/proxy/load/load-report.ts";

export interface InstanceModel {
  /** Requests it works on at once. */
  readonly workers: number;
  /** Mean time of one request's work; exponential. */
  readonly serviceMs: number;
  /** More waiting ones are refused with 503 at once. */
  readonly maxWaiting: number;
  /** Share of requests that end with 500 after `failMs` instead of their work. */
  readonly failRatio: number;
  readonly failMs: number;
}

/** An app with a queue and, beside it, the load report of its proxy. */
export class SimulatedInstance {
  readonly report: LoadReport;
  readonly #model: InstanceModel;
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];
  #first: number = 0;
  #busy: number = 0;

  constructor(model: InstanceModel, events: EventQueue, random: Random) {
    this.#model = model;
    this.#events = events;
    this.#random = random;
    this.report = new LoadReport(events.clock);
  }

  /** Requests per second that it can answer. */
  capacity(): number {
    return (this.#model.workers * 1_000) / this.#model.serviceMs;
  }

  /** Calls `done` with the answer's status, in its time. */
  handle(done: (status: number) => void): void {
    const { clock } = this.#events;
    const beganMs = clock.nowMs();
    const met = this.report.begin();
    const end = (status: number): void => {
      this.report.end(status === 200 ? clock.nowMs() - beganMs : -1, met);
      done(status);
    };
    if (this.#random.next() < this.#model.failRatio) {
      this.#events.add(this.#model.failMs, () => end(500));
    } else if (this.#busy < this.#model.workers) {
      this.#work(end);
    } else if (this.#waiting.length - this.#first < this.#model.maxWaiting) {
      this.#waiting.push(() => this.#work(end));
    } else {
      this.#events.add(0.1, () => end(503));
    }
  }

  #work(end: (status: number) => void): void {
    this.#busy += 1;
    const workMs = -Math.log(1 - this.#random.next()) * this.#model.serviceMs;
    this.#events.add(workMs, () => {
      this.#busy -= 1;
      end(200);
      this.#next();
    });
  }

  #next(): void {
    const next = this.#waiting[this.#first];
    if (next === undefined) return;
    this.#first += 1;
    if (this.#first > 1_000) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    next();
  }
}
