import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CliContext } from "../cli/context.ts";
import { printProblems } from "../cli/output/problem-printer.ts";
import { toApiUrls } from "../apiserver/api-urls.ts";
import type { MeshDefaults, StoreSettings } from "../control-bootstrap.ts";
import { isTrustDomain } from "../identity/spiffe-id.ts";
import { JsonLog } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { BoundAddress } from "../proxy-node.ts";
import { isDnsLabel } from "../resources/name-schema.ts";
import { formatWallTime } from "../time/wall-time.ts";
import { formatAuditPath } from "./audit-path.ts";
import { openHome } from "./home.ts";
import { InvalidWeftYamlError, type LoadedWeftYaml, loadWeftYaml } from "./load-weft-yaml.ts";
import { resolveCertificate } from "./resolve-certificate.ts";
import type { ApiSettings } from "./up.ts";
import { parseStore, type StoreFiles } from "./parse-store.ts";
import { LOCAL_STORE, prepareStore, readStore } from "./read-store.ts";

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
  readonly api: ApiSettings;
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
    await prepareStore(store, home.path, random);
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
      api: { address: options.api.address, port: options.api.port },
      apiNames: options.api.names,
      apiCertificate: resolveCertificate(context.cwd, options.api.certificate),
      auditFile: formatAuditPath(home.path),
      xds: options.xds,
      apiToken: home.token,
      defaults: settings.defaults,
      clock,
      random,
      log,
    });
    try {
      const urls = toApiUrls({ ...options.api, port: plane.apiPort });
      const xds = formatAddress({ ...options.xds, port: plane.xdsPort });
      const publish = (): void =>
        home.publish({
          api: urls.local,
          xds,
          urls,
          caPem: plane.trustBundlePem,
          serverCertificate: options.api.certificate === null ? "mesh" : "given",
          mesh: settings.mesh,
        });
      publish();
      plane.onRoots(publish);
      stdout.write(`weft control plane of mesh ${settings.mesh} is ready\n`);
      stdout.write(`  API: ${urls.local} (state and token: ${home.path})\n`);
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
  const own = { folder: context.cwd, home };
  const chosen = options.store === null ? null : parseStore(options.store, options.storeFiles, own);
  if ("config" in given) {
    const { mesh, trustDomain, access, egress, certificateLifetime } = given.config;
    const store = chosen ?? readStore(given, home);
    return { mesh, trustDomain, store, defaults: { access, egress, certificateLifetime } };
  }
  const trustDomain = options.trustDomain ?? `${given.mesh}.mesh`;
  if (!isTrustDomain(trustDomain))
    throw createUsageProblem(`the trust domain "${trustDomain}"`, "a-z, 0-9, -, . and _");
  return { mesh: given.mesh, trustDomain, store: chosen ?? LOCAL_STORE, defaults: DEFAULTS };
}

function readMesh(
  context: CliContext,
  { file, mesh }: RunControlPlaneOptions,
): LoadedWeftYaml | { readonly mesh: string } {
  if (file === null) {
    if (mesh !== null && isDnsLabel(mesh)) return { mesh };
    throw createUsageProblem(mesh === null ? "neither --mesh nor a file" : `the mesh "${mesh}"`, "a mesh's name");
  }
  if (mesh !== null) throw createUsageProblem("--mesh beside a file", "one of them");
  const path = resolve(context.cwd, file);
  const inside = join(path, "weft.yaml");
  try {
    return loadWeftYaml(existsSync(inside) ? inside : path, context.cwd);
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
