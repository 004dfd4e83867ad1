import type { Clock, Timer } from "../../time/clock.ts";

export interface TurnsOptions {
  readonly clock: Clock;
  /** How many have their turn at once. */
  readonly count: number;
  /** A turn ends when the proxy has not answered for so long: slow proxies must not keep the others waiting. */
  readonly stallMs: number;
  /** A turn ends when nothing has been owed to the proxy for so long; what it was just sent may make it ask for more. */
  readonly lingerMs: number;
}

/** To be told of everything that happens on the stream. */
export interface Turn {
  /** `isAwaited`: the proxy has yet to answer something. */
  touch(isAwaited: boolean): void;
  /** Calling again does nothing. */
  end(): void;
  isOver(): boolean;
}

/**
 * Who may be sent large responses now. A thousand proxies that connect at once would all be half configured for as long as
 * it takes to configure them all, each with half a megabyte copied, framed and encrypted for it. Here they are configured
 * one after the other, a few at a time, so that most are done early and memory stays what a few need.
 */
export class Turns {
  readonly #options: TurnsOptions;
  #free: number;
  /** In the order in which they came. */
  readonly #waiting: Set<(turn: Turn) => void> = new Set();

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#free = options.count;
  }

  /** Calls `begin` now, or later; returns a function that calls it off. */
  request(begin: (turn: Turn) => void): () => void {
    this.#waiting.add(begin);
    this.#beginNext();
    return () => this.#waiting.delete(begin);
  }

  #beginNext(): void {
    for (const begin of this.#waiting) {
      if (this.#free === 0) return;
      this.#free -= 1;
      this.#waiting.delete(begin);
      begin(new RunningTurn(this.#options, () => this.#onEnd()));
    }
  }

  #onEnd(): void {
    this.#free += 1;
    this.#beginNext();
  }
}

class RunningTurn implements Turn {
  readonly #options: TurnsOptions;
  readonly #onEnd: () => void;
  #timer: Timer | null = null;
  #hasEnded: boolean = false;

  constructor(options: TurnsOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.touch(true);
  }

  touch(isAwaited: boolean): void {
    if (this.#hasEnded) return;
    const { clock, lingerMs, stallMs } = this.#options;
    this.#timer?.clear();
    this.#timer = clock.after(isAwaited ? stallMs : lingerMs, endTurn, this);
  }

  isOver(): boolean {
    return this.#hasEnded;
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#timer?.clear();
    this.#onEnd();
  }
}

function endTurn(turn: Turn): void {
  turn.end();
}
