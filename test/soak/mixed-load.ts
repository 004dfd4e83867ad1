// Callers of every kind, each in a loop until it is told to stop. What fails on purpose is not counted as a failure.
import { once } from "node:events";
import { Agent, request as sendHttp1 } from "node:http";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { pause } from "../integration/wait-until.ts";

const BIG_BODY = Buffer.alloc(2 * 1024 * 1024, "b");

/** A call that takes longer is hung. */
const HUNG_MS = 20_000;

export interface Targets {
  /** Outbound listener of a sidecar: HTTP/1.1 and HTTP/2 to services by name. */
  readonly outbound: number;
  readonly ingress: number;
  /** Services by what they are, as authorities. */
  readonly http1: string;
  readonly http2: string;
}

export class MixedLoad {
  readonly #targets: Targets;
  readonly #counts: Map<string, number> = new Map();
  readonly #failures: Map<string, number> = new Map();
  /** What every loop is in the middle of. */
  readonly #calling: string[] = [];
  #running: boolean = true;
  #loops: Promise<void>[] = [];

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  start(): void {
    const keepAlive = new Agent({ keepAlive: true, maxSockets: 8 });
    const short = new Agent({ keepAlive: false });
    const { outbound, ingress, http1 } = this.#targets;
    const small = Buffer.from("small");
    for (let index = 0; index < 8; index += 1) this.#loop("kept", () => http1Call(outbound, http1, keepAlive, small));
    this.#loop("short", () => http1Call(outbound, http1, short, small));
    this.#loop("ingress", () => http1Call(ingress, http1, keepAlive, small));
    this.#loop("big", () => http1Call(outbound, http1, keepAlive, BIG_BODY));
    this.#loop("aborted", () => this.#abort());
    this.#loop("http2", () => this.#http2Connection());
    this.#loop("streams", () => this.#streams());
    this.#loop("babble", () => this.#babble());
    void Promise.allSettled(this.#loops).then(() => {
      keepAlive.destroy();
      short.destroy();
    });
  }

  /** Waits for the calls that are open; one that hangs is a failure. */
  async stop(): Promise<void> {
    this.#running = false;
    const limit = pause(HUNG_MS).then(() => {
      for (const what of this.#calling) add(this.#failures, `${what}: no end within ${HUNG_MS / 1_000} s`);
    });
    await Promise.race([Promise.all(this.#loops), limit]);
  }

  counts(): string {
    return [...this.#counts].map(([what, count]) => `${what} ${count}`).join(", ");
  }

  failures(): ReadonlyMap<string, number> {
    return this.#failures;
  }

  #loop(what: string, call: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      while (this.#running) {
        this.#calling.push(what);
        try {
          await call();
          add(this.#counts, what);
        } catch (error) {
          add(this.#failures, `${what}: ${error instanceof Error ? error.message : String(error)}`);
          await pause(50);
        }
        this.#calling.splice(this.#calling.indexOf(what), 1);
        // The machine has other work: a soak looks for what is left behind, not for what is fast.
        await pause(5);
      }
    };
    this.#loops.push(run());
  }

  /** An upload that its caller gives up half way. */
  async #abort(): Promise<void> {
    const { outbound, http1 } = this.#targets;
    const socket = connect(outbound, "127.0.0.1");
    await once(socket, "connect");
    socket.write(`POST /abort HTTP/1.1\r\nHost: ${http1}\r\nContent-Length: 100000\r\n\r\n${"x".repeat(5_000)}`);
    await pause(10);
    socket.destroy();
    if (!socket.closed) await once(socket, "close");
  }

  /** A connection with a few hundred requests, some reset. */
  async #http2Connection(): Promise<void> {
    await withSession(this.#targets.ingress, this.#targets.http1, async (session) => {
      for (let round = 0; round < 20; round += 1) {
        await Promise.all(
          Array.from({ length: 10 }, (_, index) => http2Call(session, `/h2/${index}`, Buffer.from("x"), index === 9)),
        );
      }
    });
  }

  /** Long streams both ways, as gRPC has them. */
  async #streams(): Promise<void> {
    await withSession(this.#targets.outbound, this.#targets.http2, async (session) => {
      await Promise.all(
        Array.from({ length: 20 }, () => http2Call(session, "/stream", BIG_BODY.subarray(0, 200_000), false)),
      );
    });
  }

  /** What is no request at all. */
  async #babble(): Promise<void> {
    const socket = connect(this.#targets.ingress, "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => undefined);
    socket.resume();
    socket.end("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frames at all, but enough bytes for one");
    await once(socket, "close");
    await pause(100);
  }
}

function http1Call(port: number, host: string, agent: Agent, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = sendHttp1({
      port,
      host: "127.0.0.1",
      method: "POST",
      path: "/",
      agent,
      headers: { host, "content-length": body.length },
    });
    request.on("response", (response) => {
      response.resume();
      response.on("error", reject);
      response.on("end", () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function withSession(
  port: number,
  authority: string,
  use: (session: ClientHttp2Session) => Promise<void>,
): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  const session = connectHttp2(`http://${authority}`, { createConnection: () => socket });
  const failed = new Promise<never>((_, reject) => session.on("error", reject));
  try {
    await Promise.race([use(session), failed]);
  } finally {
    failed.catch(() => undefined);
    session.destroy();
    if (!socket.closed) await once(socket, "close");
  }
}

function http2Call(session: ClientHttp2Session, path: string, body: Buffer, cancels: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": path });
    let status = 0;
    let failure = "";
    stream.on("response", (headers) => {
      status = headers[":status"] ?? 0;
      failure = String(headers["x-weft-failure"] ?? "");
    });
    stream.on("error", (error) => (cancels ? resolve() : reject(error)));
    stream.on("close", () =>
      cancels || status === 200 ? resolve() : reject(new Error(`status ${status} ${failure}`)),
    );
    stream.resume();
    stream.write(body);
    if (cancels) stream.close(8);
    else stream.end();
  });
}

function add(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
