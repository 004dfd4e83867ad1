import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { type ExchangeBench, openExchange } from "../../testing/exchange-bench.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import { ProxyCounters } from "../counters.ts";
import { FAULT_ABORT, FAULT_RESET, NO_FAILURE } from "../failures.ts";
import { ANSWERED, CONTINUE, HELD } from "../filters/filter.ts";
import type { FaultAction, FaultPolicy } from "../policy/route-policy.ts";
import { FaultInjector } from "./fault-injector.ts";

const ABORT: FaultAction = { kind: "abort", httpStatus: 503, grpcStatus: 14 };
const RESET: FaultAction = { kind: "reset" };
const SLOW: FaultAction = { kind: "slowBody", bytesPerSecond: 1_000 };

function delay(minMs: number, maxMs: number = minMs): FaultAction {
  return { kind: "delay", minMs, maxMs };
}

describe("FaultInjector.onRequest()", () => {
  let clock: FakeClock;
  let wheel: TimerWheel;
  let counters: ProxyCounters;
  let injector: FaultInjector;

  beforeEach(() => {
    clock = new FakeClock(1_000_000);
    wheel = new TimerWheel(clock);
    counters = new ProxyCounters();
    injector = new FaultInjector({ clock, wheel, random: createSeededRandom(1), counters });
  });

  function fault(action: FaultAction, change: Partial<FaultPolicy> = {}): FaultPolicy {
    return { name: `${action.kind}-1`, match: null, percentage: 100, untilMs: 2_000_000, action, ...change };
  }

  /** The verdict on a fresh request. */
  function inject(...faults: FaultPolicy[]): ExchangeBench & { readonly verdict: number } {
    const bench = openExchange("/");
    return { ...bench, verdict: injector.onRequest(bench.x, faults) };
  }

  it("passes everything when there are no faults", () => {
    const { x, verdict } = inject();
    assert.equal(verdict, CONTINUE);
    assert.equal(x.faults, "");
  });

  it("answers in the app's place, and says by which fault and until when", () => {
    const { x, downstream, verdict } = inject(fault(ABORT, { name: "default/chaos" }));
    assert.equal(verdict, ANSWERED);
    assert.deepEqual(downstream.failure, {
      code: FAULT_ABORT,
      detail: 'Fault "default/chaos" is injected until 1970-01-01T00:33:20.000Z',
      status: 503,
      grpcStatus: 14,
      fields: "",
    });
    assert.equal(x.faults, "default/chaos");
    assert.equal(counters.faultAborts, 1);
  });

  it("cuts a request off without an answer", () => {
    const { x, downstream, verdict } = inject(fault(RESET));
    assert.equal(verdict, ANSWERED);
    assert.equal(downstream.brokenOff, true);
    assert.equal(downstream.failure, null);
    assert.equal(x.failure, FAULT_RESET);
    assert.match(x.failureDetail ?? "", /^Fault "reset-1" is injected until /);
    assert.equal(counters.faultResets, 1);
  });

  it("holds a request for its delay, then lets it go on", () => {
    const { x, resumed, verdict } = inject(fault(delay(500)));
    assert.equal(verdict, HELD);
    assert.notEqual(x.holder, null);
    assert.equal(injector.delayed, 1);
    clock.advance(499);
    assert.equal(resumed(), 0);
    clock.advance(41);
    assert.equal(resumed(), 1);
    assert.equal(x.holder, null);
    assert.equal(x.faults, "delay-1");
    assert.equal(injector.delayed, 0);
    clock.advance(5_000);
    assert.equal(resumed(), 1);
    assert.equal(clock.pendingTimers(), 0);
  });

  it("draws delays between their bounds", () => {
    const times: number[] = [];
    for (let i = 0; i < 200; i += 1) {
      const begunMs = clock.nowMs();
      const { resumed } = inject(fault(delay(200, 1_000)));
      while (resumed() === 0) clock.advance(20);
      times.push(clock.nowMs() - begunMs);
    }
    assert.ok(Math.min(...times) >= 200 && Math.max(...times) <= 1_040);
    const average = times.reduce((sum, ms) => sum + ms, 0) / times.length;
    assert.ok(average > 550 && average < 690, String(average));
  });

  it("lets go of a request whose caller has gone", () => {
    const { x, resumed } = inject(fault(delay(500)));
    x.onDownstreamClosed();
    assert.equal(injector.delayed, 0);
    assert.equal(wheel.armedCount(), 0);
    clock.advance(2_000);
    assert.equal(resumed(), 0);
  });

  it("does not take the next request of a connection for the one it delayed", () => {
    const { x, resumed } = inject(fault(delay(500)));
    const { stack, origin, request } = x;
    assert.ok(stack !== null && origin !== null && request !== null);
    x.onDownstreamClosed();
    x.begin(stack, origin, request);
    clock.advance(2_000);
    assert.equal(resumed(), 0);
    assert.equal(x.active, true);
  });

  it("does what comes behind a delay when it is over", () => {
    const { x, downstream, resumed, verdict } = inject(fault(delay(100)), fault(ABORT), fault(RESET));
    assert.equal(verdict, HELD);
    assert.equal(x.failure, NO_FAILURE);
    clock.advance(200);
    assert.equal(x.failure, FAULT_ABORT);
    assert.equal(downstream.failure?.detail, 'Fault "abort-1" is injected until 1970-01-01T00:33:20.000Z');
    assert.equal(resumed(), 0);
    assert.equal(x.faults, "delay-1,abort-1");
    assert.deepEqual([counters.faultDelays, counters.faultAborts, counters.faultResets], [1, 1, 0]);
  });

  it("adds delays up", () => {
    const { resumed } = inject(fault(delay(100)), fault(delay(100), { name: "more" }));
    clock.advance(180);
    assert.equal(resumed(), 0);
    clock.advance(80);
    assert.equal(resumed(), 1);
  });

  it("slows a response down by one pacer", () => {
    const { x, verdict } = inject(fault(SLOW), fault(SLOW, { name: "again" }));
    assert.equal(verdict, CONTINUE);
    assert.notEqual(x.pacer, null);
    assert.equal(x.faults, "slowBody-1");
    assert.equal(counters.faultSlowBodies, 1);
    const upgrade = openExchange(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert.equal(upgrade.x.request?.upgrade, true);
    assert.equal(injector.onRequest(upgrade.x, [fault(SLOW)]), CONTINUE);
    assert.equal(upgrade.x.pacer, null);
  });

  it("stops at the end time, by the wall clock", () => {
    const faults = fault(ABORT, { untilMs: clock.wallMs() + 1_000 });
    assert.equal(inject(faults).verdict, ANSWERED);
    clock.advance(999);
    assert.equal(inject(faults).verdict, ANSWERED);
    clock.advance(1);
    assert.equal(inject(faults).verdict, CONTINUE);
    assert.equal(counters.faultAborts, 2);
  });

  it("stops at the end time behind a delay too", () => {
    const { x, downstream, resumed } = inject(fault(delay(1_000)), fault(ABORT, { untilMs: clock.wallMs() + 500 }));
    clock.advance(1_100);
    assert.equal(downstream.failure, null);
    assert.equal(resumed(), 1);
    assert.equal(x.failure, NO_FAILURE);
  });

  it("acts on requests that match alone", () => {
    const match = { path: { kind: "prefix" as const, value: "/pay" }, methods: null, headers: [] };
    assert.equal(inject(fault(ABORT, { match })).verdict, CONTINUE);
    const { x } = openExchange("/pay/1");
    assert.equal(injector.onRequest(x, [fault(ABORT, { match })]), ANSWERED);
  });

  it("acts on its share of requests, fractions of a percent too", () => {
    for (const [percentage, expected] of [
      [0, 0],
      [0.5, 100],
      [10, 2_000],
      [99.5, 19_900],
      [100, 20_000],
    ] as const) {
      let hits = 0;
      for (let i = 0; i < 20_000; i += 1) if (inject(fault(ABORT, { percentage })).verdict === ANSWERED) hits += 1;
      // Six standard deviations of a binomial.
      const slack = 6 * Math.sqrt((expected * (20_000 - expected)) / 20_000);
      assert.ok(Math.abs(hits - expected) <= slack, `${hits} of 20,000 at ${percentage} %`);
    }
  });

  it("delays 10,000 requests at a time and lets the others pass", () => {
    for (let i = 0; i < 10_000; i += 1) assert.equal(inject(fault(delay(1_000))).verdict, HELD);
    const { x, verdict } = inject(fault(delay(1_000)));
    assert.equal(verdict, CONTINUE);
    assert.equal(x.faults, "");
    assert.equal(counters.faultDelaysOverLimit, 1);
    clock.advance(1_100);
    assert.equal(injector.delayed, 0);
    assert.equal(inject(fault(delay(1_000))).verdict, HELD);
  });
});
