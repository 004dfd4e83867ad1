import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { openExchange, type RecordedDownstream, parseResponseHead } from "../../testing/exchange-bench.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import type { Exchange, UpstreamStream } from "../exchange.ts";
import { UPSTREAM_RESET } from "../failures.ts";
import { BodyPacer } from "./body-pacer.ts";

/** An upstream that counts whether it is read. */
class CountedUpstream implements UpstreamStream {
  paused: boolean = false;
  cancelled: boolean = false;

  sendData(): boolean {
    return true;
  }
  sendEnd(): void {}
  cancel(): void {
    this.cancelled = true;
  }
  discard(): void {}
  pauseReads(): void {
    this.paused = true;
  }
  resumeReads(): void {
    this.paused = false;
  }
}

class Bench {
  readonly clock: FakeClock = new FakeClock();
  readonly wheel: TimerWheel = new TimerWheel(this.clock);
  readonly upstream: CountedUpstream = new CountedUpstream();
  readonly x: Exchange;
  readonly downstream: RecordedDownstream;

  constructor(bytesPerSecond: number) {
    const { x, downstream } = openExchange("/");
    this.x = x;
    this.downstream = downstream;
    x.attempt = this.upstream;
    x.connected = true;
    x.requestEnded = true;
    x.pacer = new BodyPacer(x, { clock: this.clock, wheel: this.wheel, bytesPerSecond });
    x.responseStarted = true;
  }

  /** As a codec does: the bytes are gone after the call. */
  receive(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.x.onResponseData(bytes);
    bytes.fill(0);
  }
}

describe("BodyPacer", () => {
  it("lets a body through at its rate, in portions", () => {
    const bench = new Bench(1_000);
    bench.receive("x".repeat(1_030));
    assert.equal(bench.downstream.body, "");
    for (let second = 1; second <= 10; second += 1) {
      bench.clock.advance(100);
      const passed = bench.downstream.body.length;
      assert.ok(passed <= second * 100 && passed >= second * 100 - 60, `${passed} after ${second * 100} ms`);
    }
    bench.x.onResponseEnd(null);
    assert.equal(bench.downstream.ended, false);
    bench.clock.advance(60);
    assert.equal(bench.downstream.body, "x".repeat(1_030));
    assert.equal(bench.downstream.ended, true);
    assert.equal(bench.x.active, false);
    assert.ok(bench.downstream.portions.every((bytes) => bytes >= 10 && bytes <= 60));
    assert.equal(bench.wheel.armedCount(), 0);
    assert.equal(bench.clock.pendingTimers(), 0);
  });

  it("takes slow rates as they are: one byte in four seconds", () => {
    const bench = new Bench(0.25);
    bench.receive("abc");
    bench.x.onResponseEnd(null);
    bench.clock.advance(3_990);
    assert.equal(bench.downstream.body, "");
    bench.clock.advance(30);
    assert.equal(bench.downstream.body, "a");
    bench.clock.advance(8_100);
    assert.equal(bench.downstream.body, "abc");
    assert.ok(bench.downstream.ended);
  });

  it("saves nothing up while the upstream is silent", () => {
    const bench = new Bench(1_000);
    bench.receive("x".repeat(10));
    bench.clock.advance(60_000);
    assert.equal(bench.downstream.body.length, 10);
    bench.receive("y".repeat(500));
    bench.clock.advance(100);
    assert.ok(bench.downstream.body.length <= 110);
  });

  it("stops reading the upstream at a bound, and reads on when half of it is gone", () => {
    const bench = new Bench(16_384);
    bench.receive("x".repeat(10_000));
    assert.equal(bench.upstream.paused, false);
    bench.receive("x".repeat(10_000));
    assert.equal(bench.upstream.paused, true);
    bench.clock.advance(600);
    assert.equal(bench.upstream.paused, true);
    bench.clock.advance(200);
    assert.equal(bench.upstream.paused, false);
  });

  it("waits for a caller that does not read, and does not make up for the time", () => {
    const bench = new Bench(1_000);
    bench.downstream.writable = false;
    bench.receive("x".repeat(1_000));
    bench.clock.advance(10_000);
    const first = bench.downstream.body.length;
    assert.ok(first > 0 && first <= 60, String(first));
    assert.equal(bench.wheel.armedCount(), 0);
    bench.downstream.writable = true;
    bench.x.onDownstreamDrain();
    bench.clock.advance(100);
    assert.ok(bench.downstream.body.length <= first + 100);
    bench.clock.advance(1_000);
    assert.equal(bench.downstream.body.length, 1_000);
  });

  it("passes trailers on behind the body, although the connection has other heads by then", () => {
    const bench = new Bench(1_000);
    const trailers = parseResponseHead("HTTP/1.1 200 OK\r\nX-Sum: 7\r\nContent-Length: 0\r\n\r\n");
    bench.receive("x".repeat(100));
    bench.x.onResponseEnd(trailers);
    trailers.reset();
    bench.clock.advance(200);
    assert.equal(bench.downstream.trailers?.valueText(0), "7");
  });

  it("ends at once when there is no body", () => {
    const bench = new Bench(1);
    bench.x.onResponseEnd(null);
    assert.ok(bench.downstream.ended);
  });

  it("forgets what it holds when the exchange ends, and never touches the next one", () => {
    for (const end of [
      (bench: Bench) => bench.x.onDownstreamClosed(),
      (bench: Bench) => bench.x.fail(UPSTREAM_RESET, null),
    ]) {
      const bench = new Bench(1_000);
      bench.receive("x".repeat(1_000));
      bench.clock.advance(100);
      const passed = bench.downstream.body.length;
      end(bench);
      assert.equal(bench.x.active, false);
      assert.equal(bench.wheel.armedCount(), 0);
      bench.clock.advance(2_000);
      assert.equal(bench.downstream.body.length, passed);
      assert.equal(bench.clock.pendingTimers(), 0);
    }
  });

  it("keeps a response that it slows down from being taken for a quiet one", () => {
    const bench = new Bench(1_000);
    bench.receive("x".repeat(1_000));
    bench.x.quietChecks = 3;
    bench.clock.advance(100);
    assert.equal(bench.x.quietChecks, 0);
  });

  it("never lets more than its rate through, loses nothing and keeps the order, whatever comes when", () => {
    const step = fc.record({ bytes: fc.nat(400), ms: fc.nat(300), drains: fc.boolean(), full: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.array(step, { maxLength: 40 }), (bytesPerSecond, steps) => {
        const bench = new Bench(bytesPerSecond);
        let sent = "";
        let elapsedMs = 0;
        for (const { bytes, ms, drains, full } of steps) {
          const text = String.fromCharCode(...Array.from({ length: bytes }, (_, at) => 33 + ((sent.length + at) % 90)));
          sent += text;
          if (bytes > 0) bench.receive(text);
          bench.downstream.writable = !full;
          if (drains) bench.x.onDownstreamDrain();
          bench.clock.advance(ms);
          elapsedMs += ms;
          assert.ok(bench.downstream.body.length <= (elapsedMs * bytesPerSecond) / 1_000 + 1e-6);
          assert.ok(sent.startsWith(bench.downstream.body));
        }
        bench.x.onResponseEnd(null);
        bench.downstream.writable = true;
        bench.x.onDownstreamDrain();
        bench.clock.advance((sent.length * 1_000) / bytesPerSecond + 2_100);
        assert.equal(bench.downstream.body, sent);
        assert.ok(bench.downstream.ended);
        assert.equal(bench.clock.pendingTimers(), 0);
      }),
      { seed: 20261123, numRuns: 200 },
    );
  });
});
