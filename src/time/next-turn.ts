import { setImmediate } from "node:timers";

/** Resolves after the platform has looked at all sockets once more. For set-up and tests, never on the request path. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
