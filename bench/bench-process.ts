import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { splitLines } from "../src/runner/split-lines.ts";
import { systemClock } from "../src/time/system-clock.ts";

export interface ProcessSpec {
  /** For messages. */
  readonly title: string;
  readonly file: string;
  readonly parameters: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Pins it with all its threads; null = anywhere. */
  readonly core: number | null;
}

interface StatusLine {
  readonly event: string;
}

const STOP_MS = 3_000;
const KEPT_LINES = 20;

const open: Set<BenchProcess> = new Set();

/** A child of the bench: its output is kept for messages, descriptor 3 carries weft's status lines. */
export class BenchProcess {
  readonly pid: number;
  readonly startedMs: number;
  readonly #title: string;
  readonly #child: ChildProcess;
  readonly #statuses: { readonly line: StatusLine; readonly atMs: number }[] = [];
  readonly #lines: string[] = [];
  #hasExited: boolean = false;
  #onChange: (() => void)[] = [];

  constructor(spec: ProcessSpec) {
    this.#title = spec.title;
    const command =
      spec.core === null
        ? [spec.file, ...spec.parameters]
        : ["taskset", "-c", String(spec.core), spec.file, ...spec.parameters];
    this.startedMs = systemClock.nowMs();
    this.#child = spawn(command[0] ?? "", command.slice(1), {
      cwd: spec.cwd,
      env: { ...spec.environment },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    });
    const { stdin, stdout, stderr, stdio, pid } = this.#child;
    this.pid = pid ?? 0;
    open.add(this);
    stdin?.on("error", () => undefined);
    for (const stream of [stdout, stderr]) splitLines(stream, (line) => this.#keep(line));
    splitLines(stdio[3] as Readable | null, (line) => this.#readStatus(line));
    this.#child.on("error", (error) => this.#exit(error.message));
    this.#child.on("close", (code, signal) => this.#exit(`exited with ${signal ?? code}`));
  }

  sendLine(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Tells a process that reads its standard input that no more comes. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** The first status line with this event, and when it came. Rejects when the process ends or `limitMs` passes first. */
  status<T extends StatusLine>(
    event: T["event"],
    limitMs: number = 20_000,
  ): Promise<{ readonly line: T; readonly atMs: number }> {
    return this.#wait(`status "${event}"`, limitMs, () => {
      const failed = this.#statuses.find((status) => status.line.event === "failed");
      if (failed !== undefined && event !== "failed")
        throw new Error(`${this.#title} failed: ${JSON.stringify(failed.line)}`);
      const found = this.#statuses.find((status) => status.line.event === event);
      return found === undefined ? null : { line: found.line as T, atMs: found.atMs };
    });
  }

  /** Resolves with what it printed when it ends by itself. */
  async finish(limitMs: number): Promise<readonly string[]> {
    await this.#wait("the end", limitMs, () => (this.#hasExited ? true : null), true);
    return this.#lines;
  }

  /** The first printed line that matches. Rejects when the process ends or `limitMs` passes first. */
  line(pattern: RegExp, limitMs: number): Promise<string> {
    return this.#wait(
      `line like ${pattern.source}`,
      limitMs,
      () => this.#lines.find((text) => pattern.test(text)) ?? null,
    );
  }

  /** What it printed last, when it has ended; null while it runs. */
  describeEnd(): string | null {
    return this.#hasExited ? this.#tail() : null;
  }

  /** SIGTERM, then SIGKILL after `graceMs`. */
  async stop(graceMs: number = STOP_MS): Promise<void> {
    if (this.#hasExited) return;
    this.#child.kill("SIGTERM");
    try {
      await this.finish(graceMs);
    } catch {
      this.#child.kill("SIGKILL");
      await this.finish(STOP_MS);
    }
  }

  #wait<T>(what: string, limitMs: number, look: () => T | null, mayEnd: boolean = false): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = systemClock.after(
        limitMs,
        () => settle(new Error(`${this.#title}: no ${what} within ${limitMs} ms; it printed: ${this.#tail()}`)),
        undefined,
      );
      const settle = (result: T | Error): void => {
        timer.clear();
        this.#onChange = this.#onChange.filter((listener) => listener !== check);
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
      const check = (): void => {
        try {
          const found = look();
          if (found !== null) settle(found);
          else if (this.#hasExited && !mayEnd)
            settle(new Error(`${this.#title} ended before ${what}; it printed: ${this.#tail()}`));
        } catch (error) {
          settle(error as Error);
        }
      };
      this.#onChange.push(check);
      check();
    });
  }

  #readStatus(text: string): void {
    this.#statuses.push({ line: JSON.parse(text) as StatusLine, atMs: systemClock.nowMs() });
    this.#changed();
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 1_000) this.#lines.splice(0, 500);
    this.#changed();
  }

  #exit(why: string): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.#lines.push(`(${this.#title} ${why})`);
    open.delete(this);
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#onChange]) listener();
  }

  #tail(): string {
    return this.#lines.slice(-KEPT_LINES).join(" | ");
  }
}

/** For a bench that is interrupted or fails: nothing it started may stay. */
export async function stopAllProcesses(): Promise<void> {
  await Promise.allSettled([...open].map((process) => process.stop()));
}
