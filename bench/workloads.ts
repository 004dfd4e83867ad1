import { Client, credentials } from "@grpc/grpc-js";
import { systemClock } from "../src/time/system-clock.ts";
import type { Aim, Judge } from "./comparison.ts";
import type { Leg } from "./legs.ts";
import type { LoadProgram, LoadResult } from "./load-program.ts";
import type { Carries } from "./peers/peer.ts";
import { type PolicyVariant, RESILIENCE_VARIANTS } from "./policy-variants.ts";
import { waitForAnswer } from "./probe.ts";
import { BACKEND_BODY, MINIMAL, REALISTIC, REALISTIC_BODY, type RequestKind } from "./requests.ts";
import { runLoad } from "./wrk.ts";

/** Legs that are started together, before one backend. */
export interface Group {
  readonly id: string;
  readonly hops: 1 | 2;
  readonly carries: Carries;
  readonly backend: "answers" | "bodies" | "grpc" | "tcp";
  readonly workloads: readonly Workload[];
  /** Left out: peers and weft on every runtime. */
  readonly variants?: readonly PolicyVariant[];
  /** Rejects unless the leg does what it must. */
  readonly check: (leg: Leg, tools: LoadTools) => Promise<void>;
}

export interface Workload {
  readonly id: string;
  readonly title: string;
  /** What is counted. */
  readonly unit: string;
  readonly aim: Aim | null;
  readonly judge: Judge;
  /** Only the called proxy is loaded, and only its cost counts. */
  readonly isOfCalled?: boolean;
  readonly load: (leg: Leg, seconds: number, tools: LoadTools) => Promise<LoadResult>;
}

export interface LoadTools {
  /** Null where it cannot be compiled. */
  readonly program: LoadProgram | null;
  readonly folder: string;
  readonly loadCore: number | null;
  /** Requests per second: half of what the slowest peer can do. */
  readonly halfRate: number;
  readonly seed: number;
}

export const BODY_BYTES: number = 2 ** 20;
const PROBE_MS = 15_000;

/** wrk over so many connections. */
export const closedLoop =
  (kind: RequestKind, connections: number): Workload["load"] =>
  ({ port, authority }, seconds, { loadCore: core, folder }) =>
    runLoad({ requests: kind.requests(authority), port, connections, seconds, core, folder });

const openLoop =
  (rate: (tools: LoadTools) => number): Workload["load"] =>
  (leg, seconds, tools) =>
    requireProgram(tools).run("open", {
      addr: formatAddress(leg.port),
      requests: writeRequests(leg, tools, REALISTIC.requests(leg.authority)),
      rate: rate(tools),
      connections: 32,
      seconds,
      seed: tools.seed,
    });

const TWO_HOP_WORKLOADS: readonly Workload[] = [
  ...[32, 128].map((connections) => ({
    id: `realistic-${connections}`,
    title: `two hops, mutual TLS, HTTP/1.1 at both ends, ${REALISTIC.title}, ${connections} connections`,
    unit: "requests",
    aim: { bun: 1.3, node: 0.95 },
    judge: "throughput" as const,
    load: closedLoop(REALISTIC, connections),
  })),
  ...[32, 128].map((connections) => ({
    id: `minimal-${connections}`,
    title: `the same, ${MINIMAL.title}, ${connections} connections`,
    unit: "requests",
    aim: { bun: 1.25, node: 0.85 },
    judge: "throughput" as const,
    load: closedLoop(MINIMAL, connections),
  })),
  ...[REALISTIC, MINIMAL].map((kind) => ({
    id: `${kind.id}-1`,
    title: `the same, ${kind.id} request, one connection`,
    unit: "requests",
    aim: { bun: 1, node: 0.75 },
    judge: "rate" as const,
    load: closedLoop(kind, 1),
  })),
  {
    id: "latency-1000",
    title: "two hops, open loop of 1,000 realistic requests/s over 32 connections",
    unit: "requests",
    aim: { bun: 1, node: 1.5 },
    judge: "added",
    load: openLoop(() => 1000),
  },
  {
    id: "latency-half",
    title: "two hops, open loop at half of the slowest peer's capacity, realistic requests over 32 connections",
    unit: "requests",
    aim: null,
    judge: "added",
    load: openLoop(({ halfRate }) => halfRate),
  },
  {
    id: "tls-connections",
    title:
      "new TLS connections with a client certificate to the called proxy, one minimal request each (no caller's proxy)",
    unit: "connections",
    aim: { bun: 0.8, node: 0.6 },
    judge: "throughput",
    isOfCalled: true,
    load: (leg, seconds, tools) => {
      if (leg.called === null) throw new Error(`${leg.title} has no TLS socket for HTTP/1.1`);
      return requireProgram(tools).run("connect", {
        addr: formatAddress(leg.called.port),
        cert: leg.called.certificate.certificate,
        key: leg.called.certificate.key,
        requests: writeRequests(leg, tools, MINIMAL.requests(leg.authority)),
        connections: 16,
        seconds,
      });
    },
  },
];

const ONE_HOP_WORKLOADS: readonly Workload[] = [REALISTIC, MINIMAL].map((kind) => ({
  id: `one-hop-${kind.id}`,
  title: `one hop, plaintext, HTTP/1.1, ${kind.title}, 32 connections`,
  unit: "requests",
  aim: { bun: 1, node: 0.8 },
  judge: "throughput",
  load: closedLoop(kind, 32),
}));

const GRPC_WORKLOAD: Workload = {
  id: "grpc",
  title: "two hops, mutual TLS, gRPC unary, 100-byte question and 128-byte answer, 4 connections with 8 calls each",
  unit: "calls",
  aim: { bun: 1, node: 0.7 },
  judge: "throughput",
  load: (leg, seconds, tools) =>
    requireProgram(tools).run("grpc", {
      addr: formatAddress(leg.port),
      authority: leg.authority,
      connections: 4,
      streams: 8,
      seconds,
    }),
};

const BODY_WORKLOADS: readonly Workload[] = (["download", "upload"] as const).map((direction) => ({
  id: `body-${direction}`,
  title: `two hops, mutual TLS, bodies of 1 MB, ${direction === "upload" ? "POST" : "GET"}, 8 connections`,
  unit: "bodies",
  aim: { bun: 0.9, node: 0.8 },
  judge: "throughput",
  load: (leg, seconds, tools) => requireProgram(tools).run("bodies", createBodyFlags(leg, direction, seconds, tools)),
}));

const TCP_WORKLOAD: Workload = {
  id: "tcp",
  title: "two hops, mutual TLS, opaque TCP, 1 MB there and 1 MB back, 8 connections",
  unit: "turns",
  aim: { bun: 0.9, node: 0.8 },
  judge: "throughput",
  load: (leg, seconds, tools) => requireProgram(tools).run("tcp", createTcpFlags(leg, 8, seconds)),
};

const RESILIENCE_WORKLOAD: Workload = {
  id: "resilience",
  title: `two hops, mutual TLS, ${REALISTIC.title}, 32 connections: resilience on against off`,
  unit: "requests",
  aim: { bun: 0.95, node: 0.95 },
  judge: "throughput",
  load: closedLoop(REALISTIC, 32),
};

/** In the order in which they are measured. */
export const GROUPS: readonly Group[] = [
  { id: "two-hop", hops: 2, carries: "http", backend: "answers", workloads: TWO_HOP_WORKLOADS, check: checkAnswers },
  { id: "one-hop", hops: 1, carries: "http", backend: "answers", workloads: ONE_HOP_WORKLOADS, check: checkAnswers },
  { id: "grpc", hops: 2, carries: "grpc", backend: "grpc", workloads: [GRPC_WORKLOAD], check: checkGrpc },
  { id: "bodies", hops: 2, carries: "http", backend: "bodies", workloads: BODY_WORKLOADS, check: checkBodies },
  { id: "tcp", hops: 2, carries: "tcp", backend: "tcp", workloads: [TCP_WORKLOAD], check: checkTcp },
  {
    ...{ id: "resilience", hops: 2, carries: "http", backend: "answers", check: checkAnswers },
    ...{ workloads: [RESILIENCE_WORKLOAD], variants: RESILIENCE_VARIANTS },
  },
];

async function checkAnswers(leg: Leg): Promise<void> {
  const target = { title: leg.title, port: leg.port, authority: leg.authority };
  await waitForAnswer({ ...target, path: "/", body: BACKEND_BODY });
  await waitForAnswer({ ...target, path: "/products/1", body: REALISTIC_BODY });
}

/** With gRPC's own client, as the load does not read what is in trailers. */
async function checkGrpc(leg: Leg): Promise<void> {
  const client = new Client(formatAddress(leg.port), credentials.createInsecure(), {
    "grpc.default_authority": leg.authority,
  });
  const same = (bytes: Buffer): Buffer => bytes;
  const limitMs = systemClock.nowMs() + PROBE_MS;
  try {
    for (;;) {
      const error = await new Promise<Error | null>((resolve) => {
        const deadline = systemClock.wallMs() + 2_000;
        client.makeUnaryRequest("/shop.v1.Reviews/GetReview", same, same, Buffer.alloc(100), { deadline }, resolve);
      });
      if (error === null) return;
      if (systemClock.nowMs() > limitMs) throw new Error(`${leg.title} does not carry gRPC: ${error.message}`);
      await new Promise<void>((resolve) => systemClock.after(100, resolve, undefined));
    }
  } finally {
    client.close();
  }
}

async function checkBodies(leg: Leg, tools: LoadTools): Promise<void> {
  for (const direction of ["download", "upload"] as const)
    await retryLoad(leg, () =>
      requireProgram(tools).run("bodies", { ...createBodyFlags(leg, direction, 0.05, tools), connections: 1 }),
    );
}

async function checkTcp(leg: Leg, tools: LoadTools): Promise<void> {
  await retryLoad(leg, () => requireProgram(tools).run("tcp", createTcpFlags(leg, 1, 0.05)));
}

/** A proxy that has just been started may need a moment. */
async function retryLoad(leg: Leg, load: () => Promise<LoadResult>): Promise<void> {
  const limitMs = systemClock.nowMs() + PROBE_MS;
  for (;;) {
    const { errors, count, firstError } = await load();
    if (errors === 0 && count > 0) return;
    if (systemClock.nowMs() > limitMs) throw new Error(`${leg.title} does not carry it: ${firstError ?? "no answer"}`);
    await new Promise<void>((resolve) => systemClock.after(100, resolve, undefined));
  }
}

function createBodyFlags(leg: Leg, direction: "download" | "upload", seconds: number, tools: LoadTools) {
  const head =
    direction === "upload"
      ? `POST /blob HTTP/1.1\r\nHost: ${leg.authority}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`
      : `GET /blob HTTP/1.1\r\nHost: ${leg.authority}\r\nAccept: */*\r\n\r\n`;
  return {
    addr: formatAddress(leg.port),
    requests: writeRequests(leg, tools, [head]),
    bytes: BODY_BYTES,
    connections: 8,
    seconds,
    ...(direction === "upload" ? { upload: true as const } : {}),
  };
}

function createTcpFlags(leg: Leg, connections: number, seconds: number) {
  return { addr: formatAddress(leg.port), bytes: BODY_BYTES, connections, seconds, preamble: leg.preamble };
}

function writeRequests(leg: Leg, tools: LoadTools, requests: readonly string[]): string {
  return requireProgram(tools).writeRequests(`requests-${leg.port}`, requests);
}

function requireProgram({ program }: LoadTools): LoadProgram {
  if (program === null) throw new Error("Needs Go to compile bench/load");
  return program;
}

function formatAddress(port: number): string {
  return `127.0.0.1:${port}`;
}
