import type { Connection, ConnectionHandler, TransportFailure } from "../transport/transport.ts";
import { within } from "./within.ts";

/** What a recorder notes, in order. */
export type RecordedEvent = "open" | "data" | "drain" | "end" | "close";

/**
 * A connection handler that notes what it is told and lets a test wait for it. `react` runs inside the callback, after
 * the note, so that a test can act at that very moment.
 */
export class ConnectionRecorder implements ConnectionHandler {
  readonly events: RecordedEvent[] = [];
  /** One entry per `onData`. */
  readonly chunks: Uint8Array[] = [];
  receivedBytes: number = 0;
  connection: Connection | null = null;
  /** `undefined` until closed. */
  failure: TransportFailure | null | undefined = undefined;
  react: (event: RecordedEvent, recorder: ConnectionRecorder) => void;
  /** False drops the bytes of `onData` and only counts them. */
  keep: boolean = true;
  readonly #name: string;
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  constructor(name: string, react: (event: RecordedEvent, recorder: ConnectionRecorder) => void = () => {}) {
    this.#name = name;
    this.react = react;
  }

  onOpen(connection: Connection): void {
    this.connection = connection;
    this.#note("open");
  }

  onData(bytes: Uint8Array): void {
    if (this.keep) this.chunks.push(bytes);
    this.receivedBytes += bytes.length;
    this.#note("data");
  }

  onDrain(): void {
    this.#note("drain");
  }

  onEnd(): void {
    this.#note("end");
  }

  onClose(failure: TransportFailure | null): void {
    this.failure = failure;
    this.#note("close");
  }

  /** Resolves with the connection once it is open; fails when it closes instead. */
  async opened(): Promise<Connection> {
    await this.until("open or close", () => this.connection !== null || this.failure !== undefined);
    if (this.connection === null) throw new Error(`${this.#name} did not open: ${this.failure?.message}`);
    return this.connection;
  }

  async closed(): Promise<TransportFailure | null> {
    await this.until("close", () => this.failure !== undefined);
    return this.failure ?? null;
  }

  async received(bytes: number): Promise<void> {
    await this.until(`${bytes} bytes`, () => this.receivedBytes >= bytes);
  }

  async seen(event: RecordedEvent): Promise<void> {
    await this.until(event, () => this.events.includes(event));
  }

  /** All bytes so far, as Latin-1. */
  text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  /** Waits until `isMet`, which is asked after every event. */
  until(label: string, isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    const met = new Promise<void>((resolve) => this.#waiting.push({ isMet, resolve }));
    return within(() => `${label} at ${this.#name} (so far: ${this.events.slice(-8).join(" ")})`, met);
  }

  #note(event: RecordedEvent): void {
    this.events.push(event);
    this.react(event, this);
    if (this.#waiting.length === 0) return;
    const met = this.#waiting.filter((entry) => entry.isMet());
    this.#waiting = this.#waiting.filter((entry) => !met.includes(entry));
    for (const entry of met) entry.resolve();
  }
}
