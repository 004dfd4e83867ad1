// Runs test files many times while busy loops take the cores, to find a test that depends on luck.
//
// Usage: npm run deflake -- PATTERN [--runs 200] [--on node|bun]
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
/** The loops end by themselves, should nobody end them. */
const LONGEST_MS = 3_600_000;

const { values, positionals } = parseArgs({
  options: { runs: { type: "string", default: "200" }, on: { type: "string", default: "node" } },
  allowPositionals: true,
});
const runs = Number(values.runs);
const files = positionals.length === 0 ? [] : findTests();
if (files.length === 0 || !Number.isInteger(runs) || runs < 1) {
  console.error(
    "Usage: npm run deflake -- PATTERN [--runs 200] [--on node|bun]; PATTERN must select test files in dist/",
  );
  process.exit(2);
}

const loops = Array.from({ length: Math.max(2, availableParallelism()) }, () =>
  spawn(process.execPath, ["-e", `const end = Date.now() + ${LONGEST_MS}; while (Date.now() < end);`], {
    stdio: "ignore",
  }),
);
const stopLoops = () => {
  for (const loop of loops) loop.kill("SIGKILL");
};
process.on("exit", stopLoops);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

console.log(`${files.length} ${files.length === 1 ? "file" : "files"}, ${runs} runs each, ${loops.length} busy loops`);
let failures = 0;
for (const file of files) failures += deflake(file);
stopLoops();
console.log(`${files.length * runs - failures} passed, ${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;

function deflake(file) {
  const bun = path.join(ROOT, "node_modules", "@oven", bunPackage(), "bin", "bun");
  const [command, args] =
    values.on === "bun" ? [bun, ["test", "--timeout=120000", `./${file}`]] : [process.execPath, ["--test", file]];
  let failed = 0;
  const startMs = performance.now();
  for (let count = 1; count <= runs; count += 1) {
    const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
    if (status === 0) continue;
    failed += 1;
    // The first failure in full; the rest are counted.
    if (failed === 1) console.log(`run ${count} of ${file} failed:\n${error?.message ?? stdout + stderr}`);
  }
  console.log(`${file}: ${failed} of ${runs} failed, ${((performance.now() - startMs) / runs).toFixed(0)} ms a run`);
  return failed;
}

function bunPackage() {
  return `bun-${process.platform}-${process.arch === "arm64" ? "aarch64" : process.arch}`;
}

function findTests() {
  const dist = path.join(ROOT, "dist");
  if (!existsSync(dist)) return [];
  return readdirSync(dist, { recursive: true })
    .map((name) => `dist/${name.split(path.sep).join("/")}`)
    .filter((file) => file.endsWith(".test.js"))
    .filter((file) => positionals.some((pattern) => file.includes(pattern.replace(/\.ts$/, ".js"))));
}
