import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FreePorts } from "../src/runner/free-port.ts";
import { systemRandom } from "../src/random/system-random.ts";
import { systemClock } from "../src/time/system-clock.ts";
import type { Aim, Verdict } from "./comparison.ts";
import { type Leg, type LegPlace, type LegPlan, planPeers, planWeft } from "./legs.ts";
import { LoadProgram } from "./load-program.ts";
import type { BenchRuntime, Machine } from "./machine.ts";
import { startHaproxyBackend } from "./peers/haproxy.ts";
import { startNginxBackend } from "./peers/nginx.ts";
import { createPeerFiles } from "./peers/peer.ts";
import { waitForAnswer } from "./probe.ts";
import { readMemory } from "./process-cost.ts";
import { BACKEND_BODY, MINIMAL } from "./requests.ts";
import { type Spread, summarise } from "./statistics.ts";
import { startWeftMesh } from "./weft-mesh.ts";

export interface IdleOptions {
  readonly machine: Machine;
  readonly runtimes: readonly BenchRuntime[];
  readonly folder: string;
  /** Fresh pairs of proxies per leg. */
  readonly repeats: number;
  readonly progress: (text: string) => void;
}

/** Of the caller's proxy, in two hops. */
export interface IdleRow {
  readonly leg: string;
  readonly runtime: string | null;
  readonly failure: string | null;
  /** Resident, before. */
  readonly beforeBytes: Spread | null;
  /** What its resident memory grew by with all the connections. */
  readonly grownBytes: Spread | null;
  readonly verdict: Verdict | null;
}

export const IDLE_CONNECTIONS = 1000;
/** Megabytes for all of them. */
const AIM: Aim = { bun: 20, node: 30 };
const SETTLE_MS = 3_000;
/** So that code is loaded and compiled before, as it is once per process and not per connection. */
const FIRST_REQUESTS = 200;

/** Null where memory cannot be read or there is nothing to measure with. */
export async function measureIdleConnections(options: IdleOptions): Promise<readonly IdleRow[] | null> {
  const { machine, folder, progress } = options;
  const { go, haproxy, nginx } = machine.tools;
  if (process.platform !== "linux" || go === null || (haproxy === null && nginx === null)) {
    progress("idle connections are left out: they need Linux, Go, and nginx or haproxy as the backend");
    return null;
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const program = await LoadProgram.build(folder, null);
  const files = await createPeerFiles(folder);
  const ports = new FreePorts(systemRandom);
  const mesh = await startWeftMesh(join(folder, "mesh"), null);
  const backendPort = await ports.take();
  const backend = (haproxy === null ? startNginxBackend : startHaproxyBackend)(files, backendPort, null);
  const place: LegPlace = { machine, runtimes: options.runtimes, files, ports, mesh, proxyCore: null };
  const grown = new Map<string, { readonly plan: LegPlan; readings: Growth[]; failure: string | null }>();
  for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
    const request = { id: `idle-${repeat}`, hops: 2, carries: "http", backendPort } as const;
    for (const plan of [...planPeers(place, request), ...planWeft(place, request)]) {
      const known = grown.get(plan.title) ?? { plan, readings: [], failure: null };
      grown.set(plan.title, known);
      try {
        const leg = await plan.start();
        known.readings.push(await measureGrowth(leg, program));
        await Promise.all(leg.processes.map((process) => process.stop()));
        const { beforeBytes, bytes } = known.readings.at(-1) ?? { beforeBytes: 0, bytes: 0 };
        progress(
          `${IDLE_CONNECTIONS} idle connections, ${repeat} of ${options.repeats}, ${plan.title}: ${(bytes / 1e6).toFixed(1)} MB beside ${(beforeBytes / 1e6).toFixed(1)} MB`,
        );
      } catch (error) {
        known.failure = error instanceof Error ? error.message : String(error);
        progress(`idle connections, ${plan.title} failed: ${known.failure}`);
      }
    }
  }
  await mesh.close();
  await backend.stop();
  return [...grown.values()].map(({ plan, readings, failure }) => toRow(plan, readings, failure));
}

interface Growth {
  readonly beforeBytes: number;
  readonly bytes: number;
}

async function measureGrowth(leg: Leg, program: LoadProgram): Promise<Growth> {
  const [caller] = leg.processes;
  if (caller === undefined) throw new Error("expected a proxy");
  await waitForAnswer({ title: leg.title, port: leg.port, authority: leg.authority, path: "/", body: BACKEND_BODY });
  const requests = program.writeRequests(`idle-${leg.port}`, MINIMAL.requests(leg.authority));
  const flags = { addr: `127.0.0.1:${leg.port}`, requests };
  const first = await program.run("open", { ...flags, connections: 1, rate: FIRST_REQUESTS, seconds: 1 });
  if (first.errors > 0) throw new Error(`found ${first.errors} errors: ${first.firstError ?? ""}`);
  await settle();
  const beforeBytes = readMemory(caller.pid).residentBytes;
  const held = await program.serve("idle", { ...flags, connections: IDLE_CONNECTIONS });
  await settle();
  const bytes = readMemory(caller.pid).residentBytes - beforeBytes;
  held.endInput();
  const closed = Number(/"closed":(\d+)/.exec((await held.finish(20_000)).join(" "))?.[1]);
  if (closed !== 0) throw new Error(`found ${closed} connections closed by the proxy; expected all of them open`);
  return { beforeBytes, bytes };
}

function settle(): Promise<void> {
  return new Promise((resolve) => systemClock.after(SETTLE_MS, resolve, undefined));
}

function toRow({ title, runtime }: LegPlan, readings: readonly Growth[], failure: string | null): IdleRow {
  const grownBytes = summarise(readings.map(({ bytes }) => bytes));
  const found = failure === null && grownBytes !== null ? grownBytes.median / 1e6 : null;
  const mustReach = runtime === null ? null : AIM[runtime.kind];
  return {
    leg: title,
    runtime: runtime?.id ?? null,
    failure,
    beforeBytes: summarise(readings.map(({ beforeBytes }) => beforeBytes)),
    grownBytes,
    verdict:
      mustReach === null
        ? null
        : {
            mustReach,
            found,
            basis: found === null ? "failed" : "megabytes",
            isReached: found !== null && found <= mustReach,
          },
  };
}
