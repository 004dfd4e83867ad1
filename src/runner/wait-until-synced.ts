import type { ProxyStatus } from "../control/views.ts";
import type { Clock } from "../time/clock.ts";

export interface WaitUntilSyncedOptions {
  readonly clock: Clock;
  readonly proxies: () => Promise<readonly ProxyStatus[]>;
  /** How many proxies should be connected. */
  readonly expected: number;
  readonly isStopping: () => boolean;
}

const POLL_MS = 40;
/** A proxy that stays behind is shown by `weft proxy list`; it must not keep the word "ready" from being said for ever. */
const LIMIT_MS = 10_000;

/** Resolves when all proxies have acknowledged all that is for them, twice in a row: the first look may come before a change was sent. */
export async function waitUntilSynced({ clock, proxies, expected, isStopping }: WaitUntilSyncedOptions): Promise<void> {
  const startMs = clock.nowMs();
  let inARow = 0;
  while (inARow < 2 && !isStopping() && clock.nowMs() - startMs < LIMIT_MS) {
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve, undefined));
    try {
      const connected = (await proxies()).filter((proxy) => proxy.connected);
      const areSynced = connected.length >= expected && connected.every((proxy) => proxy.state === "SYNCED");
      inARow = areSynced ? inARow + 1 : 0;
    } catch {
      inARow = 0;
    }
  }
}
