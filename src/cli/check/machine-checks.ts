import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { type CheckResult, toResult } from "./check-result.ts";

const SECTION = "this machine";
/** package.json `engines`. */
const MIN_NODE: readonly [number, number] = [20, 19];

/** The Bun that npm installs with weft as an optional dependency, or null. */
export function findBundledBun(platform: string, arch: string): string | null {
  const cpu = arch === "arm64" ? "aarch64" : arch;
  try {
    const manifest = createRequire(import.meta.url).resolve(`@oven/bun-${platform}-${cpu}/package.json`);
    const binary = manifest.replace(/package\.json$/, "bin/bun");
    return existsSync(binary) ? binary : null;
  } catch {
    return null;
  }
}

export interface Machine {
  /** `process.versions.node`. */
  readonly nodeVersion: string;
  readonly bun: string | null;
}

export function checkMachine(machine: Machine): readonly CheckResult[] {
  const [major = 0, minor = 0] = machine.nodeVersion.split(".").map(Number);
  const isOld = major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1]);
  const minimum = MIN_NODE.join(".");
  return [
    toResult(
      SECTION,
      `Node is ${minimum} or newer`,
      isOld ? { found: [`Node ${machine.nodeVersion}`], hint: `Install Node ${minimum} or newer` } : null,
    ),
    toResult(
      SECTION,
      "Bun is installed, so proxies use the fast transport",
      machine.bun !== null
        ? null
        : {
            outcome: "warning",
            found: ["no @oven/bun package for this platform: proxies run on Node"],
            hint: "Run `npm install` with optional dependencies; weft works without, with less throughput",
          },
    ),
  ];
}
