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
    // Timers of weft keep no process alive, and a test in memory may wait for nothing else.
    const hold = new MessageChannel();
    hold.port1.on("message", () => undefined);
    promise.then(resolve, reject).finally(() => {
      timer.clear();
      hold.port1.close();
    });
  });
}

function expire(fail: () => void): void {
  fail();
}
