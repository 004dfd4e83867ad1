import type { Clock } from "../time/clock.ts";
import { type ChildExit, type ChildSpec, describeExit, type SpawnChild } from "./child.ts";
import { type ConnectOnce, watchPort } from "./port-probe.ts";
import { APP_BACKOFF } from "./restart-backoff.ts";
import { Supervisor } from "./supervisor.ts";

/** What stands behind a sidecar: an app that weft runs, or an address where somebody else runs one. */
export interface Backend {
  /** Accepts connections on its port now. */
  isAccepting(): boolean;
  /** For the table, e.g. "running", "restarts". */
  state(): string;
  start(): void;
  /** Its sidecar has other ports now. */
  restart(): void;
  /** Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
  kill(): void;
}

export interface AppOptions {
  readonly clock: Clock;
  readonly spawn: SpawnChild;
  readonly connect: ConnectOnce;
  readonly workload: string;
  readonly process: Pick<ChildSpec, "command" | "stdin" | "output" | "ownGroup">;
  readonly cwd: string;
  readonly port: number;
  /** Asked at each start. */
  readonly createEnvironment: () => Readonly<Record<string, string | undefined>>;
  /** Says once that nothing listens after this long; null: a program that never listens is fine. */
  readonly silentAfterMs: number | null;
  readonly onAcceptingChange: (accepting: boolean) => void;
  /** It ended by itself. `hasAccepted`: it has listened before. "leave" = that was all of it. */
  readonly onEnd: (exit: ChildExit, hasAccepted: boolean) => "restart" | "leave";
  readonly onLine: (line: string) => void;
  readonly onProblem: (message: string) => void;
}

const RESTART_GRACE_MS = 5000;

/** An app: started, watched, and started again when it ends. */
export function createApp(options: AppOptions): Backend {
  const { clock, workload, port } = options;
  let accepting = false;
  let hasAccepted = false;
  let stopWatch: (() => void) | null = null;

  function setAccepting(next: boolean): void {
    if (accepting === next) return;
    accepting = next;
    hasAccepted ||= next;
    options.onAcceptingChange(next);
  }

  function watch(): void {
    const stopPort = watchPort({
      clock,
      connect: options.connect,
      host: "127.0.0.1",
      port,
      recheckMs: null,
      onChange: setAccepting,
    });
    const silent =
      options.silentAfterMs === null
        ? null
        : clock.after(
            options.silentAfterMs,
            () => {
              if (!accepting)
                options.onProblem(
                  `${workload} does not listen on 127.0.0.1:${port} yet; it should listen on the port in its PORT variable (or say appPort in weft.yaml)`,
                );
            },
            undefined,
          );
    stopWatch = () => {
      stopPort();
      silent?.clear();
    };
  }

  function endWatch(): void {
    stopWatch?.();
    stopWatch = null;
    setAccepting(false);
  }

  function onExit(exit: ChildExit, delayMs: number): "restart" | "leave" {
    endWatch();
    if (options.onEnd(exit, hasAccepted) === "leave") return "leave";
    options.onProblem(`${workload} ${describeExit(exit)}; it starts again in ${delayMs / 1000} s`);
    return "restart";
  }

  const supervisor = new Supervisor({
    clock,
    spawn: options.spawn,
    backoff: APP_BACKOFF,
    createSpec: () => ({
      title: workload,
      ...options.process,
      cwd: options.cwd,
      environment: options.createEnvironment(),
      hasStatus: false,
    }),
    onStart: watch,
    onStatus: () => undefined,
    onLine: options.onLine,
    onExit,
  });
  return {
    isAccepting: () => accepting,
    state: () => (supervisor.state() === "waiting" ? "restarts" : accepting ? "running" : "starts"),
    start: () => supervisor.start(),
    restart() {
      endWatch();
      void supervisor.restart(RESTART_GRACE_MS);
    },
    async stop(graceMs) {
      endWatch();
      await supervisor.stop(graceMs);
    },
    kill: () => supervisor.kill(),
  };
}
