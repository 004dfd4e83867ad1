import type { Timer } from "../../time/clock.ts";
import type { BoundSocket } from "../../transport/datagrams.ts";
import type { ConnectionHandler } from "../../transport/transport.ts";
import type { ProxyRuntime } from "../runtime.ts";
import { DatagramConnection } from "./datagram-connection.ts";

/** A flow ends after this long without a datagram either way. As Envoy's udp_proxy; RFC 4787 §4.3 asks NATs for two minutes or more. */
export const IDLE_MS = 60_000;
/** Of one socket. Past it the datagrams of new clients are lost and counted. */
export const MAX_FLOWS = 4_096;
/** For so long the datagrams of a flow that failed are lost, before it is tried again: a flood must not be one of handshakes. */
export const REFUSED_MS = 1_000;
const SWEEP_MS = 1_000;

type FlowRuntime = Pick<ProxyRuntime, "clock" | "counters" | "datagrams">;

interface Flow {
  readonly connection: DatagramConnection;
  lastMs: number;
}

/**
 * What the app sends to one loopback socket, told apart by where it comes from: a flow for each client address and port, as
 * UDP has no connections. A flow has its own connection to an instance, and keeps it until it has been silent for a minute.
 */
export class UdpFlows {
  readonly #runtime: FlowRuntime;
  readonly #start: (remoteAddress: string) => ConnectionHandler;
  readonly #flows: Map<string, Flow> = new Map();
  /** Clients whose flow failed, and until when they are not heard. */
  readonly #refused: Map<string, number> = new Map();
  readonly #timer: Timer;
  #socket: BoundSocket | null = null;

  /** `start` gives what serves a new flow. */
  constructor(runtime: FlowRuntime, start: (remoteAddress: string) => ConnectionHandler) {
    this.#runtime = runtime;
    this.#start = start;
    this.#timer = runtime.clock.every(SWEEP_MS, (flows: UdpFlows) => flows.#sweep(), this);
  }

  /** Rejects with `WEFT_TRANSPORT_LISTEN`. */
  async bind(address: string, port: number): Promise<number> {
    const { datagrams } = this.#runtime;
    this.#socket = await datagrams.bind({ address, port }, (bytes, host, from) => this.#receive(bytes, host, from));
    return this.#socket.port;
  }

  /** Takes nothing more from clients; flows go on until they are silent or closed. */
  close(): void {
    this.#timer.clear();
    for (const flow of this.#flows.values()) flow.connection.silence();
    this.#flows.clear();
    this.#socket?.close();
    this.#socket = null;
  }

  #receive(bytes: Uint8Array, address: string, port: number): void {
    const key = `${address} ${port}`;
    const flow = this.#flows.get(key) ?? this.#open(key, address, port);
    if (flow === null) {
      this.#runtime.counters.udpReceived += 1;
      this.#runtime.counters.udpDropped += 1;
      return;
    }
    flow.lastMs = this.#runtime.clock.nowMs();
    flow.connection.receive(bytes);
  }

  #open(key: string, address: string, port: number): Flow | null {
    const { clock, counters } = this.#runtime;
    if (this.#flows.size >= MAX_FLOWS || this.#refused.has(key)) return null;
    const send = (bytes: Uint8Array): void => {
      flow.lastMs = clock.nowMs();
      this.#socket?.send(bytes, address, port);
    };
    const handler = new FlowHandler(this.#start(address), (hasFailed) => this.#forget(key, flow, hasFailed));
    const peer = { remoteAddress: address, remotePort: port, localPort: this.#socket?.port ?? 0, tls: null };
    const connection = new DatagramConnection({ send, close: () => undefined }, handler, { peer, counters });
    const flow: Flow = { connection, lastMs: clock.nowMs() };
    this.#flows.set(key, flow);
    counters.udpFlows += 1;
    connection.open();
    return flow;
  }

  #forget(key: string, flow: Flow, hasFailed: boolean): void {
    if (this.#flows.get(key) !== flow) return;
    this.#flows.delete(key);
    if (hasFailed && this.#refused.size < MAX_FLOWS) {
      this.#refused.set(key, this.#runtime.clock.nowMs() + REFUSED_MS);
    }
  }

  #sweep(): void {
    const nowMs = this.#runtime.clock.nowMs();
    for (const [key, flow] of this.#flows) {
      if (nowMs - flow.lastMs < IDLE_MS) continue;
      this.#flows.delete(key);
      flow.connection.silence();
    }
    for (const [key, untilMs] of this.#refused) if (nowMs >= untilMs) this.#refused.delete(key);
  }
}

/** Hands everything on, and tells when the flow is over. */
class FlowHandler implements ConnectionHandler {
  readonly #next: ConnectionHandler;
  readonly #onOver: (hasFailed: boolean) => void;

  constructor(next: ConnectionHandler, onOver: (hasFailed: boolean) => void) {
    this.#next = next;
    this.#onOver = onOver;
  }

  onOpen(connection: DatagramConnection): void {
    this.#next.onOpen(connection);
  }

  onData(bytes: Uint8Array): void {
    this.#next.onData(bytes);
  }

  onDrain(): void {
    this.#next.onDrain();
  }

  onEnd(): void {
    this.#next.onEnd();
  }

  onClose(failure: Parameters<ConnectionHandler["onClose"]>[0]): void {
    this.#onOver(failure !== null);
    this.#next.onClose(failure);
  }
}
