import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeApiAccess } from "../apiserver/api-access.ts";
import { startTestApi, type TestApi, type TestApiOptions } from "../apiserver/start-test-api.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { Clock } from "../time/clock.ts";
import type { CliHost } from "./context.ts";
import type { Terminal } from "./output/terminal.ts";
import { runCli } from "./program.ts";

/** A command line without a process: what it would print, and its exit code. */
export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestCli {
  /** A temporary folder: the working folder, with the mesh's state in `.weft`. */
  readonly folder: string;
  readonly clock: FakeClock;
  readonly api: TestApi;
  run(...argv: readonly string[]): Promise<CliRun>;
  /** Like `run`, on a terminal of this width, and with more. */
  runWith(options: TestRunOptions, ...argv: readonly string[]): Promise<CliRun>;
  /** Writes a file of the folder and returns its name. */
  file(name: string, text: string): string;
  close(): Promise<void>;
}

export interface TestRunOptions {
  /** Left out: not a terminal. */
  readonly columns?: number;
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Calls the function with what sends SIGINT to the command. */
  readonly onStart?: (interrupt: () => void) => void;
  readonly clock?: Clock;
  readonly onWrite?: (stdout: string) => void;
}

/** The API server's clock is the real one, the command's stands still (at the same wall time) until it is moved. */
export async function startTestCli(options: TestApiOptions = {}): Promise<TestCli> {
  const folder = mkdtempSync(join(tmpdir(), "weft-cli-"));
  const clock = new FakeClock();
  const api = await startTestApi(options);
  writeApiAccess({
    home: join(folder, ".weft"),
    endpoints: { api: api.baseUrl, xds: "127.0.0.1:9339", pid: process.pid },
    token: api.token,
  });
  const runWith: TestCli["runWith"] = (runOptions, ...argv) => run(folder, runOptions.clock ?? clock, runOptions, argv);
  return {
    folder,
    clock,
    api,
    run: (...argv) => runWith({}, ...argv),
    runWith,
    file(name, text) {
      writeFileSync(join(folder, name), text);
      return name;
    },
    async close() {
      await api.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function run(folder: string, clock: Clock, options: TestRunOptions, argv: readonly string[]): Promise<CliRun> {
  let stdout = "";
  let stderr = "";
  const terminal = (write: (text: string) => void): Terminal => ({
    isTty: options.columns !== undefined,
    hasColor: false,
    size: () => ({ columns: options.columns ?? 80, rows: 24 }),
    write,
  });
  const listeners = new Set<(signal: "SIGINT" | "SIGTERM") => void>();
  const host: CliHost = {
    stdout: terminal((text) => {
      stdout += text;
      options.onWrite?.(text);
    }),
    stderr: terminal((text) => {
      stderr += text;
    }),
    readStdin: () => Promise.resolve(options.stdin ?? ""),
    clock,
    random: createSeededRandom(1),
    cwd: folder,
    environment: options.environment ?? {},
    onInterrupt(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  options.onStart?.(() => {
    for (const listener of listeners) listener("SIGINT");
  });
  const exitCode = await runCli(argv, host);
  return { exitCode, stdout, stderr };
}
