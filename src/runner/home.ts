import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  formatEndpointsPath,
  formatKubeconfigPath,
  formatTokenPath,
  replaceFile,
  writeApiAccess,
} from "../apiserver/api-access.ts";
import { formatKubeconfig } from "../apiserver/access/kubeconfig.ts";
import { openPrivateFolder, readPrivateFile } from "../lib/private-files.ts";
import { type ControlPlaneAddress, createApiToken } from "./control-plane.ts";
import { type HomeLock, lockHome } from "./home-lock.ts";
import { ProcessJournal } from "./process-journal.ts";
import { isProcessAlive } from "./process-stamp.ts";

/** One mesh's state folder, 0700: state of the control plane and the proxies, token, logs. */
export interface Home {
  readonly path: string;
  /** The API's token; kept over restarts of the mesh. */
  readonly token: string;
  readonly journal: ProcessJournal;
  /** What a killed runner left behind and what was ended now. */
  readonly leftovers: readonly string[];
  /** Tells the CLI where the control plane is. */
  publish(address: ControlPlaneAddress): void;
  close(): void;
}

const RUNS_FOLDER = "runs";
/** A log that has grown past this is moved aside when the mesh starts. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** Opens the home for `weft up`. Throws WEFT_UP_RUNNING when another one has it, WEFT_STATE_PERMISSIONS when others may enter it. */
export function openHome(path: string): Home {
  openPrivateFolder(path);
  const lock: HomeLock = lockHome(path);
  try {
    mkdirSync(join(path, "logs"), { recursive: true, mode: 0o700 });
    const journal = new ProcessJournal(path);
    const leftovers = [...journal.endLeftovers(), ...endDeadRuns(path)];
    rmSync(formatEndpointsPath(path), { force: true });
    const token = readPrivateFile(formatTokenPath(path))?.trim() || createApiToken();
    return {
      path,
      token,
      journal,
      leftovers,
      publish: (address) => publish(path, token, address),
      close() {
        rmSync(formatEndpointsPath(path), { force: true });
        journal.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Tells weft's commands, and Kubernetes' clients, where the API is and how to come in. */
function publish(home: string, token: string, address: ControlPlaneAddress): void {
  const { api, caPem, mesh, serverCertificate, urls, xds } = address;
  const endpoints = { api, xds, pid: process.pid, server: urls.server, serverCertificate, mesh };
  replaceFile(
    formatKubeconfigPath(home),
    formatKubeconfig({
      mesh,
      user: "home",
      server: urls.localTls,
      serverName: "localhost",
      caPem,
      credential: { token },
    }),
  );
  writeApiAccess({ home, token, caPem, endpoints });
}

/** The folder of one `weft run`, named after its process; removed when it ends. */
export function formatRunFolder(home: string, pid: number): string {
  return join(home, RUNS_FOLDER, String(pid));
}

/** What `weft run`s that were killed left behind: their processes, and their proxies' keys. */
function endDeadRuns(home: string): readonly string[] {
  const folder = join(home, RUNS_FOLDER);
  const pids = existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+$/.test(name)) : [];
  const dead = pids.map(Number).filter((pid) => !isProcessAlive(pid, null));
  return dead.flatMap((pid) => {
    const ended = new ProcessJournal(formatRunFolder(home, pid)).endLeftovers();
    rmSync(formatRunFolder(home, pid), { recursive: true, force: true });
    return ended;
  });
}

export function formatProxyStateDir(home: string, workload: string): string {
  return join(home, "proxies", workload);
}

/** The path of a log file, with room in it. */
export function openLog(home: string, name: string): string {
  const path = join(home, "logs", `${name}.log`);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return path;
}
