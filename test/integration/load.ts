// Load over raw sockets: keep-alive connections, one request at a time on each, every answer and every failure counted.
import { connect, type Socket } from "node:net";
import { systemClock } from "../../src/time/system-clock.ts";

export interface LoadOptions {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly host: string;
  readonly path: string;
  readonly connections: number;
  /** Of all connections together; left out: each sends its next request when the last one was answered. */
  readonly requestsPerSecond?: number;
  /** Ends by itself after this many requests; left out: until `stop`. */
  readonly count?: number;
  /** What to count an answer under; default: its body. */
  readonly label?: (body: string) => string;
}

export interface LoadFailure {
  /** On `systemClock`. */
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** "503 no_endpoint" (status and x-weft-failure), or what became of the connection. */
  readonly what: string;
}

export interface LoadReport {
  readonly sent: number;
  readonly answered: number;
  readonly failures: readonly LoadFailure[];
  /** Connections opened; more than were asked for means that some were dropped. */
  readonly connects: number;
  readonly byLabel: ReadonlyMap<string, number>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A request without an answer for this long counts as hung. */
const HUNG_MS = 10_000;
const RECONNECT_MS = 20;

export class Load {
  readonly #options: LoadOptions;
  readonly #failures: LoadFailure[] = [];
  readonly #byLabel = new Map<string, number>();
  readonly #latenciesMs: number[] = [];
  #sent = 0;
  #connects = 0;
  #open = 0;
  #stopping = false;
  #onEnd: () => void = () => undefined;
  readonly #ended: Promise<void> = new Promise((resolve) => {
    this.#onEnd = resolve;
  });
  #waiters: { readonly target: number; readonly resolve: () => void }[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
    for (let index = 0; index < options.connections; index += 1) {
      this.#open += 1;
      new LoadConnection(this, index).start();
    }
  }

  /** Resolves when `count` more requests have ended, well or not. */
  more(count: number): Promise<void> {
    const target = this.#finished() + count;
    return new Promise((resolve) => this.#waiters.push({ target, resolve }));
  }

  /** What has happened so far. */
  report(): LoadReport {
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b);
    const quantile = (share: number): number =>
      Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
    return {
      sent: this.#sent,
      answered: this.#latenciesMs.length,
      failures: this.#failures.slice(),
      connects: this.#connects,
      byLabel: this.#byLabel,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      maxMs: quantile(1),
    };
  }

  /** Every request under way is waited for. */
  async stop(): Promise<LoadReport> {
    this.#stopping = true;
    return this.end();
  }

  /** Resolves when `count` requests have ended. */
  async end(): Promise<LoadReport> {
    await this.#ended;
    return this.report();
  }

  // For the connections.

  get options(): LoadOptions {
    return this.#options;
  }

  mayClose(): boolean {
    return this.#stopping || (this.#options.count !== undefined && this.#sent >= this.#options.count);
  }

  onConnect(): void {
    this.#connects += 1;
  }

  onSent(): void {
    this.#sent += 1;
  }

  onAnswer(latencyMs: number, body: string): void {
    this.#latenciesMs.push(latencyMs);
    const label = this.#options.label === undefined ? body : this.#options.label(body);
    this.#byLabel.set(label, (this.#byLabel.get(label) ?? 0) + 1);
    this.#wake();
  }

  onFailure(failure: LoadFailure): void {
    this.#failures.push(failure);
    this.#wake();
  }

  onFinished(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#onEnd();
  }

  #finished(): number {
    return this.#latenciesMs.length + this.#failures.length;
  }

  #wake(): void {
    const finished = this.#finished();
    for (const waiter of this.#waiters) if (waiter.target <= finished) waiter.resolve();
    this.#waiters = this.#waiters.filter((waiter) => waiter.target > finished);
  }
}

/** Failures by what they were, for messages. */
export function describeFailures(failures: readonly LoadFailure[]): string {
  const counts = new Map<string, number>();
  for (const { what } of failures) counts.set(what, (counts.get(what) ?? 0) + 1);
  return [...counts].map(([what, count]) => `${count} × ${what}`).join(", ") || "none";
}

export function describeLoad(report: LoadReport): string {
  const { sent, failures, connects, p50Ms, p99Ms, maxMs } = report;
  return `${sent} requests, ${failures.length} failed (${describeFailures(failures)}), ${connects} connections opened, p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms`;
}

class LoadConnection {
  readonly #load: Load;
  readonly #intervalMs: number;
  readonly #request: string;
  #dueAtMs: number;
  #socket: Socket | null = null;
  #text = "";
  #sentAtMs: number | null = null;

  constructor(load: Load, index: number) {
    this.#load = load;
    const { connections, host, path, requestsPerSecond } = load.options;
    this.#intervalMs = requestsPerSecond === undefined ? 0 : (connections * 1000) / requestsPerSecond;
    this.#dueAtMs = systemClock.nowMs() + (this.#intervalMs * index) / connections;
    this.#request = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
  }

  start(): void {
    this.#text = "";
    const socket = connect(this.#load.options.port, "127.0.0.1");
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(HUNG_MS, () => socket.destroy(new Error(`no answer in ${HUNG_MS} ms`)));
    let error = "";
    socket.on("connect", () => {
      this.#load.onConnect();
      this.#next();
    });
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("error", (found: NodeJS.ErrnoException) => {
      error = found.code ?? found.message;
    });
    socket.on("close", () => this.#onClose(error));
  }

  #next(): void {
    const waitMs = this.#dueAtMs - systemClock.nowMs();
    const socket = this.#socket;
    if (socket === null) return;
    if (waitMs > 1) systemClock.after(waitMs, () => this.#send(socket), undefined);
    else this.#send(socket);
  }

  /** `socket` may have closed meanwhile, and another one have taken its place. */
  #send(socket: Socket): void {
    if (socket !== this.#socket || socket.destroyed) return;
    if (this.#load.mayClose()) {
      socket.destroy();
      return;
    }
    const nowMs = systemClock.nowMs();
    // Late requests are not made up for in a burst.
    this.#dueAtMs = Math.max(this.#dueAtMs + this.#intervalMs, nowMs);
    this.#sentAtMs = nowMs;
    this.#load.onSent();
    socket.write(this.#request);
  }

  #read(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#text.slice(0, headEnd).toLowerCase();
    const status = Number(head.slice(9, 12));
    const body = readBody(head, this.#text.slice(headEnd + 4));
    if (body === null) return;
    this.#text = "";
    this.#finish(status === 200 ? null : `${status} ${field(head, "x-weft-failure") ?? "of the app"}`, body);
    if (field(head, "connection") === "close") this.#socket?.destroy();
    else this.#next();
  }

  #onClose(error: string): void {
    this.#socket = null;
    if (this.#sentAtMs !== null)
      this.#finish(`connection ended without an answer${error === "" ? "" : ` (${error})`}`, "");
    if (this.#load.mayClose()) this.#load.onFinished();
    else systemClock.after(RECONNECT_MS, () => this.start(), undefined);
  }

  #finish(failure: string | null, body: string): void {
    const sentAtMs = this.#sentAtMs;
    if (sentAtMs === null) return;
    this.#sentAtMs = null;
    const endedAtMs = systemClock.nowMs();
    if (failure === null) this.#load.onAnswer(endedAtMs - sentAtMs, body);
    else this.#load.onFailure({ sentAtMs, endedAtMs, what: failure });
  }
}

/** The whole body, or null when more is to come. Bodies are ASCII here. */
export function readBody(head: string, rest: string): string | null {
  if (field(head, "transfer-encoding") === "chunked") {
    let body = "";
    for (let at = 0; ;) {
      const line = rest.indexOf("\r\n", at);
      if (line < 0) return null;
      const size = Number.parseInt(rest.slice(at, line), 16);
      if (size === 0) return rest.indexOf("\r\n", line + 2) < 0 ? null : body;
      if (rest.length < line + 2 + size + 2) return null;
      body += rest.slice(line + 2, line + 2 + size);
      at = line + 2 + size + 2;
    }
  }
  const length = Number(field(head, "content-length") ?? "0");
  return rest.length < length ? null : rest.slice(0, length);
}

/** Of a lower-case head. */
export function field(head: string, name: string): string | null {
  return new RegExp(`^${name}:[ \t]*(.*?)[ \t]*$`, "m").exec(head)?.[1] ?? null;
}
