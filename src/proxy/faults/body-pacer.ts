import type { Exchange } from "../exchange.ts";
import type { ResponsePacer } from "../exchange-tap.ts";
import type { Head } from "../head.ts";
import type { Clock } from "../../time/clock.ts";
import type { Deadline, DeadlineOwner, TimerWheel } from "../../time/timer-wheel.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";

/** From one portion to the next; longer where not even one byte is due in it. */
const TICK_MS = 40;
/** Held of one response, and what comes in one read beyond; then reading stops until half of it is gone. */
const MAX_HELD_BYTES: number = 16 * 1024;

export interface BodyPacerOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** More than 0. */
  readonly bytesPerSecond: number;
}

/**
 * Lets a response body through at no more than a rate, in small portions. Bytes that wait are held up to a bound; beyond
 * it the upstream is not read. A pause of the upstream saves nothing up.
 */
export class BodyPacer implements ResponsePacer, DeadlineOwner {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #bytesPerMs: number;
  readonly #tickMs: number;
  readonly #deadline: Deadline;
  readonly #exchange: Exchange;
  readonly #held: Uint8Array[] = [];
  #heldBytes: number = 0;
  /** Bytes of the first of them that went on. */
  #sent: number = 0;
  /** What may go on: whole bytes, and the fraction of the next. */
  #credit: number = 0;
  #creditMs: number = 0;
  /** Downstream said that it had enough. */
  #blocked: boolean = false;
  #upstreamPaused: boolean = false;
  #ended: boolean = false;
  #trailers: Head | null = null;

  constructor(x: Exchange, options: BodyPacerOptions) {
    this.#exchange = x;
    this.#clock = options.clock;
    this.#wheel = options.wheel;
    this.#bytesPerMs = options.bytesPerSecond / 1_000;
    this.#tickMs = Math.max(TICK_MS, 1 / this.#bytesPerMs);
    this.#deadline = new WheelDeadline(this, 0);
  }

  onResponseData(_x: Exchange, bytes: Uint8Array): boolean {
    if (bytes.length > 0) {
      // `slice` of a Buffer would be a view of memory that is read into again.
      this.#held.push(Uint8Array.prototype.slice.call(bytes));
      this.#heldBytes += bytes.length;
      this.#start();
    }
    this.#upstreamPaused = this.#heldBytes >= MAX_HELD_BYTES;
    return !this.#upstreamPaused;
  }

  onResponseEnd(x: Exchange, trailers: Head | null): void {
    if (this.#heldBytes === 0) {
      x.passEnd(trailers);
      return;
    }
    this.#ended = true;
    // The connection that they came on is free for other requests, and its heads are.
    this.#trailers = trailers?.clone() ?? null;
  }

  onDownstreamDrain(_x: Exchange): void {
    this.#blocked = false;
    if (this.#heldBytes > 0) this.#start();
  }

  onEnded(_x: Exchange): void {
    this.#wheel.clear(this.#deadline);
    this.#held.length = 0;
    this.#heldBytes = 0;
  }

  onDeadline(_deadline: Deadline): void {
    const x = this.#exchange;
    // A reused exchange has another pacer, or none.
    if (!x.active || x.pacer !== this) return;
    const nowMs = this.#clock.nowMs();
    this.#credit += (nowMs - this.#creditMs) * this.#bytesPerMs;
    this.#creditMs = nowMs;
    this.#pass(x);
    // Sending may have ended it.
    if (!x.active || x.pacer !== this) return;
    if (this.#heldBytes === 0 && this.#ended) {
      x.passEnd(this.#trailers);
      return;
    }
    if (this.#heldBytes > 0 && !this.#blocked) this.#wheel.arm(this.#deadline, this.#tickMs, nowMs);
    if (!this.#upstreamPaused || this.#heldBytes > MAX_HELD_BYTES / 2) return;
    this.#upstreamPaused = false;
    x.resumeResponse();
  }

  /** Time in which nothing waited earns nothing. */
  #start(): void {
    if (this.#deadline.isArmed() || this.#blocked) return;
    this.#credit -= Math.floor(this.#credit);
    this.#creditMs = this.#clock.nowMs();
    this.#wheel.arm(this.#deadline, this.#tickMs, this.#creditMs);
  }

  #pass(x: Exchange): void {
    while (this.#credit >= 1 && this.#heldBytes > 0 && !this.#blocked && x.active) {
      const first = this.#held[0] as Uint8Array; // there are bytes
      const end = Math.min(first.length, this.#sent + Math.floor(this.#credit));
      const bytes = first.subarray(this.#sent, end);
      this.#credit -= bytes.length;
      this.#heldBytes -= bytes.length;
      this.#sent = end;
      if (end === first.length) {
        this.#held.shift();
        this.#sent = 0;
      }
      // The response is not quiet: it is the upstream that is kept from going on.
      x.quietChecks = 0;
      this.#blocked = !x.passData(bytes);
    }
  }
}
