import { type DownstreamStream, Exchange, type HttpOrigin } from "../../src/proxy/exchange.ts";
import { DOWNSTREAM_CLOSED } from "../../src/proxy/failures.ts";
import { CONTINUE } from "../../src/proxy/filters/filter.ts";
import type { Head } from "../../src/proxy/head.ts";
import { ProxyCounters } from "../../src/proxy/counters.ts";
import { OverloadGate } from "../../src/proxy/overload/overload-gate.ts";
import type { OverloadPolicy } from "../../src/proxy/policy/cluster-policy.ts";
import type { Stack } from "../../src/proxy/stack.ts";
import type { Random } from "../../src/random/random.ts";
import { parseRequestHead } from "../../src/testing/exchange-bench.ts";
import { TimerWheel } from "../../src/time/timer-wheel.ts";
import type { EventQueue } from "./event-queue.ts";
import type { ModelledApp } from "./modelled-app.ts";

export interface SimulatedRequest {
  /** Clock milliseconds; 0 = none. */
  readonly deadlineMs: number;
  /** "" = the request does not say. */
  readonly priority: string;
  /** Called once: NO_FAILURE, or the failure's code. */
  readonly done: (failure: number) => void;
}

/** What a caller holds of a request that it sent. */
export interface SentRequest {
  /** The caller leaves; `done` is not called. Does nothing once it was. */
  abandon(): void;
}

/** The callee's proxy as far as overload goes: the real gate, or none, between callers and a modelled app. */
export class SimulatedProxy {
  readonly gate: OverloadGate | null;
  readonly counters: ProxyCounters = new ProxyCounters();
  readonly #events: EventQueue;
  readonly #app: ModelledApp;
  readonly #heads: Map<string, Head> = new Map();
  readonly #stack: Stack;

  constructor(policy: OverloadPolicy | null, app: ModelledApp, events: EventQueue, random: Random) {
    const { clock } = events;
    this.#events = events;
    this.#app = app;
    const context = { clock, wheel: new TimerWheel(clock), random, counters: this.counters };
    this.gate = policy === null ? null : new OverloadGate(context, policy);
    // What exchanges and gates call of a stack.
    this.#stack = {
      resume: (x: Exchange) => this.#work(x),
      ended: (x: Exchange) => x.gate?.left(x),
    } as unknown as Stack;
  }

  send(request: SimulatedRequest): SentRequest {
    const nowMs = this.#events.clock.nowMs();
    const caller = new SimulatedCaller(request.done);
    const x = new Exchange(caller);
    x.begin(this.#stack, ORIGIN, this.#head(request.priority));
    x.startedMs = nowMs;
    x.deadlineMs = request.deadlineMs;
    x.deadlineIsCallers = request.deadlineMs > 0;
    if (this.gate === null || this.gate.admit(x, nowMs) === CONTINUE) this.#work(x);
    return {
      abandon: () => {
        caller.hasLeft = true;
        x.onDownstreamClosed(DOWNSTREAM_CLOSED);
      },
    };
  }

  /** The app works on it to the end, whether anybody waits for it or not. */
  #work(x: Exchange): void {
    x.attemptCount = 1;
    this.#app.accept({
      done: () => {
        if (x.active) x.passEnd(null);
      },
    });
  }

  #head(priority: string): Head {
    let head = this.#heads.get(priority);
    if (head === undefined) {
      const line = priority === "" ? "" : `X-Weft-Priority: ${priority}\r\n`;
      head = parseRequestHead(`GET / HTTP/1.1\r\nHost: app\r\n${line}\r\n`);
      this.#heads.set(priority, head);
    }
    return head;
  }
}

const ORIGIN: HttpOrigin = {
  listener: "inbound",
  direction: "inbound",
  source: "default/web",
  peerId: null,
  peerAddress: "127.0.0.1",
  authority: null,
  edge: null,
};

class SimulatedCaller implements DownstreamStream {
  hasLeft: boolean = false;
  readonly #done: (failure: number) => void;

  constructor(done: (failure: number) => void) {
    this.#done = done;
  }

  sendInterim(): void {}
  sendHead(): void {}
  pauseReads(): void {}
  resumeReads(): void {}
  abort(): void {}
  breakOff(): void {}

  sendData(): boolean {
    return true;
  }

  sendEnd(): void {
    this.#done(0);
  }

  sendFailure(x: Exchange): void {
    if (!this.hasLeft) this.#done(x.failure);
  }
}
