import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pause } from "../integration/wait-until.ts";
import type { TruthEvent } from "./history.ts";

interface EtcdctlEvent {
  readonly type?: number;
  readonly kv: {
    readonly key: string;
    readonly create_revision?: number;
    readonly mod_revision: number;
    readonly value?: string;
  };
}

/**
 * What happened to a mesh's TrafficSplits, told by `etcdctl watch`: etcd's own client, which knows nothing of weft. It is
 * started again where it was whenever it ends (it does when its member has no leader).
 */
export class TruthLog {
  readonly events: TruthEvent[] = [];
  readonly #endpoints: readonly string[];
  readonly #prefix: string;
  #next: number;
  #process: ChildProcess | null = null;
  #stopped: boolean = false;
  /** What it could not follow; then nothing can be said. */
  failure: string | null = null;

  constructor(endpoints: readonly string[], prefix: string, fromRevision: number) {
    this.#endpoints = endpoints;
    this.#prefix = prefix;
    this.#next = fromRevision;
  }

  start(): void {
    void this.#follow();
  }

  newest(): number {
    return this.#next - 1;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped && this.failure === null) {
      const child = spawn(
        "etcdctl",
        [
          ...["--endpoints", this.#endpoints.join(","), "--dial-timeout", "1s", "--keepalive-time", "1s"],
          ...[
            "--keepalive-timeout",
            "2s",
            "watch",
            "--prefix",
            this.#prefix,
            "--rev",
            String(this.#next),
            "-w",
            "json",
          ],
        ],
        {
          stdio: ["ignore", "pipe", "pipe"],
          env: { ETCDCTL_API: "3", PATH: "/usr/sbin:/usr/bin:/bin:/usr/local/bin" },
        },
      );
      this.#process = child;
      const exit = once(child, "exit");
      child.stderr.on("data", (text: Buffer) => {
        if (text.includes("compacted")) this.failure = `etcdctl watch: ${text.toString()}`;
      });
      for await (const line of createInterface({ input: child.stdout })) this.#take(line);
      await exit;
      if (!this.#stopped) await pause(100);
    }
  }

  #take(line: string): void {
    const { Events } = JSON.parse(line) as { readonly Events?: readonly EtcdctlEvent[] | null };
    const events = Events ?? [];
    for (const { type, kv } of events) {
      const revision = kv.mod_revision;
      if (revision < this.#next) continue;
      const key = Buffer.from(kv.key, "base64").toString();
      const deleted = type === 1;
      this.events.push({
        revision,
        deleted,
        created: !deleted && kv.create_revision === revision,
        name: key.slice(key.lastIndexOf("/") + 1),
        weight: deleted ? -1 : weightOf(Buffer.from(kv.value ?? "", "base64").toString()),
      });
    }
    const last = events.at(-1)?.kv.mod_revision;
    if (last !== undefined) this.#next = Math.max(this.#next, last + 1);
  }
}

export function weightOf(json: string): number {
  const { spec } = JSON.parse(json) as {
    readonly spec?: { readonly backends?: readonly { readonly weight: number }[] };
  };
  return spec?.backends?.[0]?.weight ?? -1;
}
