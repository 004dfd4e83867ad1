/** A timer that can be cleared. Clearing twice, or after it ran, does nothing. */
export interface Timer {
  clear(): void;
}

/**
 * The only source of time and timers in weft. Production uses `systemClock`; tests use `FakeClock`, which advances by
 * hand.
 */
export interface Clock {
  /** Monotonic time in milliseconds, fractional. Use for durations and deadlines. */
  nowMs(): number;
  /** Wall-clock time in milliseconds since the epoch. Use for certificates, logs and what users read. */
  wallMs(): number;
  /** Calls `run(argument)` once after `delayMs`. Timers never keep the process alive. */
  after<T>(delayMs: number, run: (argument: T) => void, argument: T): Timer;
  /** Calls `run(argument)` every `intervalMs` until cleared. Timers never keep the process alive. */
  every<T>(intervalMs: number, run: (argument: T) => void, argument: T): Timer;
}
