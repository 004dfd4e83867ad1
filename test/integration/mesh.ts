// Real meshes for tests: `weft up` as a process of its own on a weft.yaml in a temporary folder.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { readApiAccess } from "../../src/apiserver/api-access.ts";
import { type ApiClient, createApiClient } from "../../src/apiserver/api-client.ts";
import { type Identity, loadIdentity } from "../../src/identity/identity-file.ts";
import { formatWorkloadId } from "../../src/identity/spiffe-id.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { FreePorts } from "../../src/runner/free-port.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { waitUntil } from "./wait-until.ts";

export interface MeshOptions {
  /** weft.yaml; commands find the files of `apps/` (and of `files`) beside it. */
  readonly yaml: string;
  /** A folder whose files are copied beside weft.yaml before it is written. */
  readonly files?: string;
  /** Of the caller, who removes it: what one mesh left there the next one finds. Left out: a new one that goes with the mesh. */
  readonly folder?: string;
  /** WEFT_RUNTIME; left out: what a user would get. */
  readonly runtime?: "node" | "bun" | undefined;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface LineWaiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpExecArray) => void;
}

export const ROOT: string = findRoot(dirname(fileURLToPath(import.meta.url)));
const APPS = join(ROOT, "test", "integration", "apps");
const WEFT = fileURLToPath(new URL("../../src/bin/weft.js", import.meta.url));
const START_LIMIT_MS = 60_000;
const LINE_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 30_000;
const COMMAND_LIMIT_MS = 30_000;

/** A running mesh. Whoever starts it stops it, in an `after` hook, so that a failed test leaves nothing behind. */
export class Mesh {
  readonly folder: string;
  readonly home: string;
  /** What `weft up` printed so far, both streams. */
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #keepsFolder: boolean;
  readonly #waiters: LineWaiter[] = [];
  #api: ApiClient | null = null;
  #hasExited = false;

  /** Resolves when `weft up` says that it is ready. */
  static async start(options: MeshOptions): Promise<Mesh> {
    // Ports below the range of outgoing connections: those of a control plane that was killed must be free when it is back.
    const ports = new FreePorts(systemRandom);
    const mesh = new Mesh(options, [await ports.take(), await ports.take()]);
    try {
      await mesh.line(/^weft is ready in/, START_LIMIT_MS);
      return mesh;
    } catch (error) {
      await mesh.#destroy();
      throw error;
    }
  }

  private constructor({ yaml, files, folder, runtime }: MeshOptions, [apiPort, xdsPort]: readonly [number, number]) {
    this.#keepsFolder = folder !== undefined;
    this.folder = realpathSync(folder ?? mkdtempSync(join(tmpdir(), "weft-mesh-")));
    this.home = join(this.folder, "home");
    cpSync(APPS, this.folder, { recursive: true });
    if (files !== undefined) cpSync(files, this.folder, { recursive: true });
    writeFileSync(join(this.folder, "weft.yaml"), yaml);
    this.#process = spawn(
      process.execPath,
      [WEFT, "up", "weft.yaml", "--api-port", `${apiPort}`, "--xds-port", `${xdsPort}`],
      {
        cwd: this.folder,
        env: this.environment(runtime === undefined ? {} : { WEFT_RUNTIME: runtime }),
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#onLine(line));
    }
    this.#exited = new Promise((resolve) => {
      this.#process.on("exit", (code) => {
        this.#hasExited = true;
        resolve(code);
      });
    });
  }

  /** For programs beside the mesh: this process's environment with the mesh's home. */
  environment(more: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
    const {
      NODE_OPTIONS: _options,
      NODE_TEST_CONTEXT: _context,
      http_proxy: _lower,
      HTTP_PROXY: _upper,
      ...kept
    } = process.env;
    return { ...kept, WEFT_HOME: this.home, NO_COLOR: "1", ...more };
  }

  /** The process id of `weft up`. */
  get pid(): number {
    return this.#process.pid ?? assert.fail("weft up did not start");
  }

  api(): ApiClient {
    if (this.#api === null) {
      const { endpoints, token } = readApiAccess(this.home);
      this.#api = createApiClient({ baseUrl: endpoints.api, token });
    }
    return this.#api;
  }

  /** The first line from `from` on that matches, printed already or still to come. */
  line(pattern: RegExp, limitMs: number = LINE_LIMIT_MS, from: number = 0): Promise<RegExpExecArray> {
    for (const line of this.lines.slice(from)) {
      const match = pattern.exec(line);
      if (match !== null) return Promise.resolve(match);
    }
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new Error(`${why} ${pattern}; weft up printed:\n${this.lines.join("\n")}`));
      const limit = systemClock.after(limitMs, () => fail(`Waited ${limitMs} ms for a line like`), undefined);
      void this.#exited.then((code) => fail(`weft up ended with code ${code} before a line like`));
      this.#waiters.push({
        pattern,
        resolve: (match) => {
          limit.clear();
          resolve(match);
        },
      });
    });
  }

  /** The port of the first ingress. */
  async ingressPort(): Promise<number> {
    return Number((await this.line(/^ {2}[^ ]+: http:\/\/127\.0\.0\.1:(\d+)\/$/))[1]);
  }

  /** The group leader that the runner keeps for this title: "control plane", "proxy of web-0", "web-0". */
  processId(title: string): number {
    const found = this.processes().get(title);
    return found ?? assert.fail(`no process "${title}" among ${[...this.processes().keys()].join(", ")}`);
  }

  /** By title. */
  processes(): ReadonlyMap<string, number> {
    const entries = JSON.parse(readFileSync(join(this.home, "processes.json"), "utf8")) as readonly ProcessEntry[];
    return new Map(entries.map(({ title, pid }) => [title, pid]));
  }

  /** The loopback port for what the app of a workload sends. */
  async outboundPort(workload: string): Promise<number> {
    const config = (await this.api().proxyConfig(`default/${workload}`)) as ProxyConfig | null;
    const port = config?.listener?.["outbound"]?.content?.address?.socketAddress?.portValue;
    return port ?? assert.fail(`no outbound listener of ${workload} in ${JSON.stringify(config).slice(0, 400)}`);
  }

  /** The loopback port of the only inbound listener of a workload's sidecar. */
  async inboundPort(workload: string): Promise<number> {
    const config = (await this.api().proxyConfig(`default/${workload}`)) as ProxyConfig | null;
    const name = Object.keys(config?.listener ?? {}).find((key) => key.startsWith("inbound"));
    const port = config?.listener?.[name ?? ""]?.content?.address?.socketAddress?.portValue;
    return port ?? assert.fail(`no inbound listener of ${workload} in ${JSON.stringify(config).slice(0, 400)}`);
  }

  /** What a workload's sidecar proves itself with. */
  async identity(workload: string): Promise<Identity> {
    const account = workload.slice(0, workload.lastIndexOf("-"));
    const { trustDomain } = await this.api().mesh();
    const spiffeId = formatWorkloadId({ trustDomain, namespace: "default", serviceAccount: account });
    const identity = loadIdentity(join(this.home, "proxies", workload), spiffeId);
    return identity ?? assert.fail(`no identity of ${workload}`);
  }

  /** Sum of all samples of one metric of a proxy. */
  async metric(workload: string, name: string): Promise<number> {
    const status = (await this.api().proxies()).find((proxy) => proxy.id === `default/${workload}`);
    const admin = status?.admin ?? assert.fail(`no admin address of ${workload}`);
    return readMetric(admin, name);
  }

  /** Waits until no running proxy has a request in flight: whatever came in has ended, and was counted as ended. */
  async waitUntilIdle(): Promise<void> {
    for (const proxy of await this.api().proxies()) {
      const { admin, connected } = proxy;
      if (admin === undefined || !connected) continue;
      await waitUntil(`${proxy.id} has no request in flight`, async () => {
        return (await readMetric(admin, "weft_exchange_active_count")) === 0;
      });
    }
  }

  /** Runs the CLI in a process of its own, with this mesh's home. */
  weft(parameters: readonly string[], input: string = ""): Promise<CommandResult> {
    return runCommand(process.execPath, [WEFT, ...parameters], { cwd: this.folder, env: this.environment(), input });
  }

  /** Starts the CLI as a process that goes on, for `weft run`; the caller ends it. */
  spawnWeft(parameters: readonly string[]): ChildProcess {
    return spawn(process.execPath, [WEFT, ...parameters], {
      cwd: this.folder,
      env: this.environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Ctrl-C. Asserts that `weft up` ends well and that no process it started is left. */
  async stop(): Promise<void> {
    try {
      this.#api?.close();
      if (this.#hasExited)
        assert.fail(`weft up had ended before it was stopped; it printed:\n${this.lines.join("\n")}`);
      const family = listDescendants(this.pid);
      assert.ok(family.length > 0, "weft up has child processes");
      this.#process.kill("SIGINT");
      const code = await Promise.race([this.#exited, this.#limit(STOP_LIMIT_MS, "weft up ends")]);
      const left = family.filter(({ pid, command }) =>
        listProcesses().some((other) => other.pid === pid && other.command === command),
      );
      assert.deepEqual(left, [], "no process of the mesh is left");
      assert.equal(code, 0, `exit code of weft up, which printed:\n${this.lines.join("\n")}`);
      assert.ok(this.lines.includes("weft has stopped"), "weft up says that it has stopped");
    } finally {
      await this.#destroy();
    }
  }

  async #destroy(): Promise<void> {
    if (!this.#hasExited) {
      const family = listDescendants(this.pid);
      this.#process.kill("SIGKILL");
      for (const { pid } of family) endProcess(pid, "SIGKILL");
      await this.#exited;
    }
    if (!this.#keepsFolder) rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #limit(ms: number, label: string): Promise<never> {
    return new Promise((_, reject) => {
      systemClock.after(
        ms,
        () => reject(new Error(`Waited ${ms} ms for: ${label}; it printed:\n${this.lines.join("\n")}`)),
        undefined,
      );
    });
  }

  #onLine(line: string): void {
    this.lines.push(line);
    for (const waiter of this.#waiters.slice()) {
      const match = waiter.pattern.exec(line);
      if (match === null) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve(match);
    }
  }
}

interface ProcessEntry {
  readonly title: string;
  readonly pid: number;
}

interface ProxyConfig {
  readonly listener?: Readonly<
    Record<
      string,
      { readonly content?: { readonly address?: { readonly socketAddress?: { readonly portValue?: number } } } }
    >
  >;
}

/** Runs a program to its end. */
export function runCommand(
  file: string,
  parameters: readonly string[],
  {
    cwd,
    env,
    input = "",
    limitMs = COMMAND_LIMIT_MS,
  }: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly input?: string;
    readonly limitMs?: number;
  },
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...parameters], { cwd, env: { ...env }, stdio: ["pipe", "pipe", "pipe"] });
    const text = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text.stderr += chunk));
    const limit = systemClock.after(
      limitMs,
      () => {
        child.kill("SIGKILL");
        reject(
          new Error(
            `Waited ${limitMs} ms for the end of ${file} ${parameters.join(" ")}: ${text.stdout}${text.stderr}`,
          ),
        );
      },
      undefined,
    );
    child.on("error", reject);
    child.on("close", (code) => {
      limit.clear();
      resolve({ code, ...text });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

export async function readMetric(
  admin: { readonly address: string; readonly port: number },
  name: string,
): Promise<number> {
  const text = await (await fetch(`http://${admin.address}:${admin.port}/metrics`)).text();
  const samples = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  assert.ok(samples.length > 0, `metric ${name} exists`);
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** Resolves when no such process runs (or it is a zombie). */
export async function waitUntilGone(pid: number): Promise<void> {
  await waitUntil(`process ${pid} ends`, () => !listProcesses().some((entry) => entry.pid === pid));
}

export function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Zombies are left out: they have ended. */
function listProcesses(): readonly RunningProcess[] {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], {
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
  });
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null || match[3]?.startsWith("Z") === true) return [];
    return [{ pid: Number(match[1]), parent: Number(match[2]), command: match[4] ?? "" }];
  });
}

function listDescendants(root: number): readonly RunningProcess[] {
  const all = listProcesses();
  const found: RunningProcess[] = [];
  const parents = new Set([root]);
  for (let grew = true; grew;) {
    grew = false;
    for (const entry of all) {
      if (!parents.has(entry.parent) || parents.has(entry.pid)) continue;
      parents.add(entry.pid);
      found.push(entry);
      grew = true;
    }
  }
  return found;
}

function findRoot(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : findRoot(dirname(folder));
}
