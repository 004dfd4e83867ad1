import type { Connection, ConnectionHandler } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import type { Refusal } from "./find-destination.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { isUdpListener } from "../../xds/names.ts";
import { recordConnection } from "../tcp/record-connection.ts";

/** Time to read the alert before the connection is cut: a reset at once could take the alert with it. */
const LINGER_MS = 2_000;
/** A fatal TLS alert, unrecognized_name (RFC 8446 §6.2): clients report it by that name instead of "connection reset". */
const UNRECOGNISED_NAME: Uint8Array = Uint8Array.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70);

/** A connection that is not carried: TLS clients get an alert, others a reset. It is recorded with the reason. */
export class RefusedConnection implements ConnectionHandler, DeadlineOwner, Drainable {
  readonly #runtime: ProxyRuntime;
  readonly #origin: HttpOrigin;
  readonly #refusal: Refusal;
  readonly #isTls: boolean;
  readonly #deadline: Deadline;
  #connection: Connection | null = null;

  constructor(runtime: ProxyRuntime, origin: HttpOrigin, refusal: Refusal, isTls: boolean) {
    this.#runtime = runtime;
    this.#origin = origin;
    this.#refusal = refusal;
    this.#isTls = isTls;
    this.#deadline = new WheelDeadline(this, 0);
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#runtime.downstreams.add(this);
    const { code, detail } = this.#refusal;
    recordConnection(this.#runtime, this.#origin, {
      protocol: isUdpListener(this.#origin.listener) ? "udp" : "tcp",
      code,
      detail,
      service: "",
      endpoint: null,
      durationMs: 0,
      sentBytes: 0,
      receivedBytes: 0,
    });
    if (!this.#isTls) {
      connection.destroy();
      return;
    }
    connection.write(UNRECOGNISED_NAME);
    connection.end();
    this.#runtime.wheel.arm(this.#deadline, LINGER_MS);
  }

  onData(_bytes: Uint8Array): void {
    // Read, so that the close is clean, and dropped.
  }

  onDrain(): void {
    // One alert fits.
  }

  onEnd(): void {
    // Our side has ended already.
  }

  onClose(): void {
    this.#runtime.wheel.clear(this.#deadline);
    this.#runtime.forget(this);
    this.#connection = null;
  }

  onDeadline(): void {
    this.#connection?.destroy();
  }

  drain(): void {
    this.#connection?.destroy();
  }

  close(): void {
    this.#connection?.destroy();
  }
}
