import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { StatRow } from "../control/views.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});

afterEach(() => cli.close());

function row(
  direction: StatRow["direction"],
  source: string,
  destination: string,
  change: Partial<StatRow> = {},
): StatRow {
  return {
    direction,
    source,
    destination,
    version: "",
    protocol: "http",
    requests: 60,
    failures: 0,
    rate: 1,
    successRatio: 1,
    p50Ms: 0.4,
    p90Ms: 12.4,
    p99Ms: 1234,
    requestBytes: 0,
    responseBytes: 0,
    failureCodes: {},
    ...change,
  };
}

test("weft stat shows who called whom, outbound first, with failure codes", async () => {
  cli.api.views.statRows = [
    row("inbound", "", "default/web"),
    row("outbound", "default/web", "default/reviews", {
      version: "v2",
      requests: 100_000,
      failures: 1,
      rate: 1666.7,
      successRatio: 0.99999,
      failureCodes: { timeout: 1 },
    }),
    row("outbound", "default/web", "default/reviews", {
      version: "v1",
      failures: 9,
      successRatio: 0.85,
      failureCodes: { connect_failed: 2, upstream_reset: 4 },
    }),
    row("outbound", "default/web", "default/idle", { requests: 0, rate: 0, p50Ms: null, p90Ms: null, p99Ms: null }),
  ];
  const run = await cli.run("stat", "-w", "5m");
  assert.equal(cli.api.views.windowMs, 300_000);
  assert.deepEqual(run.stdout.trimEnd().split("\n"), [
    "DIRECTION   SOURCE   DESTINATION   VERSION   SUCCESS    RPS     P50    P90     P99   FAILURES",
    "outbound    web      idle          -               -      0       -      -       -",
    "outbound    web      reviews       v1         85.00%    1.0   0.4ms   12ms   1.23s   upstream_reset 4, connect_failed 2, 5xx 3",
    "outbound    web      reviews       v2         99.99%   1667   0.4ms   12ms   1.23s   timeout 1",
    "inbound     ?        web           -            100%    1.0   0.4ms   12ms   1.23s",
  ]);
});

test("weft stat chooses by source, destination and direction, and names namespaces when there are several", async () => {
  cli.api.views.statRows = [
    row("outbound", "front/web", "default/reviews"),
    row("inbound", "front/web", "default/reviews"),
    row("outbound", "default/reviews", "default/ratings"),
  ];
  const edges = async (...argv: readonly string[]): Promise<readonly string[]> =>
    (await cli.run("stat", ...argv)).stdout
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => line.split(/\s+/).slice(0, 3).join(" "));
  assert.deepEqual(await edges("--to", "reviews"), [
    "outbound front/web default/reviews",
    "inbound front/web default/reviews",
  ]);
  assert.deepEqual(await edges("--from", "front/web", "--inbound"), ["inbound front/web default/reviews"]);
  assert.deepEqual(await edges("--outbound", "--to", "default/ratings"), ["outbound reviews ratings"]);
  assert.deepEqual(await cli.run("stat", "--to", "nobody"), {
    exitCode: 0,
    stdout: "",
    stderr: "No traffic in the last 1m\n",
  });
});

test("weft stat -o json passes the numbers on", async () => {
  cli.api.views.statRows = [row("outbound", "default/web", "default/reviews")];
  assert.deepEqual(JSON.parse((await cli.run("stat", "-o", "json")).stdout), { items: cli.api.views.statRows });
});

test("weft stat --watch draws again every two seconds until interrupted, also while the control plane is away", async () => {
  cli.api.views.statRows = [row("outbound", "default/web", "default/reviews")];
  let interrupt: () => void = () => undefined;
  const drawn: string[] = [];
  let onDraw: () => void = () => undefined;
  const nextDraw = (): Promise<void> =>
    new Promise((resolve) => {
      onDraw = resolve;
    });
  const first = nextDraw();
  const running = cli.runWith(
    {
      columns: 100,
      onStart: (stop) => {
        interrupt = stop;
      },
      onWrite: (text) => {
        // Beside the block itself only the cursor is hidden and shown.
        if (!text.includes("\n") || text === "\n") return;
        drawn.push(text);
        onDraw();
      },
    },
    "stat",
    "--watch",
  );
  await first;
  await cli.clock.runUntilIdle();
  cli.api.views.statRows = [
    row("outbound", "default/web", "default/reviews"),
    row("outbound", "default/web", "default/ratings"),
  ];
  const second = nextDraw();
  cli.clock.advance(2_000);
  await second;
  await cli.clock.runUntilIdle();
  await cli.api.close();
  const third = nextDraw();
  cli.clock.advance(2_000);
  await third;
  await cli.clock.runUntilIdle();
  interrupt();
  const run = await running;
  assert.equal(run.exitCode, 0);
  assert.equal(drawn.length, 3);
  assert.match(drawn[0] ?? "", /^\r?last 1m, at 00:00:00 UTC; Ctrl-C ends\S*\nDIRECTION/);
  assert.ok(drawn[1]?.startsWith("\u001b[3A\r"), "goes up over the three lines drawn before");
  assert.match(drawn[1] ?? "", /ratings/);
  assert.match(drawn[2] ?? "", /Cannot reach the control plane.*\n.*DIRECTION/s);
  assert.ok(run.stdout.endsWith("\u001b[?25h\n"), "shows the cursor again");
  assert.equal(cli.clock.pendingTimers(), 0);
});
