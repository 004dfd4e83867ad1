import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { waitUntil } from "./wait-until.ts";

const WEFT = fileURLToPath(new URL("../../src/bin/weft.js", import.meta.url));

export interface ProgramOptions {
  readonly cwd: string;
  /** WEFT_HOME. */
  readonly home: string;
  readonly parameters: readonly string[];
}

/** A `weft` in the foreground. Whoever starts it ends it. */
export class Program {
  /** Of both streams. */
  readonly lines: string[] = [];
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;

  constructor({ cwd, home, parameters }: ProgramOptions) {
    const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...kept } = process.env;
    this.process = spawn(process.execPath, [WEFT, ...parameters], {
      cwd,
      env: { ...kept, WEFT_HOME: home, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.lines.push(line));
    }
    this.exited = new Promise((resolve) => this.process.on("exit", (code) => resolve(code)));
  }

  /** A line that was printed or is still to come; fails at once when the program ends without it. */
  async line(pattern: RegExp, limitMs: number = 30_000): Promise<void> {
    const isPrinted = (): boolean => this.lines.some((line) => pattern.test(line));
    const isOver = (): boolean => this.process.exitCode !== null || this.process.signalCode !== null;
    const told = (): string => `it printed:\n${this.lines.slice(-40).join("\n")}`;
    await waitUntil(`a line like ${pattern}`, () => isPrinted() || isOver(), limitMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${told()}`);
    });
    if (!isPrinted()) assert.fail(`it ended without a line like ${pattern}; ${told()}`);
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return await this.exited;
  }
}
