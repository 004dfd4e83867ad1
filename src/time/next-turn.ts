import { setImmediate } from "node:timers";

/** Resolves after the platform has looked at all sockets once more. For set-up and tests, never on the request path. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Calls `run` once the callbacks of all sockets that are ready now have run, before the platform waits for more. */
export function afterTurn(run: () => void): void {
  setImmediate(run);
}
