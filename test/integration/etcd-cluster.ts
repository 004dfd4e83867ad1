import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import type { EtcdClient } from "../../src/store/etcd/etcd-client.ts";
import { createEtcdClient } from "../../src/store/etcd/create-etcd-client.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import type { Log } from "../../src/lib/log.ts";
import { parseWallTime } from "../../src/time/wall-time.ts";
import { findProgram } from "./needs.ts";
import { waitUntil } from "./wait-until.ts";

export interface EtcdClusterOptions {
  /** Default 1. */
  readonly members?: number;
  /** More arguments for every member. */
  readonly arguments?: readonly string[];
  /** Where member `index` runs: a command that goes before etcd's, its address, its folder. Default: here. */
  readonly place?: (index: number) => EtcdPlace;
  /** Called before a member starts, e.g. to fill its folder. */
  readonly prepare?: (member: { readonly name: string; readonly peerUrl: string }) => Promise<void>;
  /** False: do not wait until members answer (their arguments may ask for what this has not). */
  readonly wait?: boolean;
  /** Default etcd on the PATH. */
  readonly program?: string;
}

export interface EtcdPlace {
  readonly command?: readonly string[];
  readonly address?: string;
  readonly folder?: string;
}

export const ETCD: { readonly path: string; readonly skip: false | string } = findProgram("etcd");

/** For `program`: an etcd for which `jumpClock` works. `.ci/run` builds it. */
export const JUMPING_ETCD: { readonly path: string; readonly skip: false | string } = findProgram("etcd-jumping");

const READY_MS = 30_000;
/** A Date field has whole seconds, and the machine may be slow. */
const CLOCK_ERROR_MS = 60_000;

interface Member {
  readonly name: string;
  readonly address: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly folder: string;
  readonly command: readonly string[];
  process: ChildProcess | null;
  output: string;
}

/** Real members of one etcd on this machine, each a process with a folder of its own. */
export class EtcdCluster {
  readonly #options: EtcdClusterOptions;
  readonly #members: readonly Member[];
  readonly #folder: string;

  private constructor(options: EtcdClusterOptions, members: readonly Member[], folder: string) {
    this.#options = options;
    this.#members = members;
    this.#folder = folder;
  }

  /** Resolves when all members answer. */
  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    const folder = await mkdtemp(join(tmpdir(), "weft-etcd-"));
    const members: Member[] = [];
    for (let index = 0; index < (options.members ?? 1); index += 1) {
      const place = options.place?.(index) ?? {};
      const address = place.address ?? "127.0.0.1";
      const [client, peer] = address.startsWith("127.") ? [await freePort(), await freePort()] : [2379, 2380];
      members.push({
        name: `m${index}`,
        address,
        clientUrl: `http://${address}:${client}`,
        peerUrl: `http://${address}:${peer}`,
        folder: place.folder ?? join(folder, `m${index}`),
        command: place.command ?? [],
        process: null,
        output: "",
      });
    }
    const cluster = new EtcdCluster(options, members, folder);
    try {
      for (const member of members) await options.prepare?.(member);
      for (const index of members.keys()) cluster.#spawn(index);
      if (options.wait !== false) await cluster.ready();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get size(): number {
    return this.#members.length;
  }

  endpoints(): readonly string[] {
    return this.#members.map((member) => member.clientUrl);
  }

  describe(index: number): { readonly name: string; readonly peerUrl: string } {
    return this.#member(index);
  }

  folderOf(index: number): string {
    return this.#member(index).folder;
  }

  outputOf(index: number): string {
    return this.#member(index).output;
  }

  isRunning(index: number): boolean {
    const child = this.#member(index).process;
    return child !== null && child.exitCode === null && child.signalCode === null;
  }

  /** SIGKILL, as a crash would. Resolves when the process is gone. */
  async kill(index: number): Promise<void> {
    const member = this.#member(index);
    const child = member.process;
    member.process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  signal(index: number, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#member(index).process?.kill(signal);
  }

  /**
   * Of JUMPING_ETCD: its wall clock is so many seconds away from the machine's, also after a restart. Resolves when the member, if
   * it runs, tells that time.
   */
  async jumpClock(index: number, seconds: number): Promise<void> {
    const file = this.#clockFile(index);
    await writeFile(`${file}.new`, `${seconds}\n`);
    await rename(`${file}.new`, file);
    if (!this.isRunning(index)) return;
    await waitUntil(`member ${index} is ${seconds} s away`, async () => {
      const { headers } = await fetch(`${this.#member(index).clientUrl}/version`);
      const awayMs = parseWallTime(headers.get("date") ?? "") - systemClock.wallMs();
      return Math.abs(awayMs - seconds * 1_000) < CLOCK_ERROR_MS;
    });
  }

  /** Starts a member that was killed, on its old data. */
  restart(index: number): void {
    this.#spawn(index);
  }

  /** Resolves when a majority answers and so does each member that runs. */
  async ready(): Promise<void> {
    const deadlineMs = systemClock.nowMs() + READY_MS;
    for (const [index, member] of this.#members.entries()) {
      if (!this.isRunning(index)) continue;
      const client = createClient([member.clientUrl]);
      try {
        for (;;) {
          try {
            await client.get("ready");
            break;
          } catch (error) {
            if (!this.isRunning(index)) throw new Error(`etcd ended:\n${member.output.slice(-2000)}`, { cause: error });
            if (systemClock.nowMs() > deadlineMs) throw error;
          }
        }
      } finally {
        client.close();
      }
    }
  }

  /** Which member leads, by asking each; null when none says so. */
  async leader(): Promise<number | null> {
    for (const [index, member] of this.#members.entries()) {
      if (!this.isRunning(index)) continue;
      const answer = await fetch(`${member.clientUrl}/metrics`, { signal: AbortSignal.timeout(1_000) }).catch(
        () => null,
      );
      if (answer !== null && /^etcd_server_is_leader 1$/m.test(await answer.text())) return index;
    }
    return null;
  }

  async stop(): Promise<void> {
    for (const index of this.#members.keys()) {
      this.signal(index, "SIGCONT");
      await this.kill(index);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new Error(`there is no member ${index}`);
    return member;
  }

  #clockFile(index: number): string {
    return join(this.#folder, `clock-${index}`);
  }

  #spawn(index: number): void {
    const member = this.#member(index);
    const [program = "", ...rest] = [
      ...member.command,
      this.#options.program ?? ETCD.path,
      ...["--name", member.name, "--data-dir", member.folder],
      ...["--listen-client-urls", member.clientUrl, "--advertise-client-urls", member.clientUrl],
      ...["--listen-peer-urls", member.peerUrl, "--initial-advertise-peer-urls", member.peerUrl],
      ...["--initial-cluster", this.#members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",")],
      ...["--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-level", "warn"],
      ...(this.#options.arguments ?? []),
    ];
    const clock = this.#options.program === JUMPING_ETCD.path ? { ETCD_CLOCK_FILE: this.#clockFile(index) } : {};
    const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...clock } });
    member.process = child;
    const keep = (text: Buffer): void => {
      member.output = (member.output + text.toString()).slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => keep(Buffer.from(String(error))));
  }
}

export const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export function createClient(endpoints: readonly string[], requestTimeoutMs: number = 5_000): EtcdClient {
  return createEtcdClient({ endpoints, clock: systemClock, random: systemRandom, log: SILENT, requestTimeoutMs });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}
