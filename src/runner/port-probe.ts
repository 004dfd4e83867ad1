import { connect } from "node:net";
import type { Clock, Timer } from "../time/clock.ts";

/** Tries a TCP connection, which it closes at once. `onResult` is called once, unless the returned function cancelled. */
export type ConnectOnce = (host: string, port: number, onResult: (accepted: boolean) => void) => () => void;

const CONNECT_LIMIT_MS = 1000;

export function createConnectOnce(clock: Clock): ConnectOnce {
  return (host, port, onResult) => {
    const socket = connect({ host, port });
    const limit = clock.after(CONNECT_LIMIT_MS, () => settle(false), undefined);
    const settle = (accepted: boolean | null): void => {
      limit.clear();
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      socket.destroy();
      if (accepted !== null) onResult(accepted);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
    return () => settle(null);
  };
}

export interface PortWatchOptions {
  readonly clock: Clock;
  readonly connect: ConnectOnce;
  readonly host: string;
  readonly port: number;
  /** Null: stop after the first success. Otherwise go on at this interval, to see when it goes away. */
  readonly recheckMs: number | null;
  readonly onChange: (accepting: boolean) => void;
}

/** An app that starts is asked often at first, so that it joins the mesh as soon as it listens. */
const FIRST_DELAYS_MS: readonly number[] = [15, 15, 20, 20, 30, 30, 50];
const LATER_DELAY_MS = 100;
const SLOW_AFTER_ATTEMPTS = 100;
const SLOW_DELAY_MS = 500;

/** Tries a port until something accepts. Returns a function that stops. */
export function watchPort(options: PortWatchOptions): () => void {
  let accepting = false;
  let attempts = 0;
  let timer: Timer | null = null;
  let cancel: (() => void) | null = null;
  let stopped = false;

  function attempt(): void {
    cancel = options.connect(options.host, options.port, (accepted) => {
      cancel = null;
      attempts = accepted ? 0 : attempts + 1;
      if (accepted !== accepting) {
        accepting = accepted;
        options.onChange(accepted);
      }
      if (!stopped && !(accepted && options.recheckMs === null)) wait(accepted);
    });
  }

  function wait(accepted: boolean): void {
    const early = FIRST_DELAYS_MS[attempts - 1] ?? (attempts > SLOW_AFTER_ATTEMPTS ? SLOW_DELAY_MS : LATER_DELAY_MS);
    timer = options.clock.after(accepted ? (options.recheckMs ?? 0) : early, attempt, undefined);
  }

  attempt();
  return () => {
    stopped = true;
    timer?.clear();
    cancel?.();
  };
}
