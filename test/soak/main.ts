// oxlint-disable no-console -- a program whose output is its result
// npm run soak: a mesh under mixed load, watched for what it keeps. See docs/security.md, "Long runs".
//   --minutes N       how long (60)
//   --runtime NAME    bun or node (what a user would get)
// Ends with "N passed, N failed".
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { get } from "node:http";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/time/system-clock.ts";
import { Mesh } from "../integration/mesh.ts";
import { pause, waitUntil } from "../integration/wait-until.ts";
import { computeTrend, type MemorySample } from "./memory-trend.ts";
import { MixedLoad } from "./mixed-load.ts";

const LIMIT_BYTES = 1_048_576;
/** From here on the last quarter is judged by its slope; below, the last half by what the slope is at least. */
const LONG_MINUTES = 30;
const CONFIG_CHANGE_MS = 15_000;
/** Idle connections to apps are closed after 4 s, what lingers after 2 s; then nothing of the load may be left. */
const SETTLE_LIMIT_MS = 120_000;
const PROXIES = ["caller-0", "h1-0", "h2-0", "ingress-0"];

interface Left {
  readonly sockets: number;
  readonly timers: number;
  readonly exchanges: number;
}

const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" }, runtime: { type: "string" } } });
const minutes = Number(values.minutes);
const runtime = values.runtime === "node" || values.runtime === "bun" ? values.runtime : undefined;

async function main(): Promise<void> {
  console.log(
    `soak: ${minutes} min on ${runtime ?? "the default runtime"}: memory, sockets, timers and exchanges of four proxies`,
  );
  const mesh = await Mesh.start({
    runtime,
    yaml: `
mesh: soak
ingress:
  - { port: 0, service: h1 }
services:
  h1: { command: node http-peer.mjs, env: { SPEAKS: h1 }, allow: [caller, ingress] }
  h2: { command: node http-peer.mjs, env: { SPEAKS: h2 }, protocol: http2, allow: [caller] }
  caller: { command: node echo.mjs }
`,
  });
  let failed = 0;
  let passed = 0;
  const judge = (isGood: boolean, text: string): void => {
    console.log(`${isGood ? "ok  " : "FAIL"} ${text}`);
    if (isGood) passed += 1;
    else failed += 1;
  };
  try {
    const targets = {
      outbound: await mesh.outboundPort("caller-0"),
      ingress: await mesh.ingressPort(),
      http1: "h1",
      http2: "h2",
    };
    // A little of everything first, so that what stays for good (links, tables) is there when it is counted.
    await run(mesh, targets, Math.min(0.25, minutes / 10), () => undefined);
    const before = await settle(mesh, null);
    const samples = new Map<string, MemorySample[]>(PROXIES.map((workload) => [workload, []]));
    const startedMs = systemClock.nowMs();
    const failures = await run(mesh, targets, minutes, () => {
      const atMinutes = (systemClock.nowMs() - startedMs) / 60_000;
      for (const workload of PROXIES) samples.get(workload)?.push({ atMinutes, bytes: residentBytes(mesh, workload) });
    });
    for (const [what, count] of failures) judge(false, `${count} requests failed: ${what}`);
    for (const [workload, all] of samples) {
      const isLong = minutes >= LONG_MINUTES;
      const trend = computeTrend(all.slice(Math.floor(all.length * (isLong ? 0.75 : 0.5))));
      const judged = isLong ? trend.bytesPer10Minutes : trend.atLeastPer10Minutes;
      const text = `${toMegabytes(all[0]?.bytes ?? 0)} -> ${toMegabytes(all.at(-1)?.bytes ?? 0)} MB, slope ${toMegabytes(trend.bytesPer10Minutes)} MB per 10 min, at least ${toMegabytes(trend.atLeastPer10Minutes)}`;
      judge(
        judged <= LIMIT_BYTES,
        `memory of ${workload}: ${text}; limit 1; least of each quarter ${formatQuarters(all)} MB`,
      );
    }
    const after = await settle(mesh, before);
    for (const workload of PROXIES) {
      const [was, is] = [before.get(workload), after.get(workload)];
      judge(
        was !== undefined && is !== undefined && isBack(is, was),
        `left in ${workload}: ${JSON.stringify(is)}; before ${JSON.stringify(was)}`,
      );
    }
  } finally {
    await mesh.stop();
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function formatQuarters(samples: readonly MemorySample[]): string {
  const size = Math.ceil(samples.length / 4);
  return [0, 1, 2, 3]
    .map((quarter) => samples.slice(quarter * size, (quarter + 1) * size).map(({ bytes }) => bytes))
    .map((bytes) => toMegabytes(Math.min(...bytes)))
    .join(", ");
}

async function run(
  mesh: Mesh,
  targets: ConstructorParameters<typeof MixedLoad>[0],
  forMinutes: number,
  sample: () => void,
): Promise<ReadonlyMap<string, number>> {
  const load = new MixedLoad(targets);
  load.start();
  const endMs = systemClock.nowMs() + forMinutes * 60_000;
  const everyMs = Math.max(250, (forMinutes * 60_000) / 1_000);
  let changeAtMs = systemClock.nowMs();
  for (let round = 0; systemClock.nowMs() < endMs;) {
    sample();
    if (systemClock.nowMs() >= changeAtMs) {
      round += 1;
      changeAtMs = systemClock.nowMs() + CONFIG_CHANGE_MS;
      const { code, stderr } = await mesh.weft(["apply", "-f", "-"], changeOf(round));
      if (code !== 0) throw new Error(`weft apply: ${stderr}`);
    }
    await pause(everyMs);
  }
  await load.stop();
  console.log(`${forMinutes} min of load: ${load.counts()}`);
  return load.failures();
}

/** A service that nobody calls, with other ports each time: every proxy gets a new configuration. */
function changeOf(round: number): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: unused, namespace: default }
spec:
  ports: [{ name: http, port: ${8_000 + (round % 100)} }]
`;
}

/** What is left when nothing is called: waits until it is no more than `before`, or until the limit. */
async function settle(mesh: Mesh, before: ReadonlyMap<string, Left> | null): Promise<ReadonlyMap<string, Left>> {
  await mesh.waitUntilIdle();
  if (before === null) await pause(10_000);
  let last = new Map<string, Left>();
  const probe = async (): Promise<boolean> => {
    last = new Map(
      await Promise.all(PROXIES.map(async (workload) => [workload, await readLeft(mesh, workload)] as const)),
    );
    return (
      before === null || PROXIES.every((workload) => isBack(last.get(workload) as Left, before.get(workload) as Left))
    );
  };
  // Once outside, so that what cannot be read is not taken for what is left.
  await probe();
  await waitUntil("the proxies hold no more than before the load", probe, SETTLE_LIMIT_MS).catch(() => false);
  return last;
}

/** A link more or less may be open, and its timer with it. */
function isBack(is: Left, was: Left): boolean {
  return is.exchanges === 0 && is.sockets <= was.sockets + 2 && is.timers <= was.timers + 2;
}

async function readLeft(mesh: Mesh, workload: string): Promise<Left> {
  const status = (await mesh.api().proxies()).find((proxy) => proxy.id === `default/${workload}`);
  const stats = (await readJson(`http://127.0.0.1:${status?.admin?.port ?? 0}/stats`)) as Stats;
  return {
    sockets: socketCount(processOf(mesh, workload)),
    timers: stats.timers,
    exchanges: stats.counters.activeExchanges,
  };
}

interface Stats {
  readonly counters: { readonly activeExchanges: number };
  readonly timers: number;
}

function readJson(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(url, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
  });
}

function processOf(mesh: Mesh, workload: string): number {
  const all = mesh.processes();
  const pid = all.get(`proxy of ${workload}`) ?? all.get(workload.replace(/-0$/, "")) ?? all.get(`proxy ${workload}`);
  if (pid === undefined) throw new Error(`No process of ${workload} among ${[...all.keys()].join(", ")}`);
  return pid;
}

function residentBytes(mesh: Mesh, workload: string): number {
  const status = readFileSync(`/proc/${processOf(mesh, workload)}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

function socketCount(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;
}

function toMegabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(2);
}

await main();
