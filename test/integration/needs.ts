import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { ROOT } from "./mesh.ts";

/** Where `.ci/run` puts what no package of the system has. */
export const TOOLS: string = join(ROOT, ".build", "tools");

/**
 * The path of a program that a test needs; "" with a loud reason in `skip` when this machine does not have it; with
 * WEFT_TEST_STRICT=1 that is a failure instead.
 */
export function findProgram(name: string): { readonly path: string; readonly skip: false | string } {
  // Debian keeps servers where a user's PATH may not look.
  const folders = [TOOLS, ...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
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

/** As `findProgram`, a Python that has `module`: the one that `.ci/run` made, or the system's. */
export function findPythonWith(module: string): { readonly path: string; readonly skip: false | string } {
  const candidates = [join(TOOLS, "python", "bin", "python3"), "python3"];
  const path = candidates.find((python) => spawnSync(python, ["-c", `import ${module}`]).status === 0);
  if (path !== undefined) return { path, skip: false };
  const reason = `no Python with the module ${module} is installed (.ci/run says how)`;
  if (isStrict()) throw new Error(`${reason}, and WEFT_TEST_STRICT=1 allows no skips`);
  return { path: "", skip: reason };
}
