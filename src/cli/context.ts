import type { Command } from "commander";
import type { ApiClient } from "../apiserver/api-client.ts";
import type { Random } from "../random/random.ts";
import type { Clock } from "../time/clock.ts";
import type { Terminal } from "./output/terminal.ts";

/**
 * What a command may touch beside its own files: given by `bin/weft.ts` in a process and by a test otherwise. A command
 * never reads `process.env`, never writes to the console and never ends the process.
 */
export interface CliHost {
  /** The result, and nothing else: it may be piped into a program. */
  readonly stdout: Terminal;
  /** Errors, warnings, progress. */
  readonly stderr: Terminal;
  /** All of standard input; at most once. */
  readonly readStdin: () => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
  /** Absolute. */
  readonly cwd: string;
  /** The process environment as it was at the start. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls `listener` at every SIGINT or SIGTERM instead of ending the process. Returns a function that stops. */
  readonly onInterrupt: (listener: (signal: "SIGINT" | "SIGTERM") => void) => () => void;
}

export interface CliContext extends CliHost {
  /** The state folder: `--home`, WEFT_HOME, `.weft` beside the nearest weft.yaml, or `.weft` here. */
  readonly findHome: () => string;
  /**
   * A client for the mesh of this home. The caller closes it. Throws WEFT_API_NOT_STARTED when the home holds no mesh;
   * does not connect yet.
   */
  readonly openApi: () => Promise<ApiClient>;
  /**
   * The command did its work and the answer is "no" (a check failed, a resource was refused): exit code 1 at the end, or
   * the one given (`weft run` passes on that of the program it ran).
   */
  readonly fail: (exitCode?: number) => void;
}

/** Every command file exports one of these, named `register…Command`. Registering must be cheap: actions import lazily. */
export type RegisterCommand = (program: Command, context: CliContext) => void;
