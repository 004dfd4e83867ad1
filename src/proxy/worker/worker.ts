import type { AcceptedSocket } from "../../transport/socket-acceptor.ts";
import type { AdoptingTransport } from "../../transport/adopting-transport.ts";
import type { AccessLog } from "../../observe/access-log.ts";
import type { Log } from "../../lib/log.ts";
import type { ProxyBootstrap } from "../../proxy-node.ts";
import type { Random } from "../../random/random.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import type { FromWorker, Identity, ToWorker } from "./worker-messages.ts";
import { WeftError } from "../../lib/weft-error.ts";
import { Proxy } from "../proxy.ts";
import { type Credentials, createCredentials } from "../runtime.ts";
import { CountsReader } from "./counts-delta.ts";
import { LoadMeter } from "./load-meter.ts";

export interface WorkerOptions {
  readonly transport: AdoptingTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtimeName: string;
  readonly cpuMs: () => number;
  readonly residentBytes: () => number;
  readonly createLog: (bootstrap: ProxyBootstrap, index: number) => Log;
  readonly createAccessLog: (bootstrap: ProxyBootstrap) => AccessLog | null;
  readonly send: (message: FromWorker) => void;
  /** Everything has ended. */
  readonly onEnd: () => void;
}

/** How often a worker says how busy it is: the main process's choice of a worker is at most this old. */
const REPORT_MS = 100;

/**
 * A worker: one proxy without a control plane of its own. Identity, configuration and connections come from its main
 * process, in one ordered stream, and what it counts goes back.
 */
export class Worker {
  readonly #options: WorkerOptions;
  #proxy: Proxy | null = null;
  #drainMs: number = 0;
  #reader: CountsReader | null = null;
  #meter: LoadMeter | null = null;
  #timer: Timer | null = null;
  #isDraining: boolean = false;
  /** Messages are taken one after the other, though some of them have to wait. */
  #turn: Promise<void> = Promise.resolve();
  #started: boolean = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  take(message: ToWorker, socket: AcceptedSocket | undefined): void {
    // At once, for what is served: only the start takes its time, and no socket comes before its end.
    if (this.#started) this.#run(message, socket);
    else this.#turn = this.#turn.then(() => this.#startWith(message));
  }

  /** Lets open exchanges end: the main process said so, or is gone. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    void this.#drain();
  }

  async #startWith(message: ToWorker): Promise<void> {
    if (message.kind !== "start") {
      // What came while the listeners were set up.
      this.#run(message, undefined);
      return;
    }
    try {
      await this.#start(message);
    } catch (error) {
      const code = error instanceof WeftError ? error.code : "WEFT_PROXY_START";
      this.#options.send({ kind: "failed", code, message: error instanceof Error ? error.message : String(error) });
      this.#options.onEnd();
      return;
    }
    // Behind what has come meanwhile; from here on messages need not queue.
    this.#turn = this.#turn.then(() => {
      this.#started = true;
      this.#options.send({ kind: "serving" });
    });
  }

  async #start({ bootstrap, index, identity }: Extract<ToWorker, { readonly kind: "start" }>): Promise<void> {
    const { transport, clock, random, runtimeName } = this.#options;
    const proxy = new Proxy({
      bootstrap,
      transport,
      clock,
      random,
      log: this.#options.createLog(bootstrap, index),
      accessLog: this.#options.createAccessLog(bootstrap),
      runtimeName,
      hasAdmin: false,
      facts: () => ({ residentBytes: 0, certificateExpiryMs: null, xdsConnected: false }),
      onMeshNames: () => undefined,
      onReady: () => undefined,
      onReferences: () => undefined,
    });
    await proxy.listen(toCredentials(identity));
    this.#proxy = proxy;
    this.#drainMs = bootstrap.drainMs;
    this.#reader = new CountsReader(proxy.runtime.edges, proxy.runtime.counters);
    this.#meter = new LoadMeter(clock, this.#options.cpuMs);
    this.#timer = clock.every(REPORT_MS, reportNow, this);
  }

  #run(message: ToWorker, socket: AcceptedSocket | undefined): void {
    switch (message.kind) {
      case "start":
        break;
      case "identity":
        void this.#proxy?.setIdentity(toCredentials(message.identity));
        break;
      case "resources":
        this.#proxy?.apply(message.typeUrl, message.upserts, message.removed);
        break;
      case "socket":
        // Undefined when the caller had gone before the platform could pass it on.
        this.#options.send({ kind: "taken", id: message.id });
        if (socket !== undefined) this.#options.transport.take(message.port, socket);
        break;
      case "drain":
        this.drain();
        break;
    }
  }

  report(): void {
    const { proxy, reader, meter } = { proxy: this.#proxy, reader: this.#reader, meter: this.#meter };
    if (proxy === null || reader === null || meter === null) return;
    this.#options.send({
      kind: "report",
      report: {
        busyRatio: meter.read(),
        openConnections: proxy.runtime.downstreams.size,
        residentBytes: this.#options.residentBytes(),
        counts: reader.take(),
      },
    });
  }

  async #drain(): Promise<void> {
    await this.#turn;
    await this.#proxy?.drain(this.#drainMs);
    this.#timer?.clear();
    this.report();
    await this.#proxy?.close();
    this.#options.onEnd();
  }
}

function reportNow(worker: Worker): void {
  worker.report();
}

function toCredentials({ keyPair, trustBundlePem }: Identity): Credentials {
  return createCredentials(keyPair, trustBundlePem);
}
