import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { WeftError } from "./weft-error.ts";

/**
 * Files that hold secrets: readable by their owner alone, replaced whole, and on the disk before the call returns. What
 * others can read is refused rather than repaired, because it may have been read already. Windows has no such modes;
 * there the folder's own access list is what protects them.
 */

const HAS_MODES = process.platform !== "win32";
const OTHERS = 0o077;

/** Creates the folder (0700) with its parents when missing. Throws WEFT_STATE_PERMISSIONS when others may enter it. */
export function openPrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new WeftError(
      "WEFT_STATE_FOLDER",
      `Cannot create the state folder "${path}": ${describe(error)}; expected to write there`,
      {
        hint: "Name a folder that this user may write to",
        cause: error,
      },
    );
  }
  assertPrivate(path, "0700");
}

/** The file's text, or null when there is none. Throws WEFT_STATE_PERMISSIONS when others may read it. */
export function readPrivateFile(path: string): string | null {
  try {
    assertPrivate(path, "0600");
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof WeftError) throw error;
    if (codeOf(error) === "ENOENT") return null;
    throw new WeftError("WEFT_STATE_READ", `Cannot read "${path}": ${describe(error)}; expected a file of this user`, {
      cause: error,
    });
  }
}

/** Replaces the file in one step (0600): a reader, or a start after a crash, sees all of the old text or all of the new. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new WeftError(
      "WEFT_STATE_WRITE",
      `Cannot write "${path}": ${describe(error)}; expected room and permission there`,
      {
        cause: error,
      },
    );
  }
}

/** A renamed, created or removed name survives a crash of the machine only when its folder was synced. */
export async function syncFolder(path: string): Promise<void> {
  if (!HAS_MODES) return; // Windows cannot open folders, and keeps its names in order by itself.
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function assertPrivate(path: string, expectedMode: "0600" | "0700"): void {
  const stat = lstatSync(path);
  if (!HAS_MODES) return;
  if (stat.isSymbolicLink()) {
    throw refuse(
      path,
      "a symbolic link",
      `a ${expectedMode === "0700" ? "folder" : "file"} of its own`,
      `Remove the link "${path}"`,
    );
  }
  const uid = process.getuid?.();
  if (uid !== undefined && stat.uid !== uid) {
    throw refuse(path, `owner ${stat.uid}`, `owner ${uid}`, `Run as its owner, or: chown ${uid} "${path}"`);
  }
  if ((stat.mode & OTHERS) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw refuse(path, `mode ${mode}`, `${expectedMode}, for its owner alone`, `chmod ${expectedMode} "${path}"`);
  }
}

function refuse(path: string, found: string, expected: string, hint: string): WeftError {
  return new WeftError(
    "WEFT_STATE_PERMISSIONS",
    `Cannot use "${path}" for secrets: found ${found}; expected ${expected}`,
    { hint },
  );
}

function describe(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.message : String(error));
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
