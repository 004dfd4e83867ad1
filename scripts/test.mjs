// Runs the tests, stage by stage, on every runtime that weft supports, and ends with `N passed, N failed`.
//
// Without --all and without WEFT_TEST_STRICT=1 it leaves out what takes long (the lts and soak stages, and integration tests that
// are not in QUICK_INTEGRATION): less than ten minutes on two cores.
//
//   unit         everything beside the sources, component, conformance and fuzz tests, on the Node that runs this
//   lts          the same on the newest LTS of Node (from its npm package, kept in .build/)
//   bun          what a proxy is made of, on Bun
//   rules        test/rules: what the sources and docs must hold to
//   integration  test/integration: real processes on loopback; test/kubectl: kubectl against a mesh
//   system       test/system: network namespaces, root
//   soak         test/soak: five minutes of mixed load, then nothing may be left
//
// Usage: node scripts/test.mjs [--all] [--only STAGE[,STAGE]] [PATTERN ...]
// PATTERN selects files whose path contains it. A test or stage that cannot run here is a SKIP line, and a failure when
// WEFT_TEST_STRICT=1 (on Bun, single tests may skip themselves). Expects a compiled dist/ (scripts/setup.mjs).
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const STRICT = process.env.WEFT_TEST_STRICT === "1";
const STAGES = ["unit", "lts", "bun", "rules", "integration", "system", "soak"];
const SOAK_MINUTES = 5;
const LTS_VERSION = "26.10.0";
/** What a proxy process loads, and what tests it as a whole. */
const ON_BUN = [
  "src/identity",
  "src/lib",
  "src/net",
  "src/observe",
  "src/proxy",
  "src/random",
  "src/testing",
  "src/time",
];
ON_BUN.push("src/transport", "src/xds", "test/component", "test/conformance", "test/fuzz");
/** Of these, where sockets and streams are Bun's. */
const QUICK_ON_BUN = ["src/proxy", "src/transport", "src/xds"];
/** Tests of one runtime's own API. */
const BUN_ONLY = ["src/transport/bun.test.js"];
const NODE_ONLY = ["src/transport/node.test.js"];
const TEST_LIMIT_MS = 120_000;
const PROCESS_TEST_LIMIT_MS = 900_000;

/** One of each kind of traffic and promise, on real processes. */
const QUICK_INTEGRATION = ["shop", "foreign", "tcp", "resilience", "smi-conformance", "kubectl"];

const { values, positionals } = parseArgs({
  options: { only: { type: "string" }, all: { type: "boolean", default: false } },
  allowPositionals: true,
});
/** Everything is run, however long it takes: also what was asked for by name. */
const isWhole = STRICT || values.all || values.only !== undefined || positionals.length > 0;
const leftOut = [];
const total = { passed: 0, failed: 0, skipped: 0 };

async function main() {
  const stages = values.only === undefined ? STAGES : values.only.split(",");
  const unknown = stages.find((stage) => !STAGES.includes(stage));
  if (unknown !== undefined) throw new Error(`Cannot run stage "${unknown}"; expected ${STAGES.join(", ")}`);
  const runs = {
    unit: runUnit,
    lts: runLts,
    bun: runBun,
    rules: runRules,
    integration: runIntegration,
    system: runSystem,
    soak: runSoak,
  };
  for (const stage of stages) await runs[stage]();
  if (total.passed + total.failed === 0) {
    console.log(positionals.length > 0 ? `No test file matches ${positionals.join(" or ")}` : "No test ran");
    total.failed = 1;
  }
  if (leftOut.length > 0) {
    console.log(`\nLeft out, as they take long: ${leftOut.join(", ")}. \`npm run test:all\` runs them.`);
  }
  console.log(
    `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`,
  );
  process.exitCode = total.failed > 0 ? 1 : 0;
}

// ---- Stages

function runUnit() {
  return runNode(`Node ${process.versions.node}`, process.execPath, { files: unitFiles() });
}

async function runLts() {
  const files = unitFiles();
  if (files.length === 0 || process.versions.node === LTS_VERSION) return;
  if (!isWhole) {
    leftOut.push(`tests on Node ${LTS_VERSION}`);
    return;
  }
  const node = await findLts();
  if (typeof node === "string") await runNode(`Node ${LTS_VERSION}`, node, { files });
  else cannotRun(`tests on Node ${LTS_VERSION}`, node.reason);
}

async function runBun() {
  const all = ON_BUN.flatMap((folder) => findTests(folder)).filter((file) => !NODE_ONLY.includes(file));
  const files = isWhole ? all : all.filter((file) => QUICK_ON_BUN.some((folder) => file.startsWith(`${folder}/`)));
  if (files.length < all.length) leftOut.push(`${all.length - files.length} of ${all.length} files on Bun`);
  if (files.length === 0) return;
  const bun = findBun();
  if (bun === null) cannotRun("tests on Bun", "its optional package @oven/bun-* is not installed");
  else await runOnBun(bun, files);
}

function runRules() {
  return runNode("rules", process.execPath, { files: findTests("test/rules") });
}

function runIntegration() {
  const all = [...findTests("test/integration"), ...findTests("test/kubectl")];
  const files = isWhole ? all : all.filter((file) => QUICK_INTEGRATION.includes(path.basename(file, ".test.js")));
  if (files.length < all.length)
    leftOut.push(`${all.length - files.length} of ${all.length} files of integration tests`);
  return runNode("integration", process.execPath, { files, limitMs: PROCESS_TEST_LIMIT_MS, concurrency: 1 });
}

function runSystem() {
  const files = findTests("test/system");
  return runNode("system", process.execPath, { files, limitMs: PROCESS_TEST_LIMIT_MS, concurrency: 1 });
}

/** Real sidecars for minutes: not for everybody's every run. */
async function runSoak() {
  if (positionals.length > 0) return;
  if (!isWhole) {
    leftOut.push("the soak");
    return;
  }
  const started = start("soak", 1);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const program = path.join(ROOT, "dist", "test", "soak", "main.js");
  const args = ["--enable-source-maps", program, "--minutes", `${SOAK_MINUTES}`];
  const { code } = await execute(process.execPath, args, (line) => {
    const summary = /^(\d+) passed, (\d+) failed$/.exec(line);
    if (summary === null) console.log(line);
    else Object.assign(counts, { passed: Number(summary[1]), failed: Number(summary[2]) });
  });
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
    console.log(`FAIL soak: it ended with code ${code}`);
  }
  finish(started, counts);
}

// ---- Files and runtimes

function unitFiles() {
  const folders = ["src", "test/api", "test/component", "test/conformance", "test/fuzz", "test/simulate", "test/soak"];
  return folders.flatMap((folder) => findTests(folder)).filter((file) => !BUN_ONLY.includes(file));
}

/** Compiled test files under a folder of dist/, relative to dist/, that the patterns select. */
function findTests(folder) {
  const start = path.join(ROOT, "dist", folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true })
    .map((name) => path.posix.join(folder, name.split(path.sep).join("/")))
    .filter((file) => file.endsWith(".test.js"))
    .filter((file) => positionals.length === 0 || positionals.some((pattern) => file.includes(normalise(pattern))))
    .sort();
}

/** People paste names of sources. */
function normalise(pattern) {
  return pattern
    .replace(/^\.\//, "")
    .replace(/^dist\//, "")
    .replace(/\.ts$/, ".js");
}

function findBun() {
  const file = path.join(ROOT, "node_modules", "@oven", `bun-${platform({ arm64: "aarch64" })}`, "bin", "bun");
  return existsSync(file) ? file : null;
}

/** The executable, or why there is none. */
async function findLts() {
  const home = path.join(ROOT, ".build", "node-lts");
  const name = `node-${platform({})}`;
  const package_ = path.join(home, "node_modules", name);
  const executable = path.join(package_, "bin", "node");
  if (readVersion(package_) === LTS_VERSION && existsSync(executable)) return executable;
  mkdirSync(home, { recursive: true });
  const options = ["--no-save", "--prefix", home, "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const known = npm !== undefined && npm.endsWith(".js");
  const args = [...(known ? [npm] : []), "install", ...options, `${name}@${LTS_VERSION}`];
  const { code } = await execute(known ? process.execPath : "npm", args, (line) => console.log(line));
  if (code === 0 && existsSync(executable)) return executable;
  return { reason: `npm cannot install ${name}@${LTS_VERSION}` };
}

function readVersion(folder) {
  try {
    return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")).version;
  } catch {
    return null;
  }
}

function platform(names) {
  return `${process.platform}-${names[process.arch] ?? process.arch}`;
}

// ---- Runners

async function runNode(
  title,
  node,
  { files, limitMs = TEST_LIMIT_MS, concurrency = Math.min(4, availableParallelism()) },
) {
  if (files.length === 0) return;
  const started = start(title, files.length);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const args = ["--enable-source-maps", "--test", `--test-concurrency=${concurrency}`, `--test-timeout=${limitMs}`];
  args.push(`--test-reporter=${path.join(ROOT, "scripts", "brief-reporter.mjs")}`);
  let counted = false;
  const { code } = await execute(node, [...args, ...files.map((file) => path.join(ROOT, "dist", file))], (line) => {
    if (line.startsWith("#counts ")) {
      counted = true;
      Object.assign(counts, JSON.parse(line.slice("#counts ".length)));
    } else console.log(line);
  });
  if (!counted || (code !== 0 && counts.failed === 0)) {
    counts.failed += 1;
    console.log(`FAIL ${title}: the test runner ended with code ${code}`);
  }
  finish(started, counts);
}

async function runOnBun(bun, files) {
  const started = start("Bun", files.length);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const listing = path.join(ROOT, ".build", `bun-${process.pid}.xml`);
  mkdirSync(path.dirname(listing), { recursive: true });
  const args = ["test", `--timeout=${TEST_LIMIT_MS}`, "--reporter=junit", `--reporter-outfile=${listing}`];
  let errors = 0;
  const { code } = await execute(bun, [...args, ...files.map((file) => `./dist/${file}`)], (line) => {
    const summary = /^ *(\d+) (pass|fail|skip|todo|errors?)$/.exec(line);
    if (summary !== null) {
      const count = Number(summary[1]);
      if (summary[2] === "pass") counts.passed = count;
      else if (summary[2] === "fail") counts.failed = count;
      else if (summary[2] === "skip" || summary[2] === "todo") counts.skipped += count;
      else errors = count;
    } else if (line.startsWith("(skip)")) console.log(`SKIP ${line.slice(7)} (on Bun)`);
    else if (!line.startsWith("(pass)") && line !== "" && !/^\S+\.test\.js:$/.test(line)) console.log(line);
  });
  // A file that cannot be loaded is one of the errors; one that has no test would go unnoticed.
  const seen = existsSync(listing) ? readFileSync(listing, "utf8") : "";
  rmSync(listing, { force: true });
  const silent = files.filter((file) => !seen.includes(`name="dist/${file}"`));
  for (const file of silent) console.log(`FAIL dist/${file}: no test ran on Bun`);
  counts.failed += Math.max(0, silent.length - errors);
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
    console.log(`FAIL Bun: the test runner ended with code ${code}`);
  }
  // A test that does not apply to Bun skips itself; it did run on Node.
  finish(started, counts, { maySkip: true });
}

function start(title, count) {
  console.log(`\n== ${title}: ${count} ${count === 1 ? "file" : "files"}`);
  return { title, startMs: performance.now() };
}

function finish({ title, startMs }, counts, { maySkip = false } = {}) {
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(
    `== ${title}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${seconds} s`,
  );
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  if (STRICT && !maySkip && counts.skipped > 0) {
    console.log(`FAIL ${title}: ${counts.skipped} tests were skipped, and WEFT_TEST_STRICT=1 allows none`);
    total.failed += counts.skipped;
  }
}

function cannotRun(what, reason) {
  console.log(`\n${STRICT ? "FAIL" : "SKIP"} ${what}: ${reason}`);
  total[STRICT ? "failed" : "skipped"] += 1;
}

/** Runs a program to its end, handing on every line it prints; a signal to us ends it too. */
function execute(command, args, onLine) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    const stop = (signal) => child.kill(signal);
    process.on("SIGINT", stop).on("SIGTERM", stop);
    const open = [child.stdout, child.stderr].map((stream) => {
      const lines = createInterface({ input: stream });
      lines.on("line", onLine);
      return new Promise((closed) => lines.on("close", closed));
    });
    const end = async (code, signal) => {
      await Promise.all(open);
      process.off("SIGINT", stop).off("SIGTERM", stop);
      resolve({ code: code ?? signal });
    };
    child.on("error", (error) => {
      console.log(error.message);
      resolve({ code: 127 });
    });
    child.on("exit", end);
  });
}

await main();
