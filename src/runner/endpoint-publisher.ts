import type { Resource } from "../resources/resource.ts";
import type { Clock, Timer } from "../time/clock.ts";

export interface EndpointPublisherOptions {
  readonly clock: Clock;
  /** Creates or replaces; rejects when the control plane cannot be reached. */
  readonly apply: (resource: Resource) => Promise<unknown>;
  /** Called when writing begins to fail and when it works again, not for each failure. */
  readonly onFailing: (error: unknown) => void;
  readonly onRecovered: () => void;
  /** All that was published is acknowledged. */
  readonly onIdle: () => void;
}

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1000;
/** Writing what is already there changes nothing. */
const REFRESH_MS = 10_000;

/**
 * Brings the latest state of each EndpointSlice to the control plane. While that is away only the newest state of each
 * slice waits (so the queue is bounded by the number of slices), and is written as soon as it is back.
 */
export class EndpointPublisher {
  readonly #options: EndpointPublisherOptions;
  readonly #latest = new Map<string, Resource>();
  readonly #waiting = new Map<string, Resource>();
  readonly #writing = new Map<string, Resource>();
  #retryMs = FIRST_RETRY_MS;
  readonly #refresh: Timer;
  #timer: Timer | null = null;
  #isFailing = false;
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: EndpointPublisherOptions) {
    this.#options = options;
    this.#refresh = options.clock.every(REFRESH_MS, () => this.#republish(), undefined);
  }

  publish(slices: readonly Resource[]): void {
    if (this.#isClosed) return;
    for (const slice of slices) {
      this.#latest.set(slice.metadata.name, slice);
      this.#waiting.set(slice.metadata.name, slice);
    }
    this.#writeAll();
  }

  /** True when everything published so far has been acknowledged. */
  isIdle(): boolean {
    return this.#waiting.size === 0 && this.#writing.size === 0;
  }

  /** Tries again now: the control plane is back. */
  retryNow(): void {
    this.#retryMs = FIRST_RETRY_MS;
    this.#timer?.clear();
    this.#timer = null;
    this.#writeAll();
  }

  /** Resolves when all is written, or after `limitMs`. */
  settle(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.isIdle()) {
        resolve();
        return;
      }
      const limit = this.#options.clock.after(limitMs, resolve, undefined);
      this.#onIdle.push(() => {
        limit.clear();
        resolve();
      });
    });
  }

  /** Nothing is written from now on; what is under way may still arrive. */
  close(): void {
    this.#isClosed = true;
    this.#refresh.clear();
    this.#timer?.clear();
    this.#waiting.clear();
    this.#latest.clear();
  }

  /** The control plane removes endpoints whose proxy was away for long; those that are there must come back. */
  #republish(): void {
    for (const [name, slice] of this.#latest) if (!this.#waiting.has(name)) this.#waiting.set(name, slice);
    this.#writeAll();
  }

  /** One write of a slice at a time, so that an older state never arrives after a newer one. */
  #writeAll(): void {
    if (this.#timer !== null) return;
    for (const [name, slice] of this.#waiting) {
      if (this.#writing.has(name)) continue;
      this.#waiting.delete(name);
      this.#writing.set(name, slice);
      void this.#write(name, slice);
    }
  }

  async #write(name: string, slice: Resource): Promise<void> {
    try {
      await this.#options.apply(slice);
      this.#writing.delete(name);
      this.#retryMs = FIRST_RETRY_MS;
      if (this.#isFailing) {
        this.#isFailing = false;
        this.#options.onRecovered();
      }
      this.#writeAll();
    } catch (error) {
      this.#writing.delete(name);
      if (this.#isClosed) return;
      if (!this.#waiting.has(name)) this.#waiting.set(name, slice);
      if (!this.#isFailing) {
        this.#isFailing = true;
        this.#options.onFailing(error);
      }
      this.#scheduleRetry();
    }
    if (!this.isIdle()) return;
    for (const listener of this.#onIdle.splice(0)) listener();
    this.#options.onIdle();
  }

  #scheduleRetry(): void {
    if (this.#timer !== null) return;
    const delayMs = this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
    this.#timer = this.#options.clock.after(
      delayMs,
      () => {
        this.#timer = null;
        this.#writeAll();
      },
      undefined,
    );
  }
}
