import type { Clock } from "../time/clock.ts";
import type { Random } from "../random/random.ts";

/**
 * Waits between attempts to reach the control plane: full jitter below a ceiling that doubles from 500 ms, as Envoy's does.
 *
 * Envoy's ceiling of 30 s would leave a proxy without news for half a minute after a control plane restart; weft promises
 * that configuration flows again within 2 s. So the ceiling is 1 s for the first five minutes without a control plane
 * (a wait for a TCP connection that is refused costs next to nothing), and grows to 30 s only after that, when the outage
 * is no restart. Five minutes are counted from the start, or from the last time that the control plane answered.
 */
export class ReconnectBackoff {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #random: Random;
  #attempts = 0;
  #aliveAtMs: number;

  constructor(options: { readonly clock: Pick<Clock, "nowMs">; readonly random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#aliveAtMs = options.clock.nowMs();
  }

  /** The control plane sent something. */
  succeed(): void {
    this.#attempts = 0;
    this.#aliveAtMs = this.#clock.nowMs();
  }

  nextDelayMs(): number {
    const isRecent = this.#clock.nowMs() - this.#aliveAtMs < RECENT_MS;
    const ceilingMs = Math.min(isRecent ? RECENT_CEILING_MS : CEILING_MS, BASE_MS * 2 ** Math.min(this.#attempts, 16));
    this.#attempts += 1;
    // The floor keeps a server that accepts and hangs up at once from being called in a tight loop.
    return FLOOR_MS + this.#random.next() * (ceilingMs - FLOOR_MS);
  }
}

const BASE_MS = 500;
const FLOOR_MS = 50;
const RECENT_MS = 300_000;
const RECENT_CEILING_MS = 1_000;
const CEILING_MS = 30_000;
