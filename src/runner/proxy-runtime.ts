import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WeftError } from "../lib/weft-error.ts";

export interface ProxyRuntime {
  readonly name: "bun" | "node";
  /** The executable. */
  readonly file: string;
}

const BUN_OS: Readonly<Record<string, string>> = { linux: "linux", darwin: "darwin" };
const BUN_ARCH: Readonly<Record<string, string>> = { x64: "x64", arm64: "aarch64" };

/**
 * What proxies run on: Bun where its package is installed (it carries more requests per core), else this Node.
 * `override` is WEFT_RUNTIME; throws WEFT_RUNTIME when that is neither or Bun is not there.
 */
export function chooseProxyRuntime(override: string | undefined): ProxyRuntime {
  const node: ProxyRuntime = { name: "node", file: process.execPath };
  if (override !== undefined && !["", "bun", "node"].includes(override)) {
    throw new WeftError(
      "WEFT_RUNTIME",
      `Cannot choose a runtime for proxies: found WEFT_RUNTIME="${override}"; expected bun or node`,
    );
  }
  if (override === "node") return node;
  const file = findBun();
  if (file !== null) return { name: "bun", file };
  if (override !== "bun") return node;
  throw new WeftError(
    "WEFT_RUNTIME",
    "Cannot run proxies on Bun: found no Bun for this platform beside weft; expected the optional package",
    {
      hint: "Install again with optional packages (npm install --include=optional), or set WEFT_RUNTIME=node",
    },
  );
}

function findBun(): string | null {
  const os = BUN_OS[process.platform];
  const arch = BUN_ARCH[process.arch];
  if (os === undefined || arch === undefined) return null;
  try {
    const description = createRequire(import.meta.url).resolve(`@oven/bun-${os}-${arch}/package.json`);
    const file = join(dirname(description), "bin", "bun");
    return existsSync(file) ? file : null;
  } catch {
    return null;
  }
}

/**
 * What a proxy's program is started with. On Node every read is a buffer outside V8's heap; with V8's defaults those make
 * it collect its whole heap several times a second (a fifth to a third of the proxy's time on Node 26), because the young
 * generation, where they die, is rarely full. A small young generation and a heap that may first grow prevent that.
 */
export function proxyParameters(runtime: ProxyRuntime["name"]): readonly string[] {
  const script = resolveOwnScript("weft-proxy.js");
  return runtime === "node" ? ["--max-semi-space-size=4", "--initial-old-space-size=128", script] : [script];
}

/**
 * What the control plane's program is started with. A young generation as small as a proxy's: when a thousand proxies
 * connect, what survives of a larger one for a while is some 30 MB that it never needs again.
 */
export function controlPlaneParameters(): readonly string[] {
  return ["--max-semi-space-size=4", resolveOwnScript("weft-control.js")];
}

/**
 * What is added to the control plane's environment. glibc keeps large blocks that were freed for blocks to come, more of them
 * the larger they were; what is written to a thousand proxies would stay for ever, some 100 MB. Nobody else reads these names.
 */
export const CONTROL_PLANE_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};

/** The script of one of weft's own processes, beside this one in the build. */
export function resolveOwnScript(name: "weft-control.js" | "weft-proxy.js"): string {
  return fileURLToPath(new URL(`../bin/${name}`, import.meta.url));
}
