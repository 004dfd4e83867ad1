import { WeftError } from "../../lib/weft-error.ts";
import type { BoundAddress, InboundPort, IngressPort, UdpPort, ProxyBootstrap } from "../../proxy-node.ts";
import type { SocketAcceptor } from "../../transport/socket-acceptor.ts";
import type { Timer } from "../../time/clock.ts";
import type { HeldResource } from "../config/config-disk.ts";
import type { TrafficListeners } from "../listener/traffic-listeners.ts";
import type { BoundPorts, ResourceUpdate } from "../proxy.ts";
import type { Credentials, ProxyRuntime } from "../runtime.ts";
import type { StartWorker } from "./fork-worker.ts";
import type { Identity, ToWorker } from "./worker-messages.ts";
import { openSocketAcceptor } from "../../transport/socket-acceptor.ts";
import { DELIVERY_ORDER } from "../../xds/names.ts";
import { pickLeastLoaded } from "./least-loaded.ts";
import { type WaitingSocket, WorkerSlot } from "./worker-slot.ts";

export interface WorkerPoolOptions {
  /** At least 2. */
  readonly count: number;
  /** The main process's own, which carries no traffic: what workers count is added to its counts. */
  readonly runtime: ProxyRuntime;
  readonly start: StartWorker;
  /** Every resource in force, for a worker that starts. */
  readonly held: () => Iterable<HeldResource>;
  /** Access-log lines of a worker, when the log goes to standard output. */
  readonly onLines: (text: string) => void;
}

/** One worker, for metrics and the admin pages. */
export interface WorkerFacts {
  readonly worker: number;
  readonly pid: number;
  readonly serving: boolean;
  readonly busyRatio: number;
  readonly openConnections: number;
  /** Connections handed to it since it started. */
  readonly handed: number;
}

/** Connections that came while no worker could take them. More than this are closed, and counted as refused. */
const MAX_WAITING = 1024;
const FIRST_RESTART_MS = 100;
const LONGEST_RESTART_MS = 5_000;
/** A worker that lived this long starts again at once. */
const SETTLED_AFTER_MS = 30_000;
/** Beyond its drain time, before a worker is killed. */
const DRAIN_GRACE_MS = 1_000;

/**
 * The main process's side of workers: it accepts every connection, unread, and hands it to the least loaded worker. A
 * worker that ends is replaced; connections that it had not confirmed go to another.
 */
export class WorkerPool implements TrafficListeners {
  readonly #options: WorkerPoolOptions;
  readonly #acceptors: SocketAcceptor[] = [];
  readonly #slots: Map<number, WorkerSlot> = new Map();
  readonly #waiting: WaitingSocket[] = [];
  readonly #restartMs: Map<number, number> = new Map();
  readonly #timers: Set<Timer> = new Set();
  #bootstrap: ProxyBootstrap | null = null;
  #identity: Identity | null = null;
  #closed: Promise<void> | null = null;
  #onGone: () => void = () => undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  async bindOutbound(wanted: BoundAddress): Promise<BoundAddress> {
    return { address: wanted.address, port: await this.#accept(wanted) };
  }

  /** What a runner never asks for: flows of UDP are one process's. */
  bindUdp(): Promise<UdpPort> {
    return Promise.reject(
      new WeftError(
        "WEFT_PROXY_UDP_WORKERS",
        "Cannot carry UDP with workers: found UDP ports; expected none, or one worker",
        {
          hint: "Leave out `workers`, or set it to 1, for a service that calls services of UDP",
        },
      ),
    );
  }

  async bindIngress(wanted: IngressPort): Promise<IngressPort> {
    return { ...wanted, port: await this.#accept(wanted) };
  }

  async bindInbound(wanted: InboundPort): Promise<InboundPort> {
    return { ...wanted, port: await this.#accept(wanted) };
  }

  /** Once, when everything is bound. Connections that came before wait. */
  start(bootstrap: ProxyBootstrap, bound: BoundPorts, credentials: Credentials): void {
    this.#bootstrap = { ...bootstrap, ...bound };
    this.#identity = toIdentity(credentials);
    for (let index = 0; index < this.#options.count; index += 1) this.#startWorker(index);
  }

  /** What the main process took of a batch of resources: every worker takes the same. */
  apply(typeUrl: string, upserts: readonly ResourceUpdate[], removed: readonly string[]): void {
    this.#broadcast({ kind: "resources", typeUrl, upserts, removed });
  }

  async reload(credentials: Credentials): Promise<void> {
    this.#identity = toIdentity(credentials);
    this.#broadcast({ kind: "identity", identity: this.#identity });
  }

  /** Stops accepting, and resolves when the workers have let open exchanges end, or after the bootstrap's `drainMs`. */
  close(): Promise<void> {
    this.#closed ??= this.#drain();
    return this.#closed;
  }

  describe(): readonly WorkerFacts[] {
    return [...this.#slots.values()]
      .sort((a, b) => a.index - b.index)
      .map((slot) => ({
        worker: slot.index,
        pid: slot.pid,
        serving: slot.canTake(),
        busyRatio: slot.busyRatio,
        openConnections: slot.openConnections,
        handed: slot.handed,
      }));
  }

  residentBytes(): number {
    let sum = 0;
    for (const slot of this.#slots.values()) sum += slot.residentBytes;
    return sum;
  }

  async #accept(wanted: BoundAddress): Promise<number> {
    const acceptor = await openSocketAcceptor(wanted, (socket) => this.#give({ port: acceptor.port, socket }));
    this.#acceptors.push(acceptor);
    return acceptor.port;
  }

  #give(waiting: WaitingSocket): void {
    const slots = [...this.#slots.values()].filter((slot) => slot.canTake());
    const slot = slots[pickLeastLoaded(slots)];
    if (slot !== undefined) {
      slot.hand(waiting);
    } else if (this.#waiting.length < MAX_WAITING) {
      this.#waiting.push(waiting);
    } else {
      this.#options.runtime.log.warn("a connection was closed: no worker serves, and too many wait", {
        limit: MAX_WAITING,
      });
      waiting.socket.destroy();
    }
  }

  #giveWaiting(): void {
    for (const waiting of this.#waiting.splice(0)) this.#give(waiting);
  }

  #startWorker(index: number): void {
    const { runtime, start, held, onLines } = this.#options;
    const bootstrap = this.#bootstrap;
    const identity = this.#identity;
    if (bootstrap === null || identity === null) throw new Error("A worker starts after start()");
    const slot = new WorkerSlot({
      index,
      runtime,
      start,
      onExit: (ended, how, unconfirmed) => this.#exited(ended, how, unconfirmed),
      onServing: () => this.#giveWaiting(),
      onLines,
    });
    this.#slots.set(index, slot);
    slot.send({ kind: "start", index, bootstrap, identity });
    for (const [typeUrl, upserts] of groupByType(held())) {
      slot.send({ kind: "resources", typeUrl, upserts, removed: [] });
    }
    runtime.log.info("a worker starts", { worker: index, pid: slot.pid });
  }

  #exited(slot: WorkerSlot, how: string, unconfirmed: readonly WaitingSocket[]): void {
    const { runtime } = this.#options;
    this.#slots.delete(slot.index);
    for (const waiting of unconfirmed) this.#give(waiting);
    if (this.#closed !== null) {
      if (this.#slots.size === 0) this.#onGone();
      return;
    }
    runtime.counters.workersReplaced += 1;
    const livedMs = runtime.clock.nowMs() - slot.startedAtMs;
    const known = livedMs >= SETTLED_AFTER_MS ? undefined : this.#restartMs.get(slot.index);
    const waitMs = known ?? FIRST_RESTART_MS;
    this.#restartMs.set(slot.index, Math.min(waitMs * 2, LONGEST_RESTART_MS));
    runtime.log.error("a worker ended; it starts again, and the others serve meanwhile", {
      worker: slot.index,
      pid: slot.pid,
      how,
      livedMs: Math.round(livedMs),
      waitMs,
      serving: this.#slots.size,
    });
    const timer = runtime.clock.after(
      waitMs,
      () => {
        this.#timers.delete(timer);
        this.#startWorker(slot.index);
      },
      undefined,
    );
    this.#timers.add(timer);
  }

  async #drain(): Promise<void> {
    const { clock } = this.#options.runtime;
    for (const acceptor of this.#acceptors) acceptor.close();
    for (const timer of this.#timers) timer.clear();
    this.#giveWaiting();
    if (this.#slots.size > 0) {
      this.#broadcast({ kind: "drain" });
      const killAfterMs = (this.#bootstrap?.drainMs ?? 0) + DRAIN_GRACE_MS;
      const timer = clock.after(killAfterMs, () => this.#slots.forEach((slot) => slot.kill()), undefined);
      await new Promise<void>((resolve) => {
        this.#onGone = resolve;
      });
      timer.clear();
    }
    for (const { socket } of this.#waiting.splice(0)) socket.destroy();
  }

  #broadcast(message: ToWorker): void {
    for (const slot of this.#slots.values()) slot.send(message);
  }
}

/** In the order in which the control plane delivers them, so that a worker finds what a resource refers to. */
function groupByType(held: Iterable<HeldResource>): ReadonlyMap<string, ResourceUpdate[]> {
  const groups = new Map<string, ResourceUpdate[]>(DELIVERY_ORDER.map((typeUrl) => [typeUrl, []]));
  for (const { typeUrl, name, version, bytes } of held) groups.get(typeUrl)?.push({ name, version, bytes });
  for (const [typeUrl, group] of groups) if (group.length === 0) groups.delete(typeUrl);
  return groups;
}

function toIdentity({ keyPair, trustBundlePem }: Credentials): Identity {
  return { keyPair, trustBundlePem };
}
