import type { Clock } from "../time/clock.ts";
import type { Backend } from "./app.ts";
import { type ConnectOnce, watchPort } from "./port-probe.ts";

export interface RemoteAddressOptions {
  readonly clock: Clock;
  readonly connect: ConnectOnce;
  readonly workload: string;
  readonly host: string;
  readonly port: number;
  readonly onAcceptingChange: (accepting: boolean) => void;
  readonly onProblem: (message: string) => void;
}

/** Nobody tells us when what others run goes away, so we look. */
const RECHECK_MS = 2000;
const SILENT_AFTER_MS = 5000;

/** An instance that somebody else runs: it takes part while its port accepts connections. */
export function createRemoteAddress(options: RemoteAddressOptions): Backend {
  const { clock, host, port, workload } = options;
  let accepting = false;
  let stopWatch: (() => void) | null = null;
  return {
    isAccepting: () => accepting,
    state: () => (accepting ? "running" : "away"),
    start() {
      if (stopWatch !== null) return;
      const silent = clock.after(
        SILENT_AFTER_MS,
        () => {
          if (!accepting)
            options.onProblem(`nothing accepts connections at ${host}:${port} (${workload}); weft keeps trying`);
        },
        undefined,
      );
      const stopPort = watchPort({
        clock,
        connect: options.connect,
        host,
        port,
        recheckMs: RECHECK_MS,
        onChange(next) {
          accepting = next;
          options.onAcceptingChange(next);
          if (!next) options.onProblem(`${host}:${port} (${workload}) no longer accepts connections`);
        },
      });
      stopWatch = () => {
        silent.clear();
        stopPort();
      };
    },
    restart: () => undefined,
    stop() {
      stopWatch?.();
      return Promise.resolve();
    },
    kill: () => undefined,
  };
}
