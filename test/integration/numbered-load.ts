// Requests at a constant rate, whatever becomes of them, each with an id of its own.
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { systemClock } from "../../src/time/system-clock.ts";
import { pause } from "./wait-until.ts";

export interface NumberedLoadOptions {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly host: string;
  readonly method: "GET" | "POST";
  readonly perSecond: number;
}

export interface Outcome {
  readonly id: string;
  readonly ms: number;
  /** "ok", or "502 upstream_reset" (status and x-weft-failure), or what became of the connection. */
  readonly what: string;
  /** `x-instance` of the answer; "" = none. */
  readonly instance: string;
}

const STEP_MS = 5;
/** Nothing in a test takes longer, so a request without an answer by then hangs. */
const HUNG_MS = 20_000;
let numbered = 0;

/** Runs from its construction until `stop`. */
export class NumberedLoad {
  readonly #options: NumberedLoadOptions;
  readonly #agent: Agent = new Agent({ keepAlive: true });
  readonly #outcomes: Promise<Outcome>[] = [];
  readonly #sending: Promise<void>;
  #ended = 0;
  #stopping = false;

  constructor(options: NumberedLoadOptions) {
    this.#options = options;
    this.#sending = this.#send();
  }

  /** Resolves when `count` more requests have been sent. */
  async more(count: number): Promise<void> {
    const target = this.#outcomes.length + count;
    while (this.#outcomes.length < target) await pause(STEP_MS);
  }

  /** Sent and not ended. */
  get openCount(): number {
    return this.#outcomes.length - this.#ended;
  }

  /** What became of each request, in the order they were sent. */
  async stop(): Promise<readonly Outcome[]> {
    this.#stopping = true;
    await this.#sending;
    const outcomes = await Promise.all(this.#outcomes);
    this.#agent.destroy();
    return outcomes;
  }

  async #send(): Promise<void> {
    const startedMs = systemClock.nowMs();
    while (!this.#stopping) {
      const due = ((systemClock.nowMs() - startedMs) * this.#options.perSecond) / 1000;
      while (this.#outcomes.length < due) this.#outcomes.push(this.#ask().finally(() => (this.#ended += 1)));
      await pause(STEP_MS);
    }
  }

  async #ask(): Promise<Outcome> {
    const { port, host, method } = this.#options;
    numbered += 1;
    const id = `${host}-${numbered}`;
    const startedMs = systemClock.nowMs();
    const end = (what: string, instance = ""): Outcome => ({ id, what, ms: systemClock.nowMs() - startedMs, instance });
    try {
      const headers = { host, "x-id": id };
      const outgoing = request({ host: "127.0.0.1", port, path: "/", method, headers, agent: this.#agent });
      outgoing.setTimeout(HUNG_MS, () => outgoing.destroy(new Error(`no answer in ${HUNG_MS} ms`)));
      outgoing.end(method === "POST" ? "body" : undefined);
      const [response] = (await once(outgoing, "response")) as [IncomingMessage];
      response.resume();
      await once(response, "end");
      if (response.statusCode === 200) return end("ok", response.headers["x-instance"]?.toString());
      return end(`${response.statusCode} ${response.headers["x-weft-failure"]?.toString() ?? "of the app"}`);
    } catch (error) {
      return end((error as NodeJS.ErrnoException).code ?? String(error));
    }
  }
}
