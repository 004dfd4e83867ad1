import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/time/system-clock.ts";
import { type AckRow, type LoadOrder, type LoadReport, unpackRow } from "./load-orders.ts";

/** One load process: enough for a thousand proxies, and one core is left for the control plane. */
export class LoadFleet {
  readonly #child: ChildProcess;
  readonly #rows: AckRow[] = [];
  #disconnects = 0;
  #lastFailure: string | null = null;
  #hasExited = false;
  #onReport: (() => void) | null = null;

  constructor() {
    const path = fileURLToPath(new URL("./load-process.js", import.meta.url));
    this.#child = fork(path, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child.on("message", (report: LoadReport) => {
      for (const packed of report.rows) this.#rows.push(unpackRow(packed));
      this.#disconnects = report.disconnects;
      this.#lastFailure = report.lastFailure;
      this.#onReport?.();
    });
    this.#child.on("exit", () => {
      this.#hasExited = true;
      this.#onReport?.();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  start(order: LoadOrder): void {
    this.#child.send(order);
  }

  disconnects(): number {
    return this.#disconnects;
  }

  /** Takes all rows reported so far. */
  take(): AckRow[] {
    return this.#rows.splice(0);
  }

  /** Resolves with all rows since the last take when `isDone` says so; rejects after `limitMs`, saying what was missing. */
  async until(isDone: (rows: readonly AckRow[]) => boolean, limitMs: number, what: string): Promise<AckRow[]> {
    const startedMs = systemClock.nowMs();
    while (!isDone(this.#rows)) {
      if (this.#hasExited) throw new Error("The load process ended; its output says why");
      const leftMs = limitMs - (systemClock.nowMs() - startedMs);
      if (leftMs <= 0) {
        throw new Error(
          `${what} did not happen within ${limitMs} ms; ${this.#rows.length} answers came, the last failure: ${this.#lastFailure}`,
        );
      }
      await this.#nextReport(leftMs);
    }
    return this.take();
  }

  /** Resolves when `isDone` says so and then nothing was reported for `quietMs`; the rows stay. */
  async settleAfter(isDone: (rows: readonly AckRow[]) => boolean, limitMs: number, quietMs: number): Promise<void> {
    const rows = await this.until(isDone, limitMs, "A change");
    this.#rows.unshift(...rows);
    await this.settle(quietMs);
  }

  /** Resolves when nothing was reported for `quietMs`. */
  async settle(quietMs: number): Promise<void> {
    while (await this.#nextReport(quietMs)) if (this.#hasExited) return;
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** False when there was none in this time. */
  #nextReport(limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = systemClock.after(limitMs, () => settle(false), undefined);
      const settle = (hasCome: boolean): void => {
        timer.clear();
        this.#onReport = null;
        resolve(hasCome);
      };
      this.#onReport = () => settle(true);
    });
  }
}
