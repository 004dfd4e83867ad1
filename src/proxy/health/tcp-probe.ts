import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { Credentials } from "../runtime.ts";
import type { ProbeTarget } from "./probe-target.ts";
import type { Probe, ProbeListener, ProbeResult } from "./prober.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { TCP_ALPN } from "../../xds/names.ts";
import { describeDialFailure, refusePeer } from "../upstream/dial.ts";

/**
 * Between proxies an open connection says only that the instance's proxy is there: it closes it again when the app does
 * not accept. One that is still open after so long was accepted.
 */
const STAYS_OPEN_MS = 200;

/** One check by a connection that carries nothing: over mutual TLS as opaque connections are, else in the clear. */
export class TcpProbe implements Probe, ConnectionHandler, DeadlineOwner {
  readonly #target: ProbeTarget;
  readonly #credentials: Credentials | null;
  readonly #listener: ProbeListener;
  readonly #deadline: Deadline = new WheelDeadline(this, 0);
  #connection: Connection | null = null;
  #isOpen: boolean = false;
  #isOver: boolean = false;
  /** Mutual TLS worked, and the peer then closed at once: maybe it takes requests only. */
  wasTurnedAway: boolean = false;

  constructor(target: ProbeTarget, credentials: Credentials | null, listener: ProbeListener) {
    this.#target = target;
    this.#credentials = credentials;
    this.#listener = listener;
  }

  start(timeoutMs: number): void {
    const { runtime, config } = this.#target;
    const { address: host, port } = config;
    const tls = this.#credentials?.tcpTls ?? null;
    this.#connection = runtime.transport.connect({ host, port, timeoutMs, tls }, this);
  }

  cancel(): void {
    this.#isOver = true;
    this.#letGo();
  }

  onDeadline(): void {
    this.#finish({ verdict: "passed", detail: "it accepts connections" });
  }

  // ConnectionHandler

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#isOpen = true;
    const refusal = refusePeer(this.#target.cluster.config, connection);
    if (refusal !== null) this.#finish({ verdict: "failed", detail: refusal });
    else if (this.#credentials === null) this.onDeadline();
    else if (connection.peer.tls?.alpn !== TCP_ALPN) this.#turnedAway();
    else this.#target.runtime.wheel.arm(this.#deadline, STAYS_OPEN_MS);
  }

  onData(): void {
    // An app that greets.
    this.onDeadline();
  }

  onDrain(): void {
    // Nothing is written.
  }

  onEnd(): void {
    this.#turnedAway();
  }

  onClose(failure: TransportFailure | null): void {
    this.#connection = null;
    if (this.#isOver) return;
    if (this.#isOpen) {
      this.#turnedAway();
      return;
    }
    const { cluster, config } = this.#target;
    this.#finish({ verdict: "failed", detail: describeDialFailure(cluster.config, config, failure) });
  }

  #turnedAway(): void {
    this.wasTurnedAway = !this.#isOver;
    const detail =
      "its proxy closed the connection at once: the app accepts none, or no TrafficTarget with a TCPRoute allows them";
    this.#finish({ verdict: "failed", detail });
  }

  #finish(result: ProbeResult): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#letGo();
    this.#listener.onProbeResult(result);
  }

  #letGo(): void {
    this.#target.runtime.wheel.clear(this.#deadline);
    this.#connection?.destroy();
    this.#connection = null;
  }
}
