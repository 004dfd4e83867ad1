import type { Random } from "../../src/random/random.ts";
import type { EventQueue } from "./event-queue.ts";

/** One request's work at a modelled app. */
export interface Work {
  /** The app is done. */
  readonly done: () => void;
}

export interface AppModel {
  /** Requests it works on at once; the others wait in it, first come first served, without any bound. */
  readonly workers: number;
  /** Time of one request's work. */
  readonly drawMs: (random: Random) => number;
}

/** Exponential times: a mix of short and long requests. */
export function exponentialMs(meanMs: number): (random: Random) => number {
  return (random) => -Math.log(1 - random.next()) * meanMs;
}

/** Log-normal times of that mean: a few take very long. `sigma` 1: one in a hundred takes six times the mean. */
export function heavyTailMs(meanMs: number, sigma: number): (random: Random) => number {
  const mu = Math.log(meanMs) - (sigma * sigma) / 2;
  return (random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    return Math.exp(mu + sigma * normal);
  };
}

/** An app that takes whatever it is sent and never gives up work, not even for callers that have left. */
export class ModelledApp {
  model: AppModel;
  readonly #events: EventQueue;
  readonly #random: Random;
  #waiting: Work[] = [];
  #first: number = 0;
  #busy: number = 0;

  constructor(model: AppModel, events: EventQueue, random: Random) {
    this.model = model;
    this.#events = events;
    this.#random = random;
  }

  /** Requests in it, at work or waiting. */
  get inside(): number {
    return this.#busy + this.#waiting.length - this.#first;
  }

  accept(work: Work): void {
    if (this.#busy < this.model.workers) this.#start(work);
    else this.#waiting.push(work);
  }

  #start(work: Work): void {
    this.#busy += 1;
    this.#events.add(this.model.drawMs(this.#random), () => {
      this.#busy -= 1;
      // Before its caller hears of it, and sends the next: who waits comes first.
      this.#startNext();
      work.done();
    });
  }

  /** Also when there are more workers than there were. */
  #startNext(): void {
    while (this.#busy < this.model.workers) {
      const next = this.#waiting[this.#first];
      if (next === undefined) return;
      this.#first += 1;
      if (this.#first > 1_000) {
        this.#waiting = this.#waiting.slice(this.#first);
        this.#first = 0;
      }
      this.#start(next);
    }
  }
}
