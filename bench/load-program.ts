import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { readEnvironment } from "../src/runner/environment.ts";
import { BenchProcess } from "./bench-process.ts";
import { findGo, KEPT_FOLDER, PROJECT_FOLDER } from "./machine.ts";

/** What a load saw. */
export interface LoadResult {
  readonly count: number;
  readonly perSecond: number;
  readonly medianMicros: number;
  readonly p99Micros: number;
  /** Broken or late connections, and answers that are not as they must be. */
  readonly errors: number;
  /** Null when there was none, or the load cannot tell. */
  readonly firstError: string | null;
}

/** Options of bench/load, e.g. `{ addr: "127.0.0.1:80", connections: 8, upload: true }`. */
export type LoadFlags = Readonly<Record<string, string | number | true>>;

interface Printed {
  readonly ops: number;
  readonly seconds: number;
  readonly errors: number;
  readonly firstError: string;
  readonly p50: number;
  readonly p99: number;
}

const BUILD_LIMIT_MS = 120_000;
const START_LIMIT_MS = 20_000;

/** bench/load, compiled: the load generator and backends for what wrk and the peers cannot do. */
export class LoadProgram {
  readonly #file: string;
  readonly #folder: string;
  readonly #core: number | null;

  /** Compiles it; the compiler's own cache makes that quick the second time. Rejects when it does not compile. */
  static async build(folder: string, core: number | null): Promise<LoadProgram> {
    const file = join(KEPT_FOLDER, "load");
    mkdirSync(KEPT_FOLDER, { recursive: true });
    const env = { ...readEnvironment(), CGO_ENABLED: "0", GOFLAGS: "", GOTOOLCHAIN: "local" };
    const cwd = join(PROJECT_FOLDER, "bench", "load");
    await promisify(execFile)(findGo(), ["build", "-buildvcs=false", "-o", file, "."], {
      cwd,
      env,
      timeout: BUILD_LIMIT_MS,
    });
    return new LoadProgram(file, folder, core);
  }

  private constructor(file: string, folder: string, core: number | null) {
    this.#file = file;
    this.#folder = folder;
    this.#core = core;
  }

  async run(command: string, flags: LoadFlags): Promise<LoadResult> {
    const process = this.#start(command, flags);
    const lines = await process.finish(Number(flags["seconds"] ?? 0) * 1000 + 30_000);
    const line = lines.find((text) => text.startsWith('{"ops"'));
    if (line === undefined) throw new Error(`load ${command} gave no result; it printed: ${lines.join(" | ")}`);
    const { ops, seconds, errors, firstError, p50, p99 } = JSON.parse(line) as Printed;
    return {
      count: ops,
      perSecond: ops / seconds,
      medianMicros: p50,
      p99Micros: p99,
      errors,
      firstError: firstError === "" ? null : firstError,
    };
  }

  /** Resolves once it says that it listens, or that its connections are open. */
  async serve(command: string, flags: LoadFlags): Promise<BenchProcess> {
    const process = this.#start(command, flags);
    await process.line(/^\{"listening"/, START_LIMIT_MS);
    return process;
  }

  /** Puts request heads where the program can read them. */
  writeRequests(name: string, requests: readonly string[]): string {
    const file = join(this.#folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(requests));
    return file;
  }

  #start(command: string, flags: LoadFlags): BenchProcess {
    const parameters = Object.entries(flags).map(([name, value]) =>
      value === true ? `-${name}` : `-${name}=${value}`,
    );
    return new BenchProcess({
      title: `load ${command}`,
      file: this.#file,
      parameters: [command, ...parameters],
      cwd: this.#folder,
      environment: {},
      core: this.#core,
    });
  }
}
