import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";

/** Who serves a connection, and the bytes that are for it. */
export interface Verdict {
  readonly next: ConnectionHandler;
  readonly rest: Uint8Array;
}

/**
 * An accepted connection of which it is not known yet what it carries. It holds the first bytes until `judge` can tell, or
 * until the wait is over, and then passes everything on to the handler that was chosen.
 *
 *   waiting --judge--> handed over
 *      \--- wait over, FIN ---> judged for good, or closed
 */
export abstract class PendingConnection implements ConnectionHandler, DeadlineOwner, Drainable {
  protected readonly runtime: ProxyRuntime;
  readonly #deadline: Deadline;
  readonly #waitMs: number;
  #connection: Connection | null = null;
  #next: ConnectionHandler | null = null;
  #held: Uint8Array = NOTHING;
  #heldBytes: number = 0;

  constructor(runtime: ProxyRuntime, waitMs: number) {
    this.runtime = runtime;
    this.#waitMs = waitMs;
    this.#deadline = new WheelDeadline(this, 0);
  }

  /**
   * All bytes so far, from the first; with `isFinal` there will be no more to judge by. Null: more are needed, or with
   * `isFinal` nobody serves this. Must not ask for more without bound.
   */
  protected abstract judge(bytes: Uint8Array, isFinal: boolean): Verdict | null;

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.runtime.downstreams.add(this);
    this.runtime.wheel.arm(this.#deadline, this.#waitMs);
  }

  onData(bytes: Uint8Array): void {
    if (this.#next !== null) this.#next.onData(bytes);
    else this.#decide(this.#heldBytes === 0 ? bytes : this.#hold(bytes), false);
  }

  onDrain(): void {
    this.#next?.onDrain();
  }

  onEnd(): void {
    if (this.#next === null) this.#decide(this.#held.subarray(0, this.#heldBytes), true);
    // No branch of the one before: who was chosen just now hears of the end too.
    if (this.#next !== null) this.#next.onEnd();
    else this.#connection?.end();
  }

  onClose(failure: TransportFailure | null): void {
    if (this.#next !== null) this.#next.onClose(failure);
    else this.#forget();
    this.#connection = null;
  }

  onDeadline(): void {
    this.#decide(this.#held.subarray(0, this.#heldBytes), true);
    if (this.#next === null) this.#connection?.destroy();
  }

  /** Nothing was begun, so nothing is lost. */
  drain(): void {
    this.close();
  }

  close(): void {
    this.#connection?.destroy();
  }

  #decide(bytes: Uint8Array, isFinal: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    const verdict = this.judge(bytes, isFinal);
    if (verdict === null) {
      if (this.#heldBytes === 0) this.#hold(bytes);
      return;
    }
    const { next, rest } = verdict;
    this.#next = next;
    this.#held = NOTHING;
    this.#heldBytes = 0;
    next.onOpen(connection);
    // After `onOpen`, where the next one has added itself: a drain must not see a moment without either.
    this.#forget();
    if (rest.length > 0) next.onData(rest);
  }

  /** Grows by doubling, so that bytes that come one by one are not copied over and over. */
  #hold(bytes: Uint8Array): Uint8Array {
    const length = this.#heldBytes + bytes.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.max(length, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = length;
    return this.#held.subarray(0, length);
  }

  #forget(): void {
    this.runtime.wheel.clear(this.#deadline);
    this.runtime.forget(this);
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
