import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { type ExchangeBench, openExchange, parseResponseHead } from "../../testing/exchange-bench.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import { ProxyCounters } from "../counters.ts";
import { DEADLINE_PASSED, DOWNSTREAM_CLOSED, OVERLOADED, TIMEOUT } from "../failures.ts";
import { ANSWERED, CONTINUE, HELD } from "../filters/filter.ts";
import type { OverloadPolicy } from "../policy/cluster-policy.ts";
import { OverloadGate } from "./overload-gate.ts";

const POLICY: OverloadPolicy = {
  concurrency: { kind: "fixed", limit: 1 },
  maxQueue: 3,
  maxWaitMs: 1_000,
  priorityHeader: "x-weft-priority",
  priorities: ["critical", "normal", "sheddable"],
};
const EVENTS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

interface Request extends ExchangeBench {
  readonly verdict: number;
}

describe("OverloadGate", () => {
  let clock: FakeClock;
  let wheel: TimerWheel;
  let counters: ProxyCounters;
  let gate: OverloadGate;

  beforeEach(() => {
    clock = new FakeClock();
    wheel = new TimerWheel(clock);
    counters = new ProxyCounters();
    gate = create({});
  });

  function create(change: Partial<OverloadPolicy>): OverloadGate {
    return new OverloadGate({ clock, wheel, random: createSeededRandom(1), counters }, { ...POLICY, ...change });
  }

  function come(priority: string = "", deadlineMs: number = 0): Request {
    const line = priority === "" ? "" : `X-Weft-Priority: ${priority}\r\n`;
    const bench = openExchange(`GET / HTTP/1.1\r\nHost: app\r\n${line}\r\n`);
    const { x } = bench;
    // What the stack does when an exchange is over.
    Object.assign(x.stack ?? {}, { ended: () => x.gate?.left(x) });
    x.startedMs = clock.nowMs();
    x.deadlineMs = deadlineMs === 0 ? 0 : clock.nowMs() + deadlineMs;
    x.deadlineIsCallers = true;
    x.attemptCount = 1;
    return { ...bench, verdict: gate.admit(x, clock.nowMs()) };
  }

  function finish({ x }: ExchangeBench): void {
    x.passEnd(null);
  }

  /** The median latency is so much from now on. */
  function learn(latencyMs: number): void {
    for (let i = 0; i < 8; i += 1) {
      const request = come();
      clock.advance(latencyMs);
      finish(request);
    }
  }

  function assertQuiet(): void {
    assert.deepEqual([gate.inFlight, gate.waiting], [0, 0]);
    assert.deepEqual([counters.overloadWaiting, counters.overloadInFlight], [0, 0]);
    assert.equal(wheel.armedCount(), 0);
  }

  it("lets in as many as the limit says, and the next when one is done", () => {
    const [first, second, third] = [come(), come(), come()];
    assert.deepEqual([first.verdict, second.verdict, third.verdict], [CONTINUE, HELD, HELD]);
    assert.deepEqual([gate.inFlight, gate.waiting, counters.overloadLimit], [1, 2, 1]);
    finish(first);
    assert.deepEqual([second.resumed(), third.resumed()], [1, 0]);
    finish(second);
    assert.equal(third.resumed(), 1);
    finish(third);
    assertQuiet();
  });

  it("lets the important in first, whoever came first", () => {
    const first = come();
    const [sheddable, normal, critical] = [come("sheddable"), come("no such class"), come("Critical")];
    finish(first);
    assert.deepEqual([sheddable.resumed(), normal.resumed(), critical.resumed()], [0, 0, 1]);
    finish(critical);
    assert.deepEqual([sheddable.resumed(), normal.resumed()], [0, 1]);
  });

  it("refuses what finds no room, with a time to come again", () => {
    const waiting = [come(), come(), come(), come()];
    const { x, downstream, verdict } = come();
    assert.equal(verdict, ANSWERED);
    assert.equal(downstream.failure?.code, OVERLOADED);
    assert.equal(downstream.failure?.detail, "1 requests are at the app and 3 wait; expected fewer");
    assert.equal(downstream.failure?.fields, "retry-after: 1\r\n");
    assert.equal(x.gate, null);
    assert.deepEqual([counters.overloadShedNormal, counters.overloadFull], [1, 1]);
    assert.deepEqual(gate.describe().shed, { critical: 0, normal: 1, sheddable: 0 });
    for (const request of waiting) finish(request);
    assertQuiet();
  });

  it("pushes out the least important that waits for a more important one, and the last of these", () => {
    const first = come();
    const [normal, early, late] = [come(), come("sheddable"), come("sheddable")];
    assert.equal(come("critical").verdict, HELD);
    assert.match(late.downstream.failure?.detail ?? "", /^A more important request took its place/);
    assert.equal(come("critical").verdict, HELD);
    assert.equal(early.downstream.failure?.code, OVERLOADED);
    assert.equal(come("critical").verdict, HELD);
    assert.equal(normal.downstream.failure?.code, OVERLOADED);
    // Nobody is pushed out for an equal.
    assert.equal(come("critical").verdict, ANSWERED);
    assert.deepEqual(
      [counters.overloadShedCritical, counters.overloadShedNormal, counters.overloadShedSheddable],
      [1, 1, 2],
    );
    assert.deepEqual([counters.overloadPushedOut, counters.overloadFull], [3, 1]);
    assert.equal(first.x.active, true);
  });

  it("serves the last first, and gives up the oldest, when a line was never empty for long", () => {
    const first = come();
    const [oldest, older, old] = [come(), come(), come()];
    clock.advance(101);
    assert.deepEqual(gate.describe().overloaded, ["normal"]);
    const newest = come();
    assert.equal(newest.verdict, HELD);
    assert.match(oldest.downstream.failure?.detail ?? "", /^A later request took its place/);
    finish(first);
    assert.deepEqual([older.resumed(), old.resumed(), newest.resumed()], [0, 0, 1]);
  });

  it("is fair again once a line was empty", () => {
    const first = come();
    const second = come();
    clock.advance(200);
    finish(first);
    const [third, fourth] = [come(), come()];
    finish(second);
    assert.deepEqual([third.resumed(), fourth.resumed()], [1, 0]);
  });

  it("refuses who has waited for too long", () => {
    const first = come();
    const second = come();
    clock.advance(999);
    assert.equal(second.x.active, true);
    clock.advance(41);
    assert.equal(second.downstream.failure?.code, OVERLOADED);
    assert.equal(second.downstream.failure?.detail, "It waited for 1000 ms and none of 1 places at the app was free");
    assert.equal(counters.overloadWaited, 1);
    finish(first);
    assertQuiet();
  });

  it("lets nobody wait as long under overload", () => {
    learn(10);
    const first = come();
    const second = come();
    clock.advance(290);
    assert.match(second.downstream.failure?.detail ?? "", /^It waited for 250 ms /);
    finish(first);
    assertQuiet();
  });

  it("forgets who leaves while waiting", () => {
    const first = come();
    const second = come();
    second.x.onDownstreamClosed(DOWNSTREAM_CLOSED);
    assert.equal(gate.waiting, 0);
    finish(first);
    assert.equal(second.resumed(), 0);
    assertQuiet();
  });

  it("refuses at once who must wait and has less time left than answers take", () => {
    learn(80);
    assert.equal(come("", 50).verdict, CONTINUE, "nobody need wait");
    const late = come("", 80);
    assert.equal(late.verdict, ANSWERED);
    assert.equal(late.downstream.failure?.code, OVERLOADED);
    assert.equal(late.downstream.failure?.detail, "80 ms are left for it, and half of the answers take 80 ms or more");
    assert.equal(late.downstream.failure?.fields, "");
    assert.equal(counters.overloadLate, 1);
    assert.equal(come("", 81).verdict, HELD);
  });

  it("refuses who has too little time left when its turn comes, and lets the next in", () => {
    learn(80);
    const first = come();
    const [late, next] = [come("", 120), come()];
    clock.advance(60);
    finish(first);
    assert.equal(late.downstream.failure?.code, OVERLOADED);
    assert.deepEqual([late.resumed(), next.resumed()], [0, 1]);
  });

  it("says whose deadline has passed", () => {
    const first = come();
    const [callers, ours] = [come("", 50), come("", 50)];
    ours.x.deadlineIsCallers = false;
    clock.advance(50);
    finish(first);
    assert.equal(callers.downstream.failure?.code, DEADLINE_PASSED);
    assert.equal(callers.downstream.failure?.detail, "The caller gave it 50 ms, which it waited for the app");
    assert.equal(ours.downstream.failure?.code, TIMEOUT);
    assertQuiet();
  });

  it("lets nobody wait where the policy has no room or no time for it", () => {
    for (const change of [{ maxQueue: 0 }, { maxWaitMs: 0 }]) {
      gate = create(change);
      assert.equal(come().verdict, CONTINUE);
      assert.equal(come("critical").verdict, ANSWERED);
    }
  });

  it("takes the place of an event stream, a tunnel and a call back when their response begins", () => {
    const stream = come();
    stream.x.endless = true;
    gate.answered(stream.x, parseResponseHead(EVENTS));
    const call = come();
    assert.equal(call.verdict, CONTINUE);
    call.x.grpc = true;
    gate.answered(call.x, parseResponseHead(CHUNKED));
    const plain = come();
    assert.equal(plain.verdict, CONTINUE);
    gate.answered(plain.x, parseResponseHead(CHUNKED));
    assert.equal(come().verdict, HELD);
    // Their end frees nothing twice.
    finish(stream);
    finish(call);
    assert.equal(gate.inFlight, 1);
  });

  it("takes the place of any response back that has lasted 10 s, when somebody waits for it", () => {
    gate = create({ maxWaitMs: 60_000 });
    const [first, second] = [come(), come()];
    first.x.responseStarted = true;
    clock.advance(9_990);
    assert.equal(second.resumed(), 0);
    clock.advance(30);
    assert.equal(second.resumed(), 1);
    finish(first);
    assert.equal(gate.inFlight, 1);
  });

  it("does not take the place of a request back that has no answer yet", () => {
    gate = create({ maxWaitMs: 60_000 });
    come();
    const second = come();
    clock.advance(30_000);
    assert.equal(second.resumed(), 0);
  });

  it("keeps who waits when the policy changes, and lets in what has room now", () => {
    const first = come();
    const [sheddable, normal, critical] = [come("sheddable"), come(), come("critical")];
    const concurrency = { kind: "fixed", limit: 2 } as const;
    gate.setPolicy({ ...POLICY, concurrency, priorities: ["high", "low"] });
    assert.deepEqual([critical.resumed(), normal.resumed(), sheddable.resumed()], [1, 0, 0]);
    assert.equal(counters.overloadLimit, 2);
    finish(first);
    assert.equal(sheddable.resumed() + normal.resumed(), 1);
    finish(critical);
    assert.equal(sheddable.resumed() + normal.resumed(), 2);
    assert.deepEqual(Object.keys(gate.describe().shed), ["high", "low"]);
  });

  it("lets everybody in when no policy asks for it any more", () => {
    const requests = [come(), come(), come()];
    gate.close();
    assert.deepEqual(
      requests.map(({ resumed }) => resumed()),
      [0, 1, 1],
    );
    assert.equal(counters.overloadLimit, 0);
    for (const request of requests) finish(request);
    assertQuiet();
    assert.equal(counters.overloadLimit, 0);
  });

  it("lets a row of requests in that end as soon as they are let in", () => {
    gate = create({ maxQueue: 5_000 });
    const first = come();
    const waiting = Array.from({ length: 5_000 }, () => come());
    for (const { x } of waiting) Object.assign(x.stack ?? {}, { resume: () => x.passEnd(null) });
    finish(first);
    assert.ok(waiting.every(({ x }) => !x.active));
    assertQuiet();
  });
});
