import type { Clock } from "../time/clock.ts";
import type { Random } from "../random/random.ts";
import type { TlsClientOptions } from "./transport.ts";

/** How the in-memory network behaves from now on, for every connection. A test changes the fields as it goes. */
export interface MemoryConditions {
  /** One way, on top of the order of events. Default 0: the next microtask. */
  latencyMs: number;
  /** Above 0, bytes arrive in pieces of 1 to so many, drawn from the transport's randomness. Default 0: as they were sent. */
  chunkBytes: number;
  /** Bytes on the way and unread, per direction; a sender waits beyond. Default 64 KiB. */
  windowBytes: number;
  /** A cut cable: nothing arrives until it is false again; then everything does. Default false. */
  cut: boolean;
}

/** What travels. */
export type MemoryItem =
  | { readonly kind: "syn" | "synAck" | "fin" | "reset" }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "hello"; readonly tls: TlsClientOptions }
  | { readonly kind: "serverHello"; readonly chainPem: string; readonly alpn: string | null }
  | { readonly kind: "finished"; readonly chainPem: string };

export interface MemoryWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly conditions: MemoryConditions;
  /** Pipes that wait for `cut` to end. */
  readonly stalled: Set<MemoryPipe>;
}

/** One direction of one connection: items arrive in the order they were sent, each `latencyMs` after it was. */
export class MemoryPipe {
  readonly #world: MemoryWorld;
  readonly #arrive: (item: MemoryItem) => void;
  readonly #items: { readonly item: MemoryItem; readonly dueAtMs: number }[] = [];
  #lastDueAtMs: number = 0;
  #waiting: boolean = false;

  constructor(world: MemoryWorld, arrive: (item: MemoryItem) => void) {
    this.#world = world;
    this.#arrive = arrive;
  }

  send(item: MemoryItem): void {
    const dueAtMs = Math.max(this.#world.clock.nowMs() + this.#world.conditions.latencyMs, this.#lastDueAtMs);
    this.#lastDueAtMs = dueAtMs;
    this.#items.push({ item, dueAtMs });
    this.kick();
  }

  /** Arranges for the next item to arrive. */
  kick(): void {
    const next = this.#items[0];
    if (next === undefined || this.#waiting) return;
    const waitMs = next.dueAtMs - this.#world.clock.nowMs();
    this.#waiting = true;
    if (waitMs > 0) this.#world.clock.after(waitMs, deliverNext, this);
    else queueMicrotask(() => this.deliver());
  }

  deliver(): void {
    this.#waiting = false;
    if (this.#world.conditions.cut) {
      this.#world.stalled.add(this);
      return;
    }
    const next = this.#items.shift();
    if (next === undefined) return;
    try {
      this.#arrive(next.item);
    } finally {
      this.kick();
    }
  }
}

function deliverNext(pipe: MemoryPipe): void {
  pipe.deliver();
}
