import { statSync } from "node:fs";
import { formatEndpointsPath, formatTokenPath } from "../../apiserver/api-access.ts";
import type { ApiClient } from "../../apiserver/api-client.ts";
import type { ExpiryView, MeshView, ProxyStatus, StatRow } from "../../control/views.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Resource } from "../../resources/resource.ts";
import { WEFT_VERSION } from "../../version.ts";
import { listEverything } from "../list-everything.ts";
import type { CliContext } from "../context.ts";
import { type CheckResult, type Finding, toResult } from "./check-result.ts";

const SECTION = "control plane";

/** What all other checks look at. */
export interface MeshFacts {
  readonly mesh: MeshView;
  readonly proxies: readonly ProxyStatus[];
  readonly resources: readonly Resource[];
  readonly traffic: readonly StatRow[];
  /** What ends, as the control plane sees it; empty where one of an older version does not say. */
  readonly expiries: readonly ExpiryView[];
}

export interface ControlPlaneReport {
  readonly results: readonly CheckResult[];
  /** Null when the control plane could not be asked: nothing else can be checked. */
  readonly facts: MeshFacts | null;
}

/** Asks for everything; each step is checked only when the one before it went well. */
export async function checkControlPlane(context: CliContext, trafficWindowMs: number): Promise<ControlPlaneReport> {
  const home = context.findHome();
  const results: CheckResult[] = [];
  let client: ApiClient;
  try {
    client = await context.openApi();
  } catch (error) {
    return { results: [toResult(SECTION, `a mesh was started in ${home}`, toFinding(error))], facts: null };
  }
  results.push(toResult(SECTION, `a mesh was started in ${home}`, null), checkPrivacy(home));
  try {
    const isReady = await client.health();
    results.push(toResult(SECTION, `it answers at ${client.baseUrl}`, null));
    results.push(
      toResult(
        SECTION,
        "its store can be read",
        isReady
          ? null
          : {
              found: ["/readyz says no"],
              hint: "Read the control plane's log: the disk may be full, or the files damaged",
            },
      ),
    );
    if (!isReady) return { results, facts: null };
    const mesh = await client.mesh();
    results.push(toResult(SECTION, "it accepts the token", null), checkVersion(mesh));
    const [proxies, resources, traffic, expiries] = await Promise.all([
      client.proxies(),
      listEverything(client),
      client.stat(trafficWindowMs),
      readExpiries(client),
    ]);
    return { results, facts: { mesh, proxies, resources, traffic, expiries } };
  } catch (error) {
    const name = isUnauthorized(error) ? "it accepts the token" : `it answers at ${client.baseUrl}`;
    results.push(toResult(SECTION, name, toFinding(error)));
    return { results, facts: null };
  } finally {
    client.close();
  }
}

/** Who can read the token can do everything. */
function checkPrivacy(home: string): CheckResult {
  const found: string[] = [];
  for (const path of [formatTokenPath(home), formatEndpointsPath(home)]) {
    const mode = statSync(path).mode & 0o777;
    if ((mode & 0o077) !== 0) found.push(`${path} has mode 0${mode.toString(8)}; expected 0600`);
  }
  const hint = `Run \`chmod 600 ${formatTokenPath(home)} ${formatEndpointsPath(home)}\`, and start the mesh again if others may have read the token`;
  // Windows has no such modes; Node then reports every file as readable by all.
  return toResult(SECTION, "only this user can read the token", process.platform === "win32" ? null : { found, hint });
}

function checkVersion(mesh: MeshView): CheckResult {
  const isSame = mesh.weftVersion === WEFT_VERSION;
  return toResult(
    SECTION,
    `it has the version of this program, ${WEFT_VERSION}`,
    isSame
      ? null
      : {
          outcome: "warning",
          found: [`weft ${mesh.weftVersion}`],
          hint: "Start the mesh again with this version, or use the program that started it",
        },
  );
}

async function readExpiries(client: ApiClient): Promise<readonly ExpiryView[]> {
  try {
    return (await client.trust()).expiries;
  } catch (error) {
    if (error instanceof WeftError && error.code === "WEFT_API_NOT_FOUND") return [];
    throw error;
  }
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof WeftError && error.code === "WEFT_API_UNAUTHORIZED";
}

function toFinding(error: unknown): Finding {
  if (!(error instanceof WeftError)) throw error;
  return { found: [error.message], hint: error.hint ?? "Run the command again with --debug" };
}
