import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * The path of a program that a test needs; "" with a loud reason in `skip` when this machine does not have it; with
 * WEFT_TEST_STRICT=1 that is a failure instead.
 */
export function findProgram(name: string): { readonly path: string; readonly skip: false | string } {
  // Debian keeps servers where a user's PATH may not look.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const path = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (path !== undefined) return { path, skip: false };
  const reason = `${name} is not installed`;
  if (isStrict()) throw new Error(`${reason}, and WEFT_TEST_STRICT=1 allows no skips`);
  return { path: "", skip: reason };
}

export function isStrict(): boolean {
  return process.env["WEFT_TEST_STRICT"] === "1";
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
