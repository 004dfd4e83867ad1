import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CliContext } from "../cli/context.ts";
import { printProblems } from "../cli/output/problem-printer.ts";
import type { MeshDefaults, StoreSettings } from "../control-bootstrap.ts";
import { ensureSealingKey } from "../control/secrets/sealing-key.ts";
import { isTrustDomain } from "../identity/spiffe-id.ts";
import { JsonLog } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { BoundAddress } from "../proxy-node.ts";
import { isDnsLabel } from "../resources/name-schema.ts";
import { formatWallTime } from "../time/wall-time.ts";
import { openHome } from "./home.ts";
import { InvalidWeftYamlError, loadWeftYaml } from "./load-weft-yaml.ts";
import { formatSecretsKeyPath, parseStore, type StoreFiles } from "./parse-store.ts";
import type { WeftYaml } from "./weft-yaml.ts";

export interface RunControlPlaneOptions {
  /** weft.yaml or its folder. */
  readonly file: string | null;
  /** Without a file. */
  readonly mesh: string | null;
  readonly trustDomain: string | null;
  /** As written; null: weft.yaml's, else LMDB in the state folder. */
  readonly store: string | null;
  /** Relative to the working folder. */
  readonly storeFiles: StoreFiles;
  readonly api: BoundAddress;
  readonly xds: BoundAddress;
  readonly advertise: { readonly host: string; readonly port: number } | null;
}

interface MeshSettings {
  readonly mesh: string;
  readonly trustDomain: string;
  readonly defaults: MeshDefaults;
  readonly store: StoreSettings;
}

const DEFAULTS: MeshDefaults = { access: "strict", egress: "allow", certificateLifetime: "24h" };

/** Runs one control plane in this process until it is interrupted. Its log goes to standard error, JSON lines. */
export async function runControlPlane(context: CliContext, options: RunControlPlaneOptions): Promise<void> {
  const { clock, random, stderr, stdout } = context;
  const home = openHome(context.findHome());
  try {
    const settings = readSettings(context, options, home.path);
    const { store } = settings;
    // A file that was named is never made: a typing error would make a key that nobody else has.
    if (store.kind === "etcd" && store.secretsKeyFile === formatSecretsKeyPath(home.path)) {
      await ensureSealingKey(store.secretsKeyFile, random);
    }
    const log = new JsonLog({
      level: "info",
      timestamp: () => formatWallTime(clock.wallMs()),
      write: (line) => stderr.write(line),
      fields: { component: "control-plane" },
    });
    const interrupted = new Promise<void>((settle) => {
      context.onInterrupt(() => settle());
    });
    const { startControlPlane } = await import("../control/control-plane.ts");
    const plane = await startControlPlane({
      stateDir: join(home.path, "control"),
      meshName: settings.mesh,
      trustDomain: settings.trustDomain,
      store,
      advertise: options.advertise,
      api: options.api,
      xds: options.xds,
      apiToken: home.token,
      defaults: settings.defaults,
      clock,
      random,
      log,
    });
    try {
      const api = formatAddress({ ...options.api, port: plane.apiPort });
      const xds = formatAddress({ ...options.xds, port: plane.xdsPort });
      home.publish({ api: `http://${api}`, xds });
      stdout.write(`weft control plane of mesh ${settings.mesh} is ready\n`);
      stdout.write(`  API: http://${api} (state and token: ${home.path})\n`);
      stdout.write(`  proxies: ${xds}\n`);
      stdout.write(`  store: ${formatStore(store, home.path)}\n`);
      await interrupted;
    } finally {
      await plane.close();
    }
  } finally {
    home.close();
  }
  stdout.write("weft control plane has stopped\n");
}

function readSettings(context: CliContext, options: RunControlPlaneOptions, home: string): MeshSettings {
  const given = readMesh(context, options);
  const chosen = options.store ?? "lmdb:";
  const place = { folder: context.cwd, home };
  const store: StoreSettings =
    options.store === null ? { kind: "lmdb", path: null } : parseStore(chosen, options.storeFiles, place);
  if ("services" in given) {
    const { mesh, trustDomain, access, egress, certificateLifetime } = given;
    return { mesh, trustDomain, store, defaults: { access, egress, certificateLifetime } };
  }
  const trustDomain = options.trustDomain ?? `${given.mesh}.mesh`;
  if (!isTrustDomain(trustDomain))
    throw createUsageProblem(`the trust domain "${trustDomain}"`, "a-z, 0-9, -, . and _");
  return { mesh: given.mesh, trustDomain, store, defaults: DEFAULTS };
}

function readMesh(context: CliContext, { file, mesh }: RunControlPlaneOptions): WeftYaml | { readonly mesh: string } {
  if (file === null) {
    if (mesh !== null && isDnsLabel(mesh)) return { mesh };
    throw createUsageProblem(mesh === null ? "neither --mesh nor a file" : `the mesh "${mesh}"`, "a mesh's name");
  }
  if (mesh !== null) throw createUsageProblem("--mesh beside a file", "one of them");
  const path = resolve(context.cwd, file);
  const inside = join(path, "weft.yaml");
  try {
    return loadWeftYaml(existsSync(inside) ? inside : path, context.cwd).config;
  } catch (error) {
    if (error instanceof InvalidWeftYamlError) printProblems(context.stderr, error.problems);
    throw error;
  }
}

function createUsageProblem(found: string, expected: string): WeftError {
  return new WeftError("WEFT_CLI_USAGE", `Cannot start a control plane: found ${found}; expected ${expected}`, {
    hint: "For example: weft control-plane --mesh shop",
  });
}

function formatAddress({ address, port }: BoundAddress): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function formatStore(store: StoreSettings, home: string): string {
  if (store.kind === "lmdb") return `LMDB in ${store.path ?? join(home, "control", "store")}`;
  return `etcd at ${store.endpoints.join(", ")}; its secrets are sealed with ${store.secretsKeyFile}`;
}
