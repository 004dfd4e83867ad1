import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WeftError } from "../lib/weft-error.ts";

export interface StateLock {
  /** Gives the folder free. */
  release(): void;
}

/** What the lock file says of its holder. */
interface Holder {
  readonly pid: number;
  /** Tells a process from a later one with the same pid; null where the platform does not say. */
  readonly birth: string | null;
  /** Different for every lock taken. */
  readonly nonce: string;
}

const FILE = "lock";

/**
 * Makes this process the only control plane on a state folder. The lock is a file that names its holder; it is made
 * with its content in one step, and taken over when the holder is dead (also after `kill -9` or a power cut). Throws
 * WEFT_CONTROL_LOCKED when the holder lives.
 */
export function acquireStateLock(folder: string): StateLock {
  const path = join(folder, FILE);
  const own = JSON.stringify({
    pid: process.pid,
    birth: readBirth(process.pid),
    nonce: randomBytes(12).toString("hex"),
  } satisfies Holder);
  for (;;) {
    if (tryCreate(path, own)) break;
    const found = read(path);
    if (found === null) continue; // Released meanwhile.
    assertDead(found, folder, path);
    removeStale(path, found);
  }
  // Of several processes that took over one dead holder's lock at once, the one whose content stands has it.
  if (read(path) !== own) throw locked(folder, "another process that started at the same time");
  return {
    release: () => {
      if (read(path) === own) rmSync(path, { force: true });
    },
  };
}

/** Linking a complete file makes name and content appear together, and fails when the name exists. */
function tryCreate(path: string, content: string): boolean {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600, flag: "wx" });
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new WeftError(
      "WEFT_STATE_WRITE",
      `Cannot lock the state folder: ${(error as Error).message}; expected a file system with hard links`,
      { cause: error },
    );
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Takes the file away only while it still is the dead holder's; a newer lock is put back. */
function removeStale(path: string, content: string): void {
  const aside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    renameSync(path, aside);
  } catch {
    return; // Somebody else removed it.
  }
  try {
    if (read(aside) !== content) linkSync(aside, path);
  } catch {
    // A third process has the name by now; the one we moved finds out when it reads its lock back.
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function assertDead(content: string, folder: string, path: string): void {
  const { pid, birth } = parse(content, path);
  if (!isAlive(pid)) return;
  // The pid may have been given to another program since, after a restart of the machine above all.
  if (birth !== null && birth !== readBirth(pid)) return;
  throw locked(folder, `process ${pid}`);
}

function parse(content: string, path: string): Holder {
  try {
    const holder = JSON.parse(content) as Holder;
    if (Number.isInteger(holder.pid) && holder.pid > 0) return holder;
  } catch {
    // Reported below.
  }
  throw new WeftError(
    "WEFT_CONTROL_LOCKED",
    `Cannot read the lock "${path}": found ${JSON.stringify(content.slice(0, 80))}; expected what a control plane wrote`,
    {
      hint: `Make sure that no control plane runs on this folder, then remove "${path}"`,
    },
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Linux: the boot and the tick the process was born in. */
function readBirth(pid: number): string | null {
  if (process.platform !== "linux") return null;
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // Field 22; the second one is the command in parentheses and may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return `${boot}/${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""}`;
  } catch {
    return null;
  }
}

function locked(folder: string, holder: string): WeftError {
  return new WeftError(
    "WEFT_CONTROL_LOCKED",
    `Cannot start a control plane on "${folder}": found it in use by ${holder}; expected no other control plane`,
    {
      hint: "Use the mesh that runs already, stop it first, or start this one with another state folder",
    },
  );
}
