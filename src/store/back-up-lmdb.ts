import { chmodSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { open } from "lmdb";
import { openPrivateFolder } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";

/**
 * Copies a store on the local disk as of one moment, also while a control plane writes to it. `target` is a folder that is
 * empty or missing; it becomes one that `openLmdbStore` opens. Throws WEFT_STORE_BACKUP.
 */
export async function backUpLmdbStore(path: string, target: string): Promise<void> {
  if (!existsSync(join(path, "data.mdb"))) throw backupError(path, "no store there", null);
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw backupError(path, `files in "${target}" already`, null);
  }
  openPrivateFolder(target);
  try {
    const root = open({ path, noSubdir: false, encoding: "json", maxDbs: 4, readOnly: true });
    try {
      await root.backup(target, true);
    } finally {
      await root.close();
    }
    for (const file of readdirSync(target)) chmodSync(join(target, file), 0o600);
  } catch (error) {
    throw backupError(path, error instanceof Error ? error.message : String(error), error);
  }
}

function backupError(path: string, found: string, cause: unknown): WeftError {
  return new WeftError(
    "WEFT_STORE_BACKUP",
    `Cannot back up the store "${path}": found ${found}; expected a store, and an empty folder to copy it to`,
    { cause, hint: "Name a new folder on a disk with room" },
  );
}
