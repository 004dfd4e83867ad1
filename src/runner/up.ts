import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CliContext } from "../cli/context.ts";
import { WeftError } from "../lib/weft-error.ts";
import { ControlPlane } from "./control-plane.ts";
import { createOwnProcessEnvironment } from "./environment.ts";
import { openHome, openLog } from "./home.ts";
import { createSpawnChild } from "./spawn-child.ts";

// Imports here are few and small: until the control plane's process is started nothing else happens.

export interface UpOptions {
  /** weft.yaml, or its folder; left out: the nearest one upward. */
  readonly file: string | undefined;
  /** Chosen by `--home` or WEFT_HOME; null: `.weft` beside weft.yaml. */
  readonly home: string | null;
  readonly isQuiet: boolean;
  readonly hasAccessLog: boolean;
  readonly api: ApiSettings;
  /** 0 = any free. */
  readonly xdsPort: number;
}

/** Where the API listens, and as whom. */
export interface ApiSettings {
  readonly address: string;
  /** 0 = any free. */
  readonly port: number;
  /** Further names by which it is reached. */
  readonly names: readonly string[];
  /** The user's own certificate, relative to the working folder; null: the mesh's. */
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string } | null;
}

/** Set once there is somebody to tell. */
export interface ControlPlaneListener {
  onBack: () => void;
  onProblem: (message: string) => void;
}

const DEFAULT_FILE = "weft.yaml";

/** Runs a mesh until it is interrupted. Resolves when no process of it is left. */
export async function runUp(context: CliContext, options: UpOptions): Promise<void> {
  const { clock, cwd, environment } = context;
  const path = findWeftYaml(cwd, options.file);
  const home = openHome(options.home === null ? join(path, "..", ".weft") : resolve(cwd, options.home));
  try {
    const listener: ControlPlaneListener = { onBack: () => undefined, onProblem: () => undefined };
    const spawn = createSpawnChild(clock, home.journal);
    const control = new ControlPlane({
      clock,
      spawn,
      home: home.path,
      token: home.token,
      logFile: openLog(home.path, "control-plane"),
      environment: createOwnProcessEnvironment(environment, join(home.path, "compile-cache")),
      onBack: () => listener.onBack(),
      onRoots: (address) => home.publish(address),
      onProblem: (message) => listener.onProblem(message),
    });
    control.start();
    try {
      // Our own code for weft.yaml and the API loads while the control plane's does.
      const { runMesh } = await import("./run-mesh.ts");
      await runMesh(context, { options, path, home, control, spawn, listener });
    } finally {
      await control.stop();
    }
  } finally {
    home.close();
  }
}

function findWeftYaml(cwd: string, given: string | undefined): string {
  if (given !== undefined) {
    const path = resolve(cwd, given);
    const inside = join(path, DEFAULT_FILE);
    return existsSync(inside) ? inside : path;
  }
  for (let folder = cwd; ; folder = resolve(folder, "..")) {
    const path = join(folder, DEFAULT_FILE);
    if (existsSync(path)) return path;
    if (resolve(folder, "..") !== folder) continue;
    throw new WeftError("WEFT_YAML_MISSING", `Cannot find a weft.yaml: found none in "${cwd}" or above; expected one`, {
      hint: "Write one (docs/weft-yaml.md), or try the example: weft up examples/shop/weft.yaml",
    });
  }
}
