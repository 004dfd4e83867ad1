import type { AcceptedSocket } from "../../transport/socket-acceptor.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { StartWorker, WorkerProcess } from "./fork-worker.ts";
import type { WorkerLoad } from "./least-loaded.ts";
import type { FromWorker, ToWorker, WorkerReport } from "./worker-messages.ts";
import { CountsWriter } from "./counts-delta.ts";

/** A connection on its way to a worker. */
export interface WaitingSocket {
  readonly port: number;
  readonly socket: AcceptedSocket;
}

export interface WorkerSlotOptions {
  readonly index: number;
  readonly runtime: ProxyRuntime;
  readonly start: StartWorker;
  /** Takes the connections that the worker did not confirm. */
  readonly onExit: (slot: WorkerSlot, how: string, unconfirmed: readonly WaitingSocket[]) => void;
  readonly onServing: () => void;
  readonly onLines: (text: string) => void;
}

/** A worker that does not report for this long counts as fully busy. */
const SILENT_AFTER_MS = 500;
/** Connections on their way to one worker. */
const MAX_UNCONFIRMED = 256;

/** One worker process: what it was sent, what it confirmed, and how loaded it is. */
export class WorkerSlot implements WorkerLoad {
  readonly index: number;
  readonly startedAtMs: number;
  readonly #options: WorkerSlotOptions;
  readonly #process: WorkerProcess;
  readonly #counts: CountsWriter;
  readonly #unconfirmed: Map<number, WaitingSocket> = new Map();
  #isServing: boolean = false;
  #hasExited: boolean = false;
  #lastId: number = 0;
  #report: WorkerReport | null = null;
  #reportedAtMs: number;
  #openConnections: number = 0;
  #handed: number = 0;
  #handedSince: number = 0;

  constructor(options: WorkerSlotOptions) {
    const { index, runtime, start } = options;
    this.#options = options;
    this.index = index;
    this.startedAtMs = runtime.clock.nowMs();
    this.#reportedAtMs = this.startedAtMs;
    this.#counts = new CountsWriter(runtime.edges, runtime.counters);
    this.#process = start({ onMessage: (message) => this.#take(message), onExit: (how) => this.#exit(how) });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get busyRatio(): number {
    const silentMs = this.#options.runtime.clock.nowMs() - this.#reportedAtMs;
    return silentMs > SILENT_AFTER_MS ? 1 : (this.#report?.busyRatio ?? 0);
  }

  get openConnections(): number {
    return this.#openConnections + this.#handedSince;
  }

  get handedSince(): number {
    return this.#handedSince;
  }

  /** Connections handed over since it started. */
  get handed(): number {
    return this.#handed;
  }

  get residentBytes(): number {
    return this.#report?.residentBytes ?? 0;
  }

  canTake(): boolean {
    return this.#isServing && this.#unconfirmed.size < MAX_UNCONFIRMED;
  }

  send(message: ToWorker): void {
    if (!this.#hasExited) this.#process.send(message);
  }

  hand(waiting: WaitingSocket): void {
    this.#lastId += 1;
    this.#handed += 1;
    this.#handedSince += 1;
    this.#unconfirmed.set(this.#lastId, waiting);
    this.#process.send({ kind: "socket", id: this.#lastId, port: waiting.port }, waiting.socket);
  }

  kill(): void {
    this.#process.kill();
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case "serving":
        this.#isServing = true;
        this.#options.onServing();
        break;
      case "taken":
        // The worker holds it now; this closes only our end of it.
        this.#unconfirmed.get(message.id)?.socket.destroy();
        this.#unconfirmed.delete(message.id);
        break;
      case "report":
        this.#read(message.report);
        break;
      case "lines":
        this.#options.onLines(message.text);
        break;
      case "failed":
        this.#options.runtime.log.error("a worker failed", { worker: this.index, ...message, kind: undefined });
        break;
    }
  }

  #read(report: WorkerReport): void {
    const { runtime } = this.#options;
    this.#report = report;
    this.#reportedAtMs = runtime.clock.nowMs();
    this.#hold(report.openConnections);
    this.#handedSince = this.#unconfirmed.size;
    this.#counts.add(report.counts);
  }

  #exit(how: string): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.#isServing = false;
    this.#hold(0);
    this.#counts.end();
    const unconfirmed = [...this.#unconfirmed.values()];
    this.#unconfirmed.clear();
    this.#options.onExit(this, how, unconfirmed);
  }

  #hold(openConnections: number): void {
    this.#options.runtime.workerDownstreams += openConnections - this.#openConnections;
    this.#openConnections = openConnections;
  }
}
