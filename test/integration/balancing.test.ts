// The comparison of the simulator (docs/load-balancing.md) on real processes, shorter: one of five replicas is five times
// slower than the others, at three quarters of what all can do together. Only the strategy differs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Mesh } from "./mesh.ts";
import { NumberedLoad, type Outcome } from "./numbered-load.ts";
import { waitUntil } from "./wait-until.ts";

/** The worst last: what it leaves in the slow one would be held against the next. */
const STRATEGIES = ["adaptive", "peakEwma", "leastRequest", "roundRobin"] as const;
const WORKERS = 4;
const SERVICE_MS = 40;
const SLOWER = 5;
/** Four alike and the slow one. */
const CAPACITY = ((4 + 1 / SLOWER) * WORKERS * 1000) / SERVICE_MS;
const PER_SECOND = Math.round(CAPACITY * 0.75);
const SECONDS = 4;
/** Callers wait no longer. */
const PATIENCE_MS = 2_000;
/** Until what a strategy knows of instances has settled. */
const SETTLING_SECONDS = 1;

interface Result {
  readonly p99Ms: number;
  readonly slowShare: number;
  readonly sent: number;
}

let mesh: Mesh;
let port: number;

before(async () => {
  mesh = await Mesh.start({
    yaml: `
mesh: balancing
services:
  client: { command: node echo.mjs }
  work:
    allow: [client]
    versions:
      fast: { command: node worker.mjs, replicas: 4, env: { INSTANCE: fast, WORKERS: "${WORKERS}", SERVICE_MS: "${SERVICE_MS}" } }
      slow: { command: node worker.mjs, env: { INSTANCE: slow, WORKERS: "${WORKERS}", SERVICE_MS: "${SERVICE_MS * SLOWER}" } }
`,
  });
  port = await mesh.outboundPort("client-0");
});

after(() => mesh.stop());

test("with one slow replica of five, adaptive is twice as fast at the 99th percentile as round robin", async (t) => {
  const results = new Map<string, Result>();
  for (const strategy of STRATEGIES) {
    await applyStrategy(strategy);
    const load = new NumberedLoad({ port, host: "work", method: "GET", perSecond: PER_SECOND });
    await load.more(PER_SECOND * (SETTLING_SECONDS + SECONDS));
    const outcomes = (await load.stop()).slice(PER_SECOND * SETTLING_SECONDS);
    const failed = outcomes.filter(({ what, ms }) => what !== "ok" && ms < PATIENCE_MS);
    assert.deepEqual(failed.slice(0, 3), [], strategy);
    const result = measure(outcomes);
    results.set(strategy, result);
    t.diagnostic(
      `${strategy}: p99 ${result.p99Ms.toFixed(0)} ms, ${(result.slowShare * 100).toFixed(1)} % of ${result.sent} requests answered by the slow one`,
    );
  }
  const p99 = (strategy: (typeof STRATEGIES)[number]): number => results.get(strategy)?.p99Ms ?? NaN;
  const share = (strategy: (typeof STRATEGIES)[number]): number => results.get(strategy)?.slowShare ?? NaN;
  assert.ok(p99("adaptive") <= 0.5 * p99("roundRobin"), `${p99("adaptive")} ms, round robin ${p99("roundRobin")} ms`);
  for (const strategy of STRATEGIES.slice(0, -1)) {
    assert.ok(p99(strategy) < p99("roundRobin"), `${strategy}: ${p99(strategy)} ms`);
    assert.ok(share(strategy) < 0.1, `${strategy}: ${share(strategy)} of the requests to the slow one`);
  }
});

/** Nothing else that could help or hinder. The limit is never reached: it tells one policy from the other. */
async function applyStrategy(strategy: (typeof STRATEGIES)[number]): Promise<void> {
  const requests = 100_000 + STRATEGIES.indexOf(strategy);
  await mesh.api().apply({
    apiVersion: "weft.dev/v1alpha1",
    kind: "TrafficPolicy",
    metadata: { name: "work", namespace: "default" },
    spec: {
      targetRef: { kind: "Service", name: "work" },
      loadBalancing: { strategy, slowStart: "0s" },
      limits: { requests },
      outlierDetection: { enabled: false },
      overload: { enabled: false },
      retries: { attempts: 0 },
      timeouts: { request: `${PATIENCE_MS}ms` },
    },
  });
  await waitUntil(`${strategy} is in force`, async () =>
    JSON.stringify(await mesh.api().proxyConfig("default/client-0")).includes(String(requests)),
  );
}

function measure(outcomes: readonly Outcome[]): Result {
  const times = outcomes.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const slow = outcomes.filter(({ instance }) => instance === "slow").length;
  return {
    p99Ms: times[Math.floor(times.length * 0.99)] ?? NaN,
    slowShare: slow / outcomes.length,
    sent: outcomes.length,
  };
}
