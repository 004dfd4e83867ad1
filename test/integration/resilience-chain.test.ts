// Chains of services that know nothing of traces and deadlines: both reach the last one, nobody works past the deadline,
// and what hangs at the end of a chain slows nothing but the chain.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/time/system-clock.ts";
import { call } from "./http-call.ts";
import { Mesh, ROOT } from "./mesh.ts";
import { pause, waitUntil } from "./wait-until.ts";

interface Link {
  readonly service: string;
  readonly fields: Readonly<Record<string, string | undefined>>;
}

interface JournalEntry {
  readonly service: string;
  readonly path: string;
  readonly id?: string;
  readonly ms: number;
  readonly answered: boolean;
}

const CHAIN = ["a", "b", "c", "d", "e"];
const DEADLINE_MS = 300;
/** How far a busy machine may be behind; without a deadline each would hang for 15 s. */
const SLACK_MS = 400;
const ROUNDS = 4;
const ROUND_MS = 1000;
const OTHER_EVERY_MS = 15;
const CHAIN_EVERY_MS = 40;
const agent = new Agent({ keepAlive: true });

let mesh: Mesh;
let port: number;

before(async () => {
  mesh = await Mesh.start({
    yaml: `
mesh: chain
services:
  client: { command: node echo.mjs }
  a: { command: node chain.mjs, allow: [client], env: { NEXT: "http://b", OTHER: "http://side", CLIENT: http, JOURNAL: journal } }
  b: { command: node chain.mjs, allow: [a], env: { NEXT: "http://c.default", CLIENT: fetch, JOURNAL: journal } }
  c: { command: node chain.mjs, allow: [b], env: { NEXT: "http://d", CLIENT: http2, JOURNAL: journal } }
  d: { command: node chain.mjs, allow: [c], env: { NEXT: "http://e", CLIENT: fetch, JOURNAL: journal } }
  e: { command: node chain.mjs, allow: [d, asked], env: { JOURNAL: journal } }
  asking: { command: node grpc-link.mjs, allow: [client], env: { CALLS: "asked:80", APP_MODULES: "${ROOT}" } }
  asked: { command: node grpc-link.mjs, protocol: grpc, allow: [asking], env: { NEXT: "http://e/ok", APP_MODULES: "${ROOT}" } }
  side: { command: node chain.mjs, allow: [a] }
`,
  });
  port = await mesh.outboundPort("client-0");
  await waitUntil("the chain answers", async () => (await ask("/ok")).status === 200);
});

after(() => mesh.stop());

test("trace and deadline of a request reach the end of a chain of five apps that do nothing for it", async () => {
  const trace = { "x-b3-traceid": "1".repeat(32), "x-b3-spanid": "2".repeat(16), "x-b3-sampled": "1" };
  const given = { ...trace, "x-request-id": "through-all", traceparent: `00-${"3".repeat(32)}-${"4".repeat(16)}-01` };
  const answer = await ask("/ok", { ...given, "x-request-timeout-ms": "20000" });
  assert.equal(answer.status, 200, answer.body);
  const links = JSON.parse(answer.body) as readonly Link[];
  assert.deepEqual(
    links.map(({ service }) => service),
    CHAIN,
  );
  let left = 20_000;
  for (const { service, fields } of links) {
    for (const [name, value] of Object.entries(given)) assert.equal(fields[name], value, `${name} at ${service}`);
    const leftHere = Number(fields["x-request-timeout-ms"]);
    assert.ok(leftHere > 10_000 && leftHere <= left, `${leftHere} ms left at ${service}, ${left} ms before it`);
    left = leftHere;
  }
  assert.ok(left < 20_000, `${left} ms left at the end`);
});

test("trace and deadline go through gRPC calls between apps too, the first ones of a channel at once", async () => {
  const isReady = async (): Promise<boolean> =>
    (await mesh.api().proxies()).every(({ connected, state }) => connected && state === "SYNCED");
  await waitUntil("all proxies are ready", isReady);
  await Promise.all(["1", "2", "3", "4"].map(askByGrpc));
});

async function askByGrpc(digit: string): Promise<void> {
  const given = { "x-b3-traceid": digit.repeat(32), "x-request-id": `through-grpc-${digit}` };
  const headers = { ...given, "x-request-timeout-ms": "20000" };
  const answer = await call({ port, host: "asking", path: "/", headers });
  assert.equal(answer.status, 200, answer.body);
  const links = JSON.parse(answer.body) as readonly Link[];
  assert.deepEqual(
    links.map(({ service }) => service),
    ["asking", "asked", "e"],
  );
  for (const { service, fields } of links)
    for (const [name, value] of Object.entries(given)) assert.equal(fields[name], value, `${name} at ${service}`);
  const leftMs = links.map(({ fields }) => Number(fields["x-request-timeout-ms"] ?? fields["leftMs"]));
  assert.ok(
    leftMs.every((left, index) => left > 10_000 && left <= (leftMs[index - 1] ?? 20_000) + 1),
    `left: ${leftMs.join(", ")} ms`,
  );
}

test("a request without a trace gets one at the first hop, and the same at every other; and no deadline", async () => {
  const links = JSON.parse((await ask("/ok")).body) as readonly Link[];
  for (const name of ["x-b3-traceid", "x-b3-spanid", "x-request-id"]) {
    const values = new Set(links.map(({ fields }) => fields[name]));
    assert.equal(values.size, 1, `${name}: ${[...values].join(", ")}`);
    assert.match([...values][0] ?? "", /^[0-9a-f-]{16,36}$/);
  }
  assert.ok(links.every(({ fields }) => fields["x-request-timeout-ms"] === undefined));
});

test(`with a deadline of ${DEADLINE_MS} ms and a last service that hangs, none of five spends time past it`, async (t) => {
  const id = "past-the-deadline";
  const startedMs = systemClock.nowMs();
  const answer = await ask("/hang", { "x-request-id": id, "x-request-timeout-ms": String(DEADLINE_MS) });
  const ms = Math.round(systemClock.nowMs() - startedMs);
  assert.equal(answer.status, 504, answer.body);
  // The first proxy's own, or that of a later one, whose time is over a moment earlier: the apps pass its text on.
  assert.match(`${answer.headers["x-weft-failure"] ?? ""} ${answer.body}`, /deadline/);
  assert.ok(ms >= DEADLINE_MS - 20 && ms <= DEADLINE_MS + SLACK_MS, `answered after ${ms} ms`);
  const entries = await waitUntil("every service's request has ended", () => {
    const found = readJournal().filter((entry) => entry.id === id);
    return found.length >= CHAIN.length ? found : null;
  });
  t.diagnostic(
    `the caller had its answer after ${ms} ms; ${entries.map((e) => `${e.service} ended after ${e.ms} ms`).join(", ")}`,
  );
  assert.deepEqual(entries.map(({ service }) => service).sort(), CHAIN);
  for (const entry of entries)
    assert.ok(entry.ms <= DEADLINE_MS + SLACK_MS, `${entry.service} worked for ${entry.ms} ms`);
});

test("a service that hangs at the end of a chain leaves the first one's other routes as fast as they were", async (t) => {
  const healthy: number[] = [];
  const hung: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    healthy.push(...(await measureOther("/ok")));
    hung.push(...(await measureOther("/hang")));
  }
  agent.destroy();
  const [before, during] = [median(healthy), median(hung)];
  const percent = Math.round((during / before - 1) * 100);
  t.diagnostic(
    `median of the other route: ${before.toFixed(2)} ms while the chain answers (${healthy.length} requests), ` +
      `${during.toFixed(2)} ms while it hangs (${hung.length}): ${percent >= 0 ? "+" : ""}${percent} %`,
  );
  assert.ok(healthy.length > 50 && hung.length > 50);
  // On a quiet machine they are alike. What would queue behind the chain waits for seconds, which noise does not do.
  assert.ok(during <= before * 2 + 5, `${during} ms instead of ${before} ms`);
});

/** How long each request of the other route takes while the chain gets requests too, which end with the round. */
async function measureOther(chainPath: string): Promise<readonly number[]> {
  const chain: Promise<unknown>[] = [];
  const others: Promise<number>[] = [];
  const endMs = systemClock.nowMs() + ROUND_MS;
  let nextChainMs = 0;
  for (let nowMs = systemClock.nowMs(); nowMs < endMs; nowMs = systemClock.nowMs()) {
    if (nowMs >= nextChainMs) {
      nextChainMs = nowMs + CHAIN_EVERY_MS;
      chain.push(ask(chainPath, { "x-request-timeout-ms": String(Math.ceil(endMs - nowMs) + 100) }));
    }
    others.push(timeOther());
    await pause(OTHER_EVERY_MS);
  }
  const times = await Promise.all(others);
  await Promise.all(chain);
  return times;
}

async function timeOther(): Promise<number> {
  const startedMs = systemClock.nowMs();
  const outgoing = request({ host: "127.0.0.1", port, path: "/other", headers: { host: "a" }, agent }).end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const body = await text(response);
  assert.equal(response.statusCode, 200, `${String(response.headers["x-weft-failure"])}: ${body}`);
  return systemClock.nowMs() - startedMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function ask(path: string, headers: Readonly<Record<string, string>> = {}): ReturnType<typeof call> {
  return call({ port, host: "a", path, headers });
}

function readJournal(): readonly JournalEntry[] {
  const file = join(mesh.folder, "journal");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as JournalEntry);
}
