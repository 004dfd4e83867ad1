import { systemClock } from "../../src/time/system-clock.ts";

const INTERVAL_MS = 20;

/**
 * Asks `probe` until it gives something (not null, not false), at most `limitMs`; then fails with `label` and the last
 * error of the probe. For conditions that nobody announces; what prints a line is waited for with `Mesh.line`.
 */
export async function waitUntil<T>(
  label: string,
  probe: () => Promise<T | null | false> | T | null | false,
  limitMs: number = 20_000,
): Promise<T> {
  const startedMs = systemClock.nowMs();
  let lastError: unknown = null;
  for (;;) {
    try {
      const found = await probe();
      if (found !== null && found !== false) return found;
      lastError = null;
    } catch (error) {
      lastError = error;
    }
    if (systemClock.nowMs() - startedMs > limitMs) {
      throw new Error(`Waited ${limitMs} ms for: ${label}`, { cause: lastError });
    }
    await pause(INTERVAL_MS);
  }
}

/** The clock's timers do not keep a process alive; a message port does. Only for load and for probing. */
export function pause(ms: number): Promise<void> {
  const holder = new MessageChannel().port1;
  holder.ref();
  return new Promise((resolve) => {
    systemClock.after(
      ms,
      () => {
        holder.close();
        resolve();
      },
      undefined,
    );
  });
}
