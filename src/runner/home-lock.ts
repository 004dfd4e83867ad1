import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WeftError } from "../lib/weft-error.ts";
import { isProcessAlive, readProcessStamp } from "./process-stamp.ts";

export interface HomeLock {
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly stamp: string | null;
}

const ATTEMPTS = 5;

/**
 * Makes this process the only `weft up` of a home. Throws WEFT_UP_RUNNING when another one holds it; a lock whose holder
 * is gone (it was killed, or the machine restarted) is taken over.
 */
export function lockHome(home: string): HomeLock {
  const path = join(home, "lock");
  const own: Holder = { pid: process.pid, stamp: readProcessStamp(process.pid) };
  const offered = join(home, `lock.${process.pid}`);
  writeFileSync(offered, JSON.stringify(own), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (tryLink(offered, path)) return { release: () => release(path, own) };
      const holder = readHolder(path);
      if (holder !== null && isProcessAlive(holder.pid, holder.stamp)) throw createRunningError(home, holder);
      removeStale(path, holder);
    }
  } finally {
    rmSync(offered, { force: true });
  }
  throw new WeftError(
    "WEFT_UP_LOCK",
    `Cannot lock "${home}": found a lock that changes all the time; expected one \`weft up\` at a time`,
    {
      hint: "Try again",
    },
  );
}

/** Creating a hard link fails when the name exists: that decides between two that start at once. */
function tryLink(offered: string, path: string): boolean {
  try {
    linkSync(offered, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Null when the file is gone or holds no lock. */
function readHolder(path: string): Holder | null {
  try {
    const { pid, stamp } = JSON.parse(readFileSync(path, "utf8")) as Partial<Record<keyof Holder, unknown>>;
    if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) return null;
    return { pid, stamp: typeof stamp === "string" ? stamp : null };
  } catch {
    return null;
  }
}

/** Moves the lock aside first, so that of two who saw the same stale lock neither removes the other's fresh one. */
function removeStale(path: string, seen: Holder | null): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readHolder(aside);
  if (moved?.pid !== seen?.pid || moved?.stamp !== seen?.stamp) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function release(path: string, own: Holder): void {
  if (readHolder(path)?.pid === own.pid) rmSync(path, { force: true });
}

function createRunningError(home: string, holder: Holder): WeftError {
  return new WeftError(
    "WEFT_UP_RUNNING",
    `Cannot start the mesh of "${home}": found \`weft up\` running already, process ${holder.pid}; expected none`,
    {
      hint: `Look at it with \`weft stat\`, add a service to it with \`weft run\`, or stop it first: kill ${holder.pid}`,
      details: { pid: holder.pid },
    },
  );
}
