/** A child process as the runner sees it; `spawn-child.ts` makes real ones, tests make fake ones. */

export interface ChildSpec {
  /** Shown in messages and recorded in the home, e.g. "web-0", "sidecar of web-0". */
  readonly title: string;
  readonly command: ShellCommand | ProgramCommand;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** "pipe": `sendLine` works, and the child sees the end of its input when this process dies. */
  readonly stdin: "pipe" | "ignore" | "inherit";
  /** "lines": `onLine`; "inherit": this process's own; else the file that standard output and error are appended to. */
  readonly output: "lines" | "inherit" | { readonly file: string };
  /** Opens file descriptor 3, on which the child writes JSON lines. */
  readonly hasStatus: boolean;
  /** Out of reach of the terminal's Ctrl-C, and stopped together with all it started. */
  readonly ownGroup: boolean;
}

export interface ShellCommand {
  readonly kind: "shell";
  readonly line: string;
}

export interface ProgramCommand {
  readonly kind: "program";
  readonly file: string;
  readonly parameters: readonly string[];
}

export interface ChildEvents {
  /** One JSON line of file descriptor 3; lines that are not JSON are dropped. */
  onStatus(status: unknown): void;
  /** One line of standard output or error, without its line feed; a very long one comes in pieces. Also after `onExit`. */
  onLine(line: string): void;
  /** Once; no status comes after it. What the child started may still run: `stop` ends that too. */
  onExit(exit: ChildExit): void;
}

export interface ChildExit {
  /** Null when killed by a signal or never started. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started, else null. */
  readonly error: string | null;
}

export interface Child {
  /** Null when it could not be started. */
  readonly pid: number | null;
  /** To its standard input; ignored after its end. */
  sendLine(line: string): void;
  /** To the child, and with `ownGroup` to all it started. Ignored after their end. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when the child, and its group, are gone. Safe to call again. */
  stop(graceMs: number): Promise<void>;
}

/** Never throws: what cannot be started exits with an error, in a later turn. */
export type SpawnChild = (spec: ChildSpec, events: ChildEvents) => Child;

/** e.g. "exited with code 1", "was killed by SIGKILL", "could not be started (ENOENT)". */
export function describeExit(exit: ChildExit): string {
  if (exit.error !== null) return `could not be started (${exit.error})`;
  return exit.signal === null ? `exited with code ${exit.code ?? 0}` : `was killed by ${exit.signal}`;
}
