// Makes a clone ready to run: packages installed, protobuf code generated, TypeScript compiled into dist/. Does only what
// is missing or out of date, and nothing when all is well (about 0.1 s). Every npm script starts with it.
//
// Usage: node scripts/setup.mjs [--build]     --build compiles even when nothing changed
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const OLDEST_NODE = [20, 19];
const SOURCE_FOLDERS = ["src", "test", "bench"];
const DIST = path.join(ROOT, "dist");
const STAMP = path.join(DIST, ".weft-build");

class SetupError extends Error {}

function main() {
  assertNodeVersion();
  if (!packagesAreCurrent()) installPackages();
  run("Cannot generate the protobuf code", process.execPath, [path.join("scripts", "generate-protos.mjs")]);
  const signature = signSources();
  if (!process.argv.includes("--build") && builtSignature() === signature) return;
  compile(signature);
}

function assertNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new SetupError(
    `Cannot run weft on Node ${process.versions.node}: expected ${oldestMajor}.${oldestMinor} or newer\n` +
      "Install the newest LTS of Node, and start again",
  );
}

// ---- Packages

/** True when what is installed is what package-lock.json asks for. Optional packages may be missing: not every platform has them. */
function packagesAreCurrent() {
  const installed = readLock(path.join("node_modules", ".package-lock.json"));
  if (installed === null) return false;
  const wanted = readLock("package-lock.json");
  if (wanted === null) throw new SetupError("Cannot read package-lock.json: the clone is not complete");
  for (const [name, entry] of Object.entries(wanted.packages)) {
    if (name === "") continue;
    const found = installed.packages[name];
    if (found === undefined ? entry.optional !== true : found.version !== entry.version) return false;
  }
  return true;
}

function readLock(file) {
  try {
    return JSON.parse(readFileSync(path.join(ROOT, file), "utf8"));
  } catch {
    return null;
  }
}

/**
 * `npm install --no-save`, which installs exactly what the lock file says. `npm ci` would refuse a lock file that was
 * written where the registry does not offer some other platform's optional package.
 */
function installPackages() {
  const options = [
    "--no-save",
    "--omit-lockfile-registry-resolved",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const npm = process.env.npm_execpath;
  say("installing packages (npm install)", () => {
    // npm tells its scripts where it is, which also works where "npm" is a .cmd file.
    if (npm !== undefined && npm.endsWith(".js"))
      run("Cannot install packages", process.execPath, [npm, "install", ...options]);
    else run("Cannot install packages", "npm", ["install", ...options]);
  });
  if (!packagesAreCurrent()) throw new SetupError("Cannot install packages: npm ended well, but some are missing");
}

// ---- TypeScript

/** Changes with every source file, by path, size and time, and with whatever else the compiler reads. */
function signSources() {
  const hash = createHash("sha256");
  const files = SOURCE_FOLDERS.flatMap((folder) => listFiles(path.join(ROOT, folder), (name) => name.endsWith(".ts")));
  for (const name of [
    "tsconfig.json",
    "package.json",
    path.join("gen", "protos.d.ts"),
    path.join("node_modules", ".package-lock.json"),
  ]) {
    files.push(path.join(ROOT, name));
  }
  for (const file of files) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${path.relative(ROOT, file)} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function listFiles(folder, isWanted) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && isWanted(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function builtSignature() {
  try {
    return readFileSync(STAMP, "utf8");
  } catch {
    return null;
  }
}

/** Compiles beside dist/ and puts the result in its place at the end, so dist/ is whole at any moment or not there. */
function compile(signature) {
  say("compiling", () => {
    const next = path.join(ROOT, ".build", `dist-${process.pid}`);
    const previous = path.join(ROOT, ".build", `dist-old-${process.pid}`);
    rmSync(next, { recursive: true, force: true });
    mkdirSync(next, { recursive: true });
    try {
      const tsc = path.join("node_modules", "typescript", "bin", "tsc");
      run("Cannot compile", process.execPath, [tsc, "-p", ".", "--outDir", next]);
      writeFileSync(path.join(next, ".weft-build"), signature);
      if (existsSync(DIST)) renameSync(DIST, previous);
      renameSync(next, DIST);
    } finally {
      rmSync(next, { recursive: true, force: true });
      rmSync(previous, { recursive: true, force: true });
    }
  });
}

// ---- Running and telling

function run(failure, command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (error !== undefined) throw new SetupError(`${failure}: ${error.message}`);
  if (status !== 0)
    throw new SetupError(`${failure}: ${path.basename(command)} ended with ${signal ?? `code ${status}`}`);
}

function say(what, act) {
  const startMs = performance.now();
  console.error(`weft setup: ${what} ...`);
  act();
  console.error(`weft setup: ${what}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`weft setup: ${error.message}`);
  process.exitCode = 1;
}
