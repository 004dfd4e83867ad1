import type { Clock } from "../../time/clock.ts";
import type { TimerWheel } from "../../time/timer-wheel.ts";
import type { Random } from "../../random/random.ts";
import type { ProxyCounters } from "../counters.ts";
import type { Exchange } from "../exchange.ts";
import type { FaultAction, FaultPolicy } from "../policy/route-policy.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import { FAULT_ABORT, FAULT_RESET } from "../failures.ts";
import { ANSWERED, CONTINUE, HELD } from "../filters/filter.ts";
import { matchesRequest } from "../route/match-request.ts";
import { BodyPacer } from "./body-pacer.ts";
import { HeldRequest, type HeldRequestOwner } from "./held-request.ts";

/** Requests that wait at a time; beyond it they go on undelayed, and are counted. */
const MAX_DELAYED = 10_000;

type Delay = Extract<FaultAction, { readonly kind: "delay" }>;

/** What it needs of its proxy: a `ProxyRuntime` has it. */
export interface FaultContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly counters: ProxyCounters;
}

/**
 * Injects the faults that policies ask for. Each is drawn for each request on its own, in the policies' order, until one
 * answers. None acts after its end time; what it has begun then is carried out. What it did is counted by kind and named in
 * `x.faults`.
 */
export class FaultInjector implements HeldRequestOwner {
  readonly #context: FaultContext;
  #delayed: number = 0;

  constructor(context: FaultContext) {
    this.#context = context;
  }

  /**
   * HELD: the request waits, and `x.stack.resume(x)` follows unless its exchange ends before. ANSWERED: it was answered
   * (FAULT_ABORT) or cut off (FAULT_RESET).
   */
  onRequest(x: Exchange, faults: readonly FaultPolicy[]): number {
    return faults.length === 0 ? CONTINUE : this.#goOn(x, faults, 0);
  }

  /** Requests that wait now. */
  get delayed(): number {
    return this.#delayed;
  }

  onDelayOver(x: Exchange, faults: readonly FaultPolicy[], next: number): void {
    this.#delayed -= 1;
    if (this.#goOn(x, faults, next) === CONTINUE) x.stack?.resume(x);
  }

  onDelayCut(): void {
    this.#delayed -= 1;
  }

  #goOn(x: Exchange, faults: readonly FaultPolicy[], from: number): number {
    const wallMs = this.#context.clock.wallMs();
    for (let index = from; index < faults.length; index += 1) {
      const fault = faults[index] as FaultPolicy; // below the length
      if (!this.#isDue(fault, x, wallMs)) continue;
      const verdict = this.#inject(x, faults, index);
      if (verdict !== CONTINUE) return verdict;
    }
    return CONTINUE;
  }

  #isDue(fault: FaultPolicy, x: Exchange, wallMs: number): boolean {
    if (wallMs >= fault.untilMs) return false;
    if (fault.match !== null && !matchesRequest(fault.match, x)) return false;
    return fault.percentage >= 100 || this.#context.random.next() * 100 < fault.percentage;
  }

  #inject(x: Exchange, faults: readonly FaultPolicy[], index: number): number {
    const { counters } = this.#context;
    const fault = faults[index] as FaultPolicy; // below the length
    const { action } = fault;
    switch (action.kind) {
      case "delay":
        return this.#delay(x, faults, index, action);
      case "abort":
        note(x, fault);
        counters.faultAborts += 1;
        x.failureStatus = action.httpStatus;
        x.failureGrpcStatus = action.grpcStatus;
        x.fail(FAULT_ABORT, describe(fault));
        return ANSWERED;
      case "reset":
        note(x, fault);
        counters.faultResets += 1;
        x.failureDetail = describe(fault);
        x.reset(FAULT_RESET);
        return ANSWERED;
      case "slowBody":
        this.#slowBody(x, fault, action.bytesPerSecond);
        return CONTINUE;
    }
  }

  #delay(x: Exchange, faults: readonly FaultPolicy[], index: number, { minMs, maxMs }: Delay): number {
    const { counters, random, wheel } = this.#context;
    if (this.#delayed >= MAX_DELAYED) {
      counters.faultDelaysOverLimit += 1;
      return CONTINUE;
    }
    const delayMs = maxMs > minMs ? minMs + random.next() * (maxMs - minMs) : minMs;
    note(x, faults[index] as FaultPolicy);
    counters.faultDelays += 1;
    if (delayMs <= 0) return CONTINUE;
    this.#delayed += 1;
    void new HeldRequest(x, { owner: this, wheel, faults, next: index + 1 }, delayMs);
    return HELD;
  }

  /** One pacer for a response; what follows an upgrade is no response body. */
  #slowBody(x: Exchange, fault: FaultPolicy, bytesPerSecond: number): void {
    if (x.pacer !== null || x.request === null || x.request.upgrade) return;
    const { clock, counters, wheel } = this.#context;
    note(x, fault);
    counters.faultSlowBodies += 1;
    x.pacer = new BodyPacer(x, { clock, wheel, bytesPerSecond });
  }
}

function note(x: Exchange, fault: FaultPolicy): void {
  x.faults = x.faults === "" ? fault.name : `${x.faults},${fault.name}`;
}

function describe(fault: FaultPolicy): string {
  return `Fault "${fault.name}" is injected until ${formatWallTime(fault.untilMs)}`;
}
