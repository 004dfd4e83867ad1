import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { startTestCli, type TestCli } from "./test-host.ts";

/** The command's clock stands at 2026-01-01T00:00:00Z. */
const RESOURCES = `
apiVersion: v1
kind: Service
metadata: { name: ratings }
spec: { ports: [{ port: 80 }] }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: reads }
spec: { matches: [{ name: get, methods: [GET] }, { name: head, methods: [HEAD] }] }
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: a-game-day }
spec:
  targetRef: { kind: Service, name: ratings, port: 80 }
  retries: { attempts: 1 }
  faults:
    - { name: slow, until: "2026-01-01T03:20:00Z", percentage: 20, delay: { min: 200ms, max: 2s } }
    - { name: old, until: "2025-12-31T23:59:00Z", abort: { httpStatus: 500 } }
    - { name: cut, until: "2026-01-01T02:00:00+01:00", reset: true }
    - { name: thin, until: "2026-01-02T00:00:00Z", slowBody: { bytesPerSecond: 1000 } }
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: b-loses }
spec:
  targetRef: { kind: Service, name: ratings, port: 80 }
  faults: [{ name: never, until: "2026-01-01T03:20:00Z", delay: 1s }]
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: reads }
spec:
  targetRef: { kind: Service, name: ratings, port: 80 }
  matches: [{ kind: HTTPRouteGroup, name: reads, matches: [get] }]
  timeouts: { request: 2s }
`;

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
  const run = await cli.run("apply", "-f", cli.file("all.yaml", RESOURCES));
  assert.equal(run.exitCode, 0, run.stderr);
});

afterEach(() => cli.close());

test("weft describe tp shows what the policy is about and the end of each fault", async () => {
  const { stdout } = await cli.run("describe", "tp", "a-game-day");
  const shown = stdout.slice(stdout.indexOf("\nApplies to"), stdout.indexOf("\nContent"));
  assert.equal(
    shown,
    `
Applies to
  Service default/ratings, port 80, every request

Says
  retries, faults

In force
  port 80: retries, faults

Faults
  slow: 20% of requests: delay of 200ms to 2s; active until 2026-01-01T03:20:00.000Z (3h20m left)
  old: 100% of requests: abort with 500 (gRPC 14); ended at 2025-12-31T23:59:00.000Z (60s ago)
  cut: 100% of requests: reset without an answer; active until 2026-01-01T01:00:00.000Z (60m left)
  thin: 100% of requests: response body at 1000 bytes/s; active until 2026-01-02T00:00:00.000Z (1d left)
`,
  );
  assert.doesNotMatch(stdout, /\nProblems/);
});

test("weft describe tp shows conflicts, and that a fault which lost is not in force", async () => {
  const { stdout } = await cli.run("describe", "tp", "b-loses");
  assert.match(stdout, /\nIn force\n {2}nothing\n/);
  assert.match(stdout, /\n {2}never: .*delay of 1s; not in force \(it would end at 2026-01-01T03:20:00\.000Z\)\n/);
  assert.match(stdout, /\nProblems\n {2}‼ AnotherPolicy: TrafficPolicy "a-game-day" .*faults/);
});

test("weft describe tp names the requests that a policy is for", async () => {
  const { stdout } = await cli.run("describe", "tp/reads");
  assert.match(stdout, /\n {2}Service default\/ratings, port 80, requests that fit reads\[get\]\n/);
  assert.doesNotMatch(stdout, /\nFaults/);
  const { policy } = JSON.parse((await cli.run("describe", "tp/reads", "-o", "json")).stdout);
  assert.deepEqual(policy, {
    service: "default/ratings",
    port: 80,
    matches: ["reads[get]"],
    sections: ["timeouts"],
    inForce: [{ port: 80, sections: ["timeouts"] }],
    faults: [],
  });
});

test("weft get tp shows target, requests, sections and when the last fault ends", async () => {
  const { stdout } = await cli.run("get", "tp");
  const rows = stdout.split("\n").map((line) => line.split(/ {3,}/).slice(0, 5));
  assert.deepEqual(rows.slice(0, 4), [
    ["NAME", "SERVICE", "MATCHES", "SAYS", "FAULTS END"],
    ["a-game-day", "ratings:80", "-", "retries, faults", "in 1d"],
    ["b-loses", "ratings:80", "-", "faults", "in 3h20m"],
    ["reads", "ratings:80", "reads", "timeouts", "-"],
  ]);
  cli.clock.advance(4 * 3_600_000);
  assert.match((await cli.run("get", "tp", "b-loses")).stdout, / ended /);
});

test("weft describe service shows which policy says what, in the order in which they are tried", async () => {
  const { stdout } = await cli.run("describe", "service", "ratings");
  assert.match(
    stdout,
    /\n {2}TrafficPolicy default\/reads: timeouts, for the requests that match\n {2}TrafficPolicy default\/a-game-day: retries, faults\n/,
  );
});

test("weft apply warns of a policy whose names nobody has, and of faults that are over, and applies it", async () => {
  const { exitCode, stdout, stderr } = await cli.run(
    "apply",
    "-f",
    cli.file(
      "late.yaml",
      `
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: late }
spec:
  targetRef: { kind: Service, name: rating }
  faults: [{ name: old, until: "2025-12-31T23:59:00Z", reset: true }]
`,
    ),
  );
  assert.deepEqual([exitCode, stdout], [0, "trafficpolicy/late created\n"]);
  assert.match(stderr, /late\.yaml:6:\d+: warning: spec\.targetRef\.name: found unknown name "rating"/);
  assert.match(stderr, /late\.yaml:7:\d+: warning: spec\.faults\[0\]\.until: .*which has passed/);
});

test("weft check warns of conflicts and of faults that are active or have ended, until they are gone", async () => {
  const check = async (): Promise<readonly (readonly string[])[]> => {
    const { checks } = JSON.parse((await cli.run("check", "-o", "json")).stdout);
    return (checks as { section: string; outcome: string; name: string; found: string[] }[])
      .filter((line) => line.outcome === "warning" && /fault|in force/.test(line.name))
      .map((line) => line.found);
  };
  const [inForce, faults] = await check();
  assert.equal(inForce?.length, 1);
  assert.match(inForce[0] ?? "", /^TrafficPolicy\/b-loses: .*"a-game-day" .*faults/);
  const where = "default/ratings: TrafficPolicy default/a-game-day, fault";
  assert.deepEqual(faults, [
    `${where} slow: 20% of requests: delay of 200ms to 2s; active until 2026-01-01T03:20:00.000Z (3h20m left)`,
    `${where} old: 100% of requests: abort with 500 (gRPC 14); ended at 2025-12-31T23:59:00.000Z (60s ago)`,
    `${where} cut: 100% of requests: reset without an answer; active until 2026-01-01T01:00:00.000Z (60m left)`,
    `${where} thin: 100% of requests: response body at 1000 bytes/s; active until 2026-01-02T00:00:00.000Z (1d left)`,
  ]);
  cli.clock.advance(2 * 3_600_000);
  assert.match((await check())[1]?.[2] ?? "", / cut: .*; ended at 2026-01-01T01:00:00\.000Z \(60m ago\)$/);
  await cli.run("delete", "tp", "a-game-day");
  await cli.run("delete", "tp", "b-loses");
  assert.deepEqual(await check(), []);
});
