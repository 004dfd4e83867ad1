import { MessageChannel } from "node:worker_threads";
import { systemClock } from "../time/system-clock.ts";

/** How long a test waits for something that should come at once: far above what two busy cores need. */
const LIMIT_MS = 20_000;

/** Waits for `promise`, and fails with `label` when it has not settled after 20 s. For events, never for time. */
export function within<T>(label: string | (() => string), promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = systemClock.after(LIMIT_MS, expire, () => {
      reject(new Error(`waited ${LIMIT_MS} ms for: ${typeof label === "string" ? label : label()}`));
    });
    promise.then(resolve, reject).finally(() => timer.clear());
  });
}

/**
 * As `within`, where nothing else may keep the process alive: in memory there is no socket, and timers of weft keep none. For
 * what surely comes, as it holds the process for up to 20 s.
 */
export function withinAwake<T>(label: string | (() => string), promise: Promise<T>): Promise<T> {
  const hold = new MessageChannel();
  hold.port1.on("message", () => undefined);
  return within(label, promise).finally(() => hold.port1.close());
}

function expire(fail: () => void): void {
  fail();
}
