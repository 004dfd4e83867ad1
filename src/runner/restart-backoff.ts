export interface RestartBackoffOptions {
  /** Wait before the first restart. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** A process that lived this long starts again from `firstMs`. */
  readonly resetAfterMs: number;
}

/** What supervisors use: an app that cannot start must not eat the machine, one that fell over once comes back soon. */
export const APP_BACKOFF: RestartBackoffOptions = { firstMs: 1000, maxMs: 30_000, resetAfterMs: 30_000 };

/** Our own processes: they are meant to run, and what waits for them is the mesh. */
export const OWN_BACKOFF: RestartBackoffOptions = { firstMs: 100, maxMs: 5000, resetAfterMs: 30_000 };

/** Doubles from `firstMs` to `maxMs`. */
export class RestartBackoff {
  readonly #options: RestartBackoffOptions;
  #nextMs: number;

  constructor(options: RestartBackoffOptions) {
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  /** How long to wait now, after a process that lived `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= this.#options.resetAfterMs) this.#nextMs = this.#options.firstMs;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(this.#nextMs * 2, this.#options.maxMs);
    return delayMs;
  }
}
