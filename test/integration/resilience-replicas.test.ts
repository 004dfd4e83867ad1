// One of two replicas fails under constant load, in six ways: what callers lose with everything switched off ("before"),
// with weft's defaults ("after"), and with a policy for it ("tuned"), all three at the same time. docs/resilience.md has
// the table.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Mesh } from "./mesh.ts";
import { NumberedLoad, type Outcome } from "./numbered-load.ts";
import { waitUntil } from "./wait-until.ts";

const PER_SECOND = 50;
/** An answer that takes longer is lost to whoever waits for it. */
const LATE_MS = 1000;
const VARIANTS = ["before", "after", "tuned"] as const;
const METHODS = ["GET", "POST"] as const;

type Variant = (typeof VARIANTS)[number];
type Method = (typeof METHODS)[number];

interface Lost {
  readonly sent: number;
  readonly failed: number;
  readonly late: number;
  readonly what: string;
}

interface FailureKind {
  readonly title: string;
  readonly begin: (service: string) => Promise<void>;
  readonly end: (service: string) => Promise<void>;
  /** Loads of which no request may fail. */
  readonly spared: readonly `${Variant} ${Method}`[];
}

const setMode =
  (mode: string) =>
  async (service: string): Promise<void> => {
    const port = await controlPort(`${service}-0`);
    const answer = await fetch(`http://127.0.0.1:${port}/${mode}`, { method: "POST" });
    await answer.arrayBuffer();
  };
const signal =
  (name: NodeJS.Signals) =>
  async (service: string): Promise<void> => {
    process.kill(-mesh.processId(`${service}-0`), name);
  };

const KILLED = "killed (kill -9)";

const FAILURES: readonly FailureKind[] = [
  {
    title: KILLED,
    begin: signal("SIGKILL"),
    end: async (service) => {
      const printed = mesh.lines.filter((line) => isControlLine(line, `${service}-0`)).length;
      if (printed < 2) await mesh.line(new RegExp(`^${service}-0 .*control at`), 20_000, mesh.lines.length);
    },
    spared: ["after GET"],
  },
  { title: "stopped (SIGSTOP)", begin: signal("SIGSTOP"), end: signal("SIGCONT"), spared: [] },
  { title: "resets connections", begin: setMode("reset"), end: setMode("ok"), spared: ["after GET"] },
  { title: "answers 500", begin: setMode("error"), end: setMode("ok"), spared: [] },
  { title: "slow (5 s)", begin: setMode("slow"), end: setMode("ok"), spared: [] },
  {
    title: "refuses connections",
    begin: setMode("refuse"),
    end: setMode("ok"),
    spared: ["after GET"],
  },
];

let mesh: Mesh;
let port: number;

before(async () => {
  mesh = await Mesh.start({
    yaml: `
mesh: replicas
services:
  client: { command: node echo.mjs }
  before: { command: node replica.mjs, replicas: 2, allow: [client], env: { JOURNAL: journal-before } }
  after: { command: node replica.mjs, replicas: 2, allow: [client], env: { JOURNAL: journal-after } }
  tuned: { command: node replica.mjs, replicas: 2, allow: [client], env: { JOURNAL: journal-tuned } }
`,
  });
  port = await mesh.outboundPort("client-0");
  await applyPolicy("before", {
    loadBalancing: { strategy: "roundRobin" },
    outlierDetection: { enabled: false },
    retries: { attempts: 0 },
  });
  await applyPolicy("tuned", {
    timeouts: { perTry: "500ms" },
    retries: { conditions: ["connect", "reset", "timeout", "5xx"] },
    // Short, so that the next failure finds both instances in use again.
    outlierDetection: { consecutive5xx: 3, consecutiveGatewayErrors: 3, baseEjection: "1s", maxEjection: "2s" },
  });
  await waitUntil("the policies are in force", async () =>
    (await mesh.api().proxies()).every((proxy) => proxy.state === "SYNCED"),
  );
});

after(() => mesh.stop());

for (const failure of FAILURES) {
  test(`one of two replicas ${failure.title}: what is lost`, async (t) => {
    await waitUntil("all replicas take requests", isHealthy);
    const loads = new Map<string, NumberedLoad>();
    for (const variant of VARIANTS) {
      for (const method of METHODS)
        loads.set(`${variant} ${method}`, new NumberedLoad({ port, host: variant, method, perSecond: PER_SECOND }));
    }
    const one = loads.get("after GET") ?? assert.fail("no load");
    await one.more(PER_SECOND / 2);
    await Promise.all(VARIANTS.map((variant) => failure.begin(variant)));
    await one.more(PER_SECOND * 3);
    await Promise.all(VARIANTS.map((variant) => failure.end(variant)));
    await one.more(PER_SECOND / 2);
    const lost = new Map<string, Lost>();
    for (const [name, outcomes] of await stopAll(loads)) lost.set(name, countLost(outcomes));
    for (const [name, { sent, failed, late, what }] of lost)
      t.diagnostic(`${name}: ${failed + late} of ${sent} lost (${failed} failed, ${late} late)${what}`);
    for (const name of failure.spared) assert.equal(lost.get(name)?.failed, 0, `${name} ${lost.get(name)?.what}`);
    // A machine that is too busy delays all three alike. What is lost to a killed app is only what it was working on.
    const count = (variant: Variant): number =>
      METHODS.map((method) => lost.get(`${variant} ${method}`)).reduce((sum, one) => sum + totalLost(one), 0);
    if (failure.title !== KILLED) {
      assert.ok(
        count("before") >= PER_SECOND / 4,
        `the failure is felt: ${count("before")} lost without weft's defaults`,
      );
      for (const variant of ["after", "tuned"] as const)
        assert.ok(
          count(variant) <= count("before") / 2,
          `${variant}: ${count(variant)} lost, before ${count("before")}`,
        );
    }
    for (const variant of VARIANTS) assert.deepEqual(listSentTwice(variant, "POST"), [], `${variant}: no POST twice`);
  });
}

function totalLost(lost: Lost | undefined): number {
  return lost === undefined ? 0 : lost.failed + lost.late;
}

test("through all of it GETs were sent to a second instance where retries are on, and no POST was sent twice", () => {
  assert.equal(countOnTwoInstances("before"), 0, "with retries off nothing goes to another instance");
  for (const variant of ["after", "tuned"] as const)
    assert.ok(countOnTwoInstances(variant) > 0, `${variant}: the journal shows what was sent again`);
  for (const variant of VARIANTS) assert.deepEqual(listSentTwice(variant, "POST"), [], `${variant}: no POST twice`);
});

async function stopAll(loads: ReadonlyMap<string, NumberedLoad>): Promise<ReadonlyMap<string, readonly Outcome[]>> {
  const entries = [...loads].map(async ([name, load]) => [name, await load.stop()] as const);
  return new Map(await Promise.all(entries));
}

function countLost(outcomes: readonly Outcome[]): Lost {
  const failed = outcomes.filter(({ what }) => what !== "ok");
  const late = outcomes.filter(({ what, ms }) => what === "ok" && ms > LATE_MS);
  const counts = new Map<string, number>();
  for (const { what } of failed) counts.set(what, (counts.get(what) ?? 0) + 1);
  const kinds = [...counts].map(([what, count]) => `${count} × ${what}`).join(", ");
  return { sent: outcomes.length, failed: failed.length, late: late.length, what: kinds === "" ? "" : `: ${kinds}` };
}

interface JournalEntry {
  readonly method: string;
  readonly id: string;
  readonly pid: string;
}

/** Every request that a replica of it received. */
function readJournal(variant: Variant): readonly JournalEntry[] {
  const file = join(mesh.folder, `journal-${variant}`);
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  assert.ok(lines.length > 0, "the replicas keep a journal");
  return lines.map((line) => {
    const [method = "", id = "", pid = ""] = line.split(" ");
    return { method, id, pid };
  });
}

/** Ids of requests that were received more than once. */
function listSentTwice(variant: Variant, wanted: Method): readonly string[] {
  const ids = readJournal(variant)
    .filter(({ method }) => method === wanted)
    .map(({ id }) => id);
  return ids.length === new Set(ids).size ? [] : ids.filter((id, index) => ids.indexOf(id) !== index);
}

function countOnTwoInstances(variant: Variant): number {
  const pids = new Map<string, Set<string>>();
  for (const { id, pid } of readJournal(variant)) pids.set(id, (pids.get(id) ?? new Set()).add(pid));
  return [...pids.values()].filter((all) => all.size > 1).length;
}

/** Nothing is ejected, and both replicas of each service are in force. */
async function isHealthy(): Promise<boolean> {
  if ((await mesh.metric("client-0", "weft_ejected_count")) > 0) return false;
  for (const variant of VARIANTS) {
    const slices = await mesh
      .api()
      .list(
        { group: "discovery.k8s.io", kind: "EndpointSlice" },
        { namespace: "default", labelSelector: `kubernetes.io/service-name=${variant}` },
      );
    const endpoints = slices.items.flatMap(
      (slice) => (slice as { readonly endpoints?: readonly Endpoint[] }).endpoints ?? [],
    );
    if (endpoints.filter(({ conditions }) => conditions?.ready === true).length !== 2) return false;
  }
  return true;
}

interface Endpoint {
  readonly conditions?: { readonly ready?: boolean };
}

/** Of the newest process of a workload. */
async function controlPort(workload: string): Promise<number> {
  await mesh.line(new RegExp(`^${workload} .*control at`));
  const line = mesh.lines.findLast((candidate) => isControlLine(candidate, workload)) ?? "";
  return Number(/control at (\d+)/.exec(line)?.[1]);
}

function isControlLine(line: string, workload: string): boolean {
  return line.startsWith(`${workload} `) && line.includes("control at");
}

async function applyPolicy(service: string, sections: object): Promise<void> {
  await mesh.api().apply({
    apiVersion: "weft.dev/v1alpha1",
    kind: "TrafficPolicy",
    metadata: { name: service, namespace: "default" },
    spec: { targetRef: { kind: "Service", name: service }, ...sections },
  });
}
