import { connect } from "node:net";
import { systemClock } from "../../src/time/system-clock.ts";

const RETRY_MS = 20;

/**
 * Opens when something listens on a port. A thousand proxies in one process that each try for themselves, as they do on
 * hosts of their own, would take a whole core from the control plane that is starting.
 */
export class ServerGate {
  readonly #port: number;
  #opening: Promise<void> | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  /** Those who wait at the same time wait for one look. */
  whenOpen(): Promise<void> {
    this.#opening ??= this.#wait().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #wait(): Promise<void> {
    while (!(await this.#isOpen()))
      await new Promise<void>((resolve) => systemClock.after(RETRY_MS, resolve, undefined));
  }

  #isOpen(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, "127.0.0.1");
      socket.on("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
  }
}
