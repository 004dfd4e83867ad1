import type { Clock, Timer } from "../time/clock.ts";
import type { Child, ChildEvents, ChildExit, ChildSpec, SpawnChild } from "./child.ts";
import { RestartBackoff, type RestartBackoffOptions } from "./restart-backoff.ts";

/** After an exit nobody asked for: how long what the process started may take to end before it is killed. */
const LEFTOVER_GRACE_MS = 1000;

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly spawn: SpawnChild;
  readonly backoff: RestartBackoffOptions;
  /** Called before each start, so that what changed meanwhile (ports, runtime) counts. */
  readonly createSpec: () => ChildSpec;
  readonly onStart: (child: Child) => void;
  readonly onStatus: (status: unknown) => void;
  readonly onLine: (line: string) => void;
  /** The process ended by itself. Return "restart" (it starts again after the delay given) or "leave". */
  readonly onExit: (exit: ChildExit, delayMs: number) => "restart" | "leave";
}

/**
 * Keeps one child process running.
 *
 *   idle ──start──▶ running ──exit──▶ waiting ──delay──▶ running
 *     any ──stop──▶ stopped (for good)
 *
 * An exit is told once; after `stop` nothing is told.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #backoff: RestartBackoff;
  #state: "idle" | "running" | "waiting" | "stopped" = "idle";
  #child: Child | null = null;
  #leftover: Promise<void> | null = null;
  #timer: Timer | null = null;
  #startedAtMs = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#backoff = new RestartBackoff(options.backoff);
  }

  state(): "idle" | "running" | "waiting" | "stopped" {
    return this.#state;
  }

  /** Does nothing unless idle. */
  start(): void {
    if (this.#state === "idle") this.#run();
  }

  /** Stops the running process, if any, and starts it again without delay. */
  async restart(graceMs: number): Promise<void> {
    if (this.#state === "stopped") return;
    this.#timer?.clear();
    const child = this.#child;
    this.#child = null;
    this.#state = "waiting";
    await child?.stop(graceMs);
    if (this.#state === "waiting" && this.#child === null) this.#run();
  }

  /** Kills the process at once and starts none again. `stop` then waits until it is gone. */
  kill(): void {
    this.#state = "stopped";
    this.#timer?.clear();
    this.#child?.kill("SIGKILL");
  }

  async stop(graceMs: number): Promise<void> {
    this.#state = "stopped";
    this.#timer?.clear();
    await Promise.all([this.#child?.stop(graceMs), this.#leftover]);
  }

  #run(): void {
    this.#state = "running";
    this.#startedAtMs = this.#options.clock.nowMs();
    const events: ChildEvents = {
      onStatus: (status) => {
        if (this.#isCurrent(child)) this.#options.onStatus(status);
      },
      onLine: (line) => this.#options.onLine(line),
      onExit: (exit) => {
        if (this.#isCurrent(child)) this.#exit(child, exit);
      },
    };
    const child: Child = this.#options.spawn(this.#options.createSpec(), events);
    this.#child = child;
    this.#options.onStart(child);
  }

  #isCurrent(child: Child): boolean {
    return this.#child === child && this.#state === "running";
  }

  #exit(child: Child, exit: ChildExit): void {
    this.#child = null;
    const delayMs = this.#backoff.next(this.#options.clock.nowMs() - this.#startedAtMs);
    this.#leftover = child.stop(LEFTOVER_GRACE_MS);
    this.#state = "waiting";
    if (this.#options.onExit(exit, delayMs) === "leave") {
      this.#state = "stopped";
      return;
    }
    this.#timer = this.#options.clock.after(delayMs, () => this.#startAgain(), undefined);
  }

  /** Never before what the last one left is gone: it may hold the port. */
  #startAgain(): void {
    void this.#leftover?.then(() => {
      if (this.#state === "waiting" && this.#child === null) this.#run();
    });
  }
}
