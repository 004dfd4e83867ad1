// What must hold before a commit: format, lint, types, unit and component tests, rules. Runs all of it and tells at the
// end what failed. About half a minute; `npm test` also runs on the other runtimes, and the integration tests.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const BIN = path.join(ROOT, "node_modules", ".bin");

// Types are checked by the compilation that scripts/setup.mjs has just made.
const CHECKS = [
  ["format", path.join(BIN, "oxfmt"), ["--check"]],
  ["lint", path.join(BIN, "oxlint"), ["--type-aware", "--deny-warnings"]],
  ["tests and rules", process.execPath, [path.join("scripts", "test.mjs"), "--only", "unit,rules"]],
];

const failed = [];
for (const [name, command, args] of CHECKS) {
  console.log(`\n-- ${name}`);
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  if (error !== undefined) console.log(error.message);
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? "\nok" : `\nnot ok: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
