import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Clock } from "../time/clock.ts";
import type { Child, ChildEvents, ChildExit, ChildSpec, SpawnChild } from "./child.ts";
import { isGroupAlive, sendSignal } from "./process-group.ts";
import { splitLines } from "./split-lines.ts";
import { toShellLine } from "./shell-line.ts";

/** Something the child started may hold the descriptor open. */
const LAST_STATUS_MS = 200;
/** How often a stopping group is asked whether anybody is left. */
const GROUP_POLL_MS = 20;
/** After SIGKILL the kernel needs a moment. */
const KILLED_GROUP_MS = 500;

/** Real child processes; those with their own group are in `record` while any of them lives. */
export function createSpawnChild(clock: Clock, record: ProcessRecord): SpawnChild {
  return (spec, events) => new RunningChild(spec, events, { clock, record });
}

export interface ProcessRecord {
  add(pid: number, title: string): void;
  remove(pid: number): void;
}

interface Surroundings {
  readonly clock: Clock;
  readonly record: ProcessRecord;
}

class RunningChild implements Child {
  readonly pid: number | null;
  readonly #process: ChildProcess | null;
  readonly #spec: ChildSpec;
  readonly #events: ChildEvents;
  readonly #clock: Clock;
  readonly #record: ProcessRecord;
  #hasExited = false;
  #onLeaderExit: (() => void)[] = [];
  #stopping: Promise<void> | null = null;

  constructor(spec: ChildSpec, events: ChildEvents, { clock, record }: Surroundings) {
    this.#spec = spec;
    this.#events = events;
    this.#clock = clock;
    this.#record = record;
    const started = start(spec);
    this.#process = started instanceof Error ? null : started;
    this.pid = this.#process?.pid ?? null;
    if (started instanceof Error) {
      queueMicrotask(() => this.#exit({ code: null, signal: null, error: describeStartFailure(started) }));
      return;
    }
    if (this.pid !== null && spec.ownGroup) record.add(this.pid, spec.title);
    this.#listen(started);
  }

  sendLine(line: string): void {
    const stdin = this.#process?.stdin;
    if (stdin?.writable === true) stdin.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    if (this.pid === null || (this.#hasExited && !this.#spec.ownGroup)) return;
    sendSignal(this.#spec.ownGroup ? -this.pid : this.pid, signal);
  }

  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<void> {
    if (this.pid === null) return;
    this.kill("SIGTERM");
    if (!(await this.#waitUntilGone(graceMs))) {
      this.kill("SIGKILL");
      await this.#waitUntilGone(KILLED_GROUP_MS);
    }
    if (this.#spec.ownGroup) this.#record.remove(this.pid);
  }

  /** False when `limitMs` passed first. */
  #waitUntilGone(limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#isGone()) {
        resolve(true);
        return;
      }
      const limit = this.#clock.after(limitMs, () => settle(false), undefined);
      const poll = this.#clock.every(GROUP_POLL_MS, () => this.#isGone() && settle(true), undefined);
      const settle = (gone: boolean): void => {
        limit.clear();
        poll.clear();
        resolve(gone);
      };
      this.#onLeaderExit.push(() => this.#isGone() && settle(true));
    });
  }

  #isGone(): boolean {
    return this.#hasExited && (this.pid === null || !this.#spec.ownGroup || !isGroupAlive(this.pid));
  }

  #listen(process: ChildProcess): void {
    const { stdin, stdout, stderr } = process;
    // The child may close its input or die while a line is on its way.
    stdin?.on("error", () => undefined);
    for (const stream of [stdout, stderr]) splitLines(stream, (line) => this.#events.onLine(line));
    if (this.#spec.hasStatus) splitLines(process.stdio[3] as Readable | null, (line) => this.#readStatus(line));
    process.on("error", (error) => {
      if (this.pid === null) this.#exit({ code: null, signal: null, error: describeStartFailure(error) });
    });
    process.on("exit", (code, signal) => {
      const exit: ChildExit = { code, signal, error: null };
      const status = process.stdio[3] as Readable | null | undefined;
      if (status === null || status === undefined || status.readableEnded) this.#exit(exit);
      else this.#exitAfter(status, exit);
    });
  }

  /** The last status line (why it failed, above all) may arrive later than the news of its end. */
  #exitAfter(status: Readable, exit: ChildExit): void {
    const report = (): void => {
      limit.clear();
      this.#exit(exit);
    };
    const limit = this.#clock.after(LAST_STATUS_MS, report, undefined);
    status.once("close", report);
  }

  #readStatus(line: string): void {
    if (this.#hasExited) return;
    try {
      this.#events.onStatus(JSON.parse(line));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  #exit(exit: ChildExit): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    if (this.pid !== null && this.#spec.ownGroup && this.#isGone()) this.#record.remove(this.pid);
    for (const listener of this.#onLeaderExit) listener();
    this.#events.onExit(exit);
  }
}

function start(spec: ChildSpec): ChildProcess | Error {
  let log: number | null = null;
  try {
    if (typeof spec.output === "object") log = openSync(spec.output.file, "a", 0o600);
    const output = log ?? (spec.output === "lines" ? "pipe" : "inherit");
    const stdio: StdioOptions = [spec.stdin, output, output, ...(spec.hasStatus ? (["pipe"] as const) : [])];
    const options = { cwd: spec.cwd, env: { ...spec.environment }, stdio, detached: spec.ownGroup };
    return spec.command.kind === "shell"
      ? spawn("/bin/sh", ["-c", toShellLine(spec.command.line)], options)
      : spawn(spec.command.file, [...spec.command.parameters], options);
  } catch (error) {
    return error as Error;
  } finally {
    if (log !== null) closeSync(log);
  }
}

function describeStartFailure(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
