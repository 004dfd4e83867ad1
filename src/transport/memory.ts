import { createSeededRandom } from "../random/seeded-random.ts";
import type { Random } from "../random/random.ts";
import type { Clock } from "../time/clock.ts";
import { formatRemote } from "./failure.ts";
import { Flusher } from "./flusher.ts";
import { MemoryConnection } from "./memory-connection.ts";
import { createClientHandshake, createServerHandshake } from "./memory-handshake.ts";
import { type MemoryConditions, MemoryPipe, type MemoryWorld } from "./memory-pipe.ts";
import { MemoryTlsVerifier } from "./memory-tls.ts";
import { assertSameAlpn, identityError, listenError } from "./tls-settings.ts";
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  TlsServerOptions,
  Transport,
} from "./transport.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./watermarks.ts";
import { WriteArena } from "./write-queue.ts";

type Accept = (connection: Connection) => ConnectionHandler;

/**
 * A network inside the process, for component tests: what happens depends on the order of calls, the clock and the seed
 * and on nothing else. Listeners and callers that share one `MemoryTransport` reach each other; names resolve to
 * 127.0.0.1. TLS is real in what it refuses (`memory-tls.ts`) and sends no ciphertext.
 */
export class MemoryTransport implements Transport {
  readonly name = "memory";
  /** May be changed at any time. */
  readonly conditions: MemoryConditions = { latencyMs: 0, chunkBytes: 0, windowBytes: 64 * 1024, cut: false };
  readonly #world: MemoryWorld;
  /** A turn here is what has arrived already: the microtasks that wait. */
  readonly #flusher: Flusher = new Flusher(queueMicrotask);
  readonly #arena: WriteArena = new WriteArena();
  readonly #verifier: MemoryTlsVerifier = new MemoryTlsVerifier();
  readonly #listeners: Map<number, MemoryListener> = new Map();
  readonly #open: Set<MemoryConnection> = new Set();
  #nextPort: number = 49_152;

  constructor(clock: Clock, random: Random = createSeededRandom(1)) {
    this.#world = { clock, random, conditions: this.conditions, stalled: new Set() };
  }

  async listen(options: ListenOptions, accept: Accept): Promise<Listener> {
    if (options.tls !== null) this.#assertIdentity(options.tls);
    const port = options.port === 0 ? this.#takePort() : options.port;
    if (this.#listeners.has(port)) {
      const cause = Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" });
      throw listenError(options.address, port, cause);
    }
    const listener = new MemoryListener({ ...options, port }, accept, {
      closed: () => this.#listeners.delete(port),
      assertIdentity: (tls) => this.#assertIdentity(tls),
    });
    this.#listeners.set(port, listener);
    return listener;
  }

  connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
    const localPort = this.#takePort();
    const remote = formatRemote(options.host, options.port);
    const connection = new MemoryConnection(
      this.#world,
      { flusher: this.#flusher, arena: this.#arena },
      {
        peer: { remoteAddress: toAddress(options.host), remotePort: options.port, localPort, tls: null },
        remote,
        handshake: options.tls === null ? null : createClientHandshake(options.tls, this.#verifier, this.#world.clock),
      },
    );
    const attempt = { connection, timeoutMs: options.timeoutMs };
    connection.start(handler, this.#world.clock.after(options.timeoutMs, expireAttempt, attempt));
    const out = new MemoryPipe(this.#world, (item) => {
      if (item.kind === "syn") this.#arriveAtPort(connection, options, localPort);
    });
    // Before there is a partner, only "syn" travels.
    out.send({ kind: "syn" });
    return connection;
  }

  /** Connections that are open now, both ends of each, for tests that break them. */
  openConnections(): readonly MemoryConnection[] {
    for (const connection of this.#open) {
      if (connection.isClosed()) this.#open.delete(connection);
    }
    return [...this.#open];
  }

  /** Ends a `cut`: what was on the way arrives. */
  heal(): void {
    this.conditions.cut = false;
    const stalled = [...this.#world.stalled];
    this.#world.stalled.clear();
    for (const pipe of stalled) pipe.kick();
  }

  #arriveAtPort(caller: MemoryConnection, options: ConnectOptions, callerPort: number): void {
    if (caller.isClosed()) return;
    const listener = this.#listeners.get(options.port);
    if (listener === undefined) {
      caller.failConnect("ECONNREFUSED");
      return;
    }
    const { tls } = listener.options;
    const called = new MemoryConnection(
      this.#world,
      { flusher: this.#flusher, arena: this.#arena },
      {
        peer: { remoteAddress: "127.0.0.1", remotePort: callerPort, localPort: options.port, tls: null },
        remote: formatRemote("127.0.0.1", callerPort),
        handshake: tls === null ? null : createServerHandshake(tls, this.#verifier, this.#world.clock),
      },
    );
    const toCalled = new MemoryPipe(this.#world, (item) => called.arrive(item));
    const toCaller = new MemoryPipe(this.#world, (item) => {
      if (item.kind !== "synAck") {
        caller.arrive(item);
        return;
      }
      caller.connected();
      if (options.tls !== null && !caller.isClosed()) toCalled.send({ kind: "hello", tls: options.tls });
    });
    caller.link(toCalled, called);
    called.link(toCaller, caller);
    this.#open.add(caller).add(called);
    const attempt = { connection: called, timeoutMs: HANDSHAKE_TIMEOUT_MS };
    const timer = tls === null ? null : this.#world.clock.after(HANDSHAKE_TIMEOUT_MS, expireAttempt, attempt);
    called.start(listener.accept(called), timer);
    toCaller.send({ kind: "synAck" });
    called.connected();
  }

  #assertIdentity(tls: TlsServerOptions): void {
    const problem = this.#verifier.checkKeyPair(tls.keyPair);
    if (problem !== null) throw identityError(new Error(problem));
  }

  #takePort(): number {
    for (;;) {
      const port = this.#nextPort;
      this.#nextPort = port === 65_535 ? 49_152 : port + 1;
      if (!this.#listeners.has(port)) return port;
    }
  }
}

class MemoryListener implements Listener {
  options: ListenOptions;
  readonly accept: Accept;
  readonly port: number;
  readonly address: string;
  readonly #owner: { closed(): void; assertIdentity(tls: TlsServerOptions): void };

  constructor(
    options: ListenOptions,
    accept: Accept,
    owner: { closed(): void; assertIdentity(tls: TlsServerOptions): void },
  ) {
    this.options = options;
    this.accept = accept;
    this.port = options.port;
    this.address = options.address;
    this.#owner = owner;
  }

  async reloadTls(tls: TlsServerOptions): Promise<void> {
    if (this.options.tls === null) throw identityError(new Error("this listener is plain TCP"));
    assertSameAlpn(this.options.tls, tls);
    this.#owner.assertIdentity(tls);
    this.options = { ...this.options, tls };
  }

  async close(): Promise<void> {
    this.#owner.closed();
  }
}

function toAddress(host: string): string {
  return /^[\d.]+$|:/.test(host) ? host : "127.0.0.1";
}

interface Attempt {
  readonly connection: MemoryConnection;
  readonly timeoutMs: number;
}

function expireAttempt(attempt: Attempt): void {
  attempt.connection.expire(attempt.timeoutMs);
}
