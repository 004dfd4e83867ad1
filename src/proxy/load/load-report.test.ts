import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FIELD_LOAD_METRICS, type Head } from "../head.ts";
import { toLocalHead } from "../http2/local-head.ts";
import { EndpointLoad } from "./endpoint-load.ts";
import { LoadReport } from "./load-report.ts";
import { RecentLatency } from "./recent-latency.ts";

describe("RecentLatency.median()", () => {
  it("knows nothing at first", () => {
    assert.equal(new RecentLatency().median(0, 0), -1);
  });

  it("goes by answers that met as many requests as there are now", () => {
    const latency = new RecentLatency();
    for (let i = 0; i < 16; i += 1) {
      latency.add(0, 5, 0);
      latency.add(6, 50, 0);
      latency.add(100, 500, 0);
    }
    assert.deepEqual(
      [0, 6, 100, 110].map((met) => latency.median(met, 0)),
      [5, 50, 500, 500],
    );
  });

  it("asks those that met nearly as many when it knows too few", () => {
    const latency = new RecentLatency();
    latency.add(3, 30, 0);
    for (let i = 0; i < 16; i += 1) latency.add(5, 50, 0);
    assert.equal(latency.median(3, 0), 50);
    assert.equal(latency.median(1_000_000, 0), 50);
  });

  it("does not change for one odd answer", () => {
    const latency = new RecentLatency();
    for (let i = 0; i < 10; i += 1) latency.add(0, 5, 0);
    latency.add(0, 5_000, 0);
    assert.equal(latency.median(0, 0), 5);
  });

  it("forgets after 5 s", () => {
    const latency = new RecentLatency();
    latency.add(0, 5, 0);
    assert.equal(latency.median(0, 5_000), 5);
    assert.equal(latency.median(0, 5_001), -1);
  });
});

describe("LoadReport", () => {
  it("tells callers what is in flight, how long answers take and how many there are", () => {
    const { clock, report, load, send } = create();
    const met = report.begin();
    report.begin();
    report.begin();
    clock.advance(1_000);
    report.end(12.5, met);
    send();
    assert.equal(load.inFlight, 2);
    assert.equal(load.latencyMs, 12.5);
    assert.equal(load.requestsPerSecond, 1);
    assert.equal(load.reports, 1);
    assert.equal(load.reportedMs, 1_000);
  });

  it("does not tell a latency that it does not know", () => {
    const { report, load, send } = create();
    report.end(-1, report.begin());
    send();
    assert.equal(load.inFlight, 0);
    assert.equal(load.latencyMs, -1);
  });
});

describe("EndpointLoad", () => {
  it("takes the report off the response", () => {
    const { report, load } = create();
    const head = toResponse(report, 0);
    assert.ok(head.find(FIELD_LOAD_METRICS) >= 0);
    load.takeFrom(head);
    assert.equal(head.find(FIELD_LOAD_METRICS), -1);
  });

  for (const text of ["", "TEXT", "TEXT named_metrics.in_flight=x", "TEXT named_metrics.in_flight=-1", "JSON {}"]) {
    it(`is not moved by "${text}"`, () => {
      const { load } = create();
      load.takeFrom(toHead(text));
      assert.equal(load.inFlight, -1);
      assert.equal(load.reports, 0);
    });
  }

  it("counts other callers' requests apart from its own, and smooths them", () => {
    const { load, own } = create();
    own.inFlight = 4;
    load.accept(10, 10, 0);
    assert.equal(load.othersInFlight, 6);
    load.accept(14, 20, 50);
    assert.equal(load.othersInFlight, 6 + 0.3 * 4);
    assert.equal(load.latencyMs, 12);
    // Reports and own requests may cross: nobody has fewer than none.
    own.inFlight = 100;
    load.accept(14, 20, 2_000);
    assert.equal(load.othersInFlight, 0);
  });

  it("begins anew after a second without reports", () => {
    const { load } = create();
    load.accept(10, 10, 0);
    load.accept(2, 90, 1_001);
    assert.equal(load.othersInFlight, 2);
    assert.equal(load.latencyMs, 90);
  });
});

interface Bench {
  readonly clock: FakeClock;
  readonly own: { inFlight: number };
  readonly report: LoadReport;
  readonly load: EndpointLoad;
  /** A response with a report goes from the one to the other. */
  send(): void;
}

function create(): Bench {
  const clock = new FakeClock();
  const own = { inFlight: 0 };
  const report = new LoadReport(clock);
  const load = new EndpointLoad(clock, own);
  return {
    clock,
    own,
    report,
    load,
    send: () => {
      load.takeFrom(toResponse(report, clock.nowMs()));
    },
  };
}

/** As it comes from the wire. */
function toResponse(report: LoadReport, nowMs: number): Head {
  return toLocalHead(200, Buffer.from(report.lines(nowMs).bytes).toString("latin1"), 0);
}

function toHead(text: string): Head {
  return toLocalHead(200, `endpoint-load-metrics: ${text}\r\n`, 0);
}
