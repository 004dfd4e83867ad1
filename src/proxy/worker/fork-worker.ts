import { type ChildProcess, fork } from "node:child_process";
import type { AcceptedSocket } from "../../transport/socket-acceptor.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** A worker as its main process sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** A socket stays open here until it is destroyed here, too: should the worker end first, another can have it. */
  send(message: ToWorker, socket?: AcceptedSocket): void;
  kill(): void;
}

export interface WorkerEvents {
  onMessage(message: FromWorker): void;
  /** Once, and last. */
  onExit(how: string): void;
}

export type StartWorker = (events: WorkerEvents) => WorkerProcess;

/** Workers that run this script (a compiled file) on the runtime of this process. What they print goes where ours goes. */
export function createStartWorker(script: string): StartWorker {
  return (events) => {
    const child = fork(script, [], { serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
    child.on("message", (message) => events.onMessage(message as FromWorker));
    child.on("exit", (code, signal) => events.onExit(signal === null ? `exit code ${code}` : `signal ${signal}`));
    // Also a message that could not be sent any more; what matters is the exit, and that it never began.
    child.on("error", (error) => {
      if (child.pid === undefined) events.onExit(`cannot start: ${error.message}`);
    });
    return {
      pid: child.pid ?? 0,
      send: (message, socket) => send(child, message, socket),
      kill: () => void child.kill("SIGKILL"),
    };
  };
}

function send(child: ChildProcess, message: ToWorker, socket: AcceptedSocket | undefined): void {
  if (!child.connected) return;
  // With a callback, a failure is not thrown; the exit that caused it is reported by itself.
  child.send(message, socket, { keepOpen: true }, () => undefined);
}
