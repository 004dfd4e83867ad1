import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { WeftError } from "../lib/weft-error.ts";

/** What `weft up` writes for everybody else on this machine who wants to reach its control plane. */
export interface MeshEndpoints {
  /** Base URL, e.g. `http://127.0.0.1:9338`; over TLS where the API is not bound to loopback. */
  readonly api: string;
  /** How others reach it, for their kubeconfigs, e.g. `https://10.0.0.5:9338`; left out: as `api`. */
  readonly server?: string;
  /** Whose certificate is shown there: the mesh's own (default), or the user's. */
  readonly serverCertificate?: "mesh" | "given";
  /** Name of the mesh; left out: unknown. */
  readonly mesh?: string;
  /** `host:port` of xDS and identity, e.g. `127.0.0.1:9339`. */
  readonly xds: string;
  /** Of the `weft up` that started them. */
  readonly pid: number;
}

export interface ApiAccess {
  readonly home: string;
  readonly endpoints: MeshEndpoints;
  readonly token: string;
  /** PEM; who signed the API's certificate. Left out: unknown, and the API is reached in plain HTTP. */
  readonly caPem?: string;
}

export interface FindHomeOptions {
  readonly cwd: string;
  /** The value of WEFT_HOME (or of `--home`); left out or "" when not set. */
  readonly weftHome?: string | undefined;
}

const MESH_FILE = "weft.yaml";
const HOME_FOLDER = ".weft";

/** The folder with a mesh's state: WEFT_HOME, else `.weft` beside the nearest weft.yaml upward, else `.weft` in `cwd`. */
export function findHome(options: FindHomeOptions): string {
  if (options.weftHome !== undefined && options.weftHome !== "") return resolve(options.cwd, options.weftHome);
  for (let folder = resolve(options.cwd); ; folder = dirname(folder)) {
    if (existsSync(join(folder, MESH_FILE))) return join(folder, HOME_FOLDER);
    if (dirname(folder) === folder) return join(resolve(options.cwd), HOME_FOLDER);
  }
}

export function formatTokenPath(home: string): string {
  return join(home, "token");
}

export function formatEndpointsPath(home: string): string {
  return join(home, "endpoints.json");
}

/** Holds the mesh's root certificate. */
export function formatApiCaPath(home: string): string {
  return join(home, "api-ca.pem");
}

export function formatKubeconfigPath(home: string): string {
  return join(home, "kubeconfig");
}

/** Writes the files, 0600, each replaced in one step so that a reader never sees half of one. */
export function writeApiAccess(access: ApiAccess): void {
  mkdirSync(access.home, { recursive: true, mode: 0o700 });
  replaceFile(formatTokenPath(access.home), `${access.token}\n`);
  if (access.caPem !== undefined) replaceFile(formatApiCaPath(access.home), access.caPem);
  replaceFile(formatEndpointsPath(access.home), `${JSON.stringify(access.endpoints)}\n`);
}

/** Throws WEFT_API_NOT_STARTED when the home holds no mesh, WEFT_API_ACCESS when its files cannot be used. */
export function readApiAccess(home: string): ApiAccess {
  const endpoints = parseEndpoints(home, readAccessFile(home, formatEndpointsPath(home)));
  const token = readAccessFile(home, formatTokenPath(home)).trim();
  if (token === "") throw refuse(formatTokenPath(home), "an empty file", "the API token");
  const caPath = formatApiCaPath(home);
  const isNeeded = endpoints.api.startsWith("https:");
  if (!isNeeded && !existsSync(caPath)) return { home, endpoints, token };
  return { home, endpoints, token, caPem: readAccessFile(home, caPath) };
}

function readAccessFile(home: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR") {
      throw refuse(path, code ?? String(error), "a file this user can read", error);
    }
    throw new WeftError(
      "WEFT_API_NOT_STARTED",
      `Cannot find a mesh in ${home}: ${path} does not exist; expected it to be written by \`weft up\``,
      {
        hint: "Start the mesh with `weft up`, go to the folder of its weft.yaml, or name its state folder with WEFT_HOME or --home",
        cause: error,
      },
    );
  }
}

function parseEndpoints(home: string, text: string): MeshEndpoints {
  const path = formatEndpointsPath(home);
  const expected = `{"api": "http://…", "xds": "host:port", "pid": number}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw refuse(path, "text that is not JSON", expected, error);
  }
  const { api, xds, pid, server, serverCertificate, mesh } = (parsed ?? {}) as Partial<
    Record<keyof MeshEndpoints, unknown>
  >;
  if (typeof api !== "string" || !URL.canParse(api)) throw refuse(path, `api ${JSON.stringify(api)}`, expected);
  if (typeof xds !== "string" || typeof pid !== "number") throw refuse(path, "no xds or pid", expected);
  return {
    api,
    xds,
    pid,
    ...(typeof server === "string" && URL.canParse(server) ? { server } : {}),
    ...(serverCertificate === "mesh" || serverCertificate === "given" ? { serverCertificate } : {}),
    ...(typeof mesh === "string" ? { mesh } : {}),
  };
}

function refuse(path: string, found: string, expected: string, cause?: unknown): WeftError {
  return new WeftError("WEFT_API_ACCESS", `Cannot read "${path}": found ${found}; expected ${expected}`, {
    hint: "Start the mesh again with `weft up`, which writes this file",
    cause,
  });
}

/** 0600; replaced in one step. */
export function replaceFile(path: string, content: string): void {
  const next = `${path}.next`;
  writeFileSync(next, content, { mode: 0o600, flush: true });
  renameSync(next, path);
}
