import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isProcessAlive, readProcessStamp } from "./process-stamp.ts";
import type { ProcessRecord } from "./spawn-child.ts";

/** Leader of a process group that this home's runner started. */
interface Entry {
  readonly pid: number;
  readonly stamp: string | null;
  readonly title: string;
}

/**
 * The process groups that live now, in `processes.json` of a folder: what is left of them after `kill -9` of the runner
 * is ended by the next one.
 */
export class ProcessJournal implements ProcessRecord {
  readonly #path: string;
  readonly #entries = new Map<number, Entry>();

  /** `folder`: the home for `weft up`; a folder of its own in it for each `weft run`. */
  constructor(folder: string) {
    this.#path = join(folder, "processes.json");
  }

  add(pid: number, title: string): void {
    this.#entries.set(pid, { pid, stamp: readProcessStamp(pid), title });
    this.#write();
  }

  remove(pid: number): void {
    if (this.#entries.delete(pid)) this.#write();
  }

  /** Ends what an earlier runner left behind, at once; returns the titles. Call before the first `add`. */
  endLeftovers(): readonly string[] {
    const ended: string[] = [];
    for (const entry of readEntries(this.#path)) {
      if (!isProcessAlive(entry.pid, entry.stamp)) continue;
      try {
        process.kill(-entry.pid, "SIGKILL");
        ended.push(entry.title);
      } catch {
        // Gone since, or no longer a group of ours.
      }
    }
    this.#write();
    return ended;
  }

  /** Call when every process is gone. */
  close(): void {
    rmSync(this.#path, { force: true });
  }

  #write(): void {
    const next = `${this.#path}.next`;
    writeFileSync(next, `${JSON.stringify([...this.#entries.values()])}\n`, { mode: 0o600 });
    renameSync(next, this.#path);
  }
}

function readEntries(path: string): readonly Entry[] {
  try {
    const entries: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(entries) ? entries.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  const { pid, stamp, title } = (value ?? {}) as Partial<Record<keyof Entry, unknown>>;
  const isStamp = stamp === null || typeof stamp === "string";
  return typeof pid === "number" && Number.isInteger(pid) && pid > 1 && isStamp && typeof title === "string";
}
