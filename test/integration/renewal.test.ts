// Certificates that live 20 s, renewed again and again under load: on both runtimes, at the same time.
// WEFT_TEST_RENEWAL_SECONDS=600 makes it the ten-minute run (README.md).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/time/system-clock.ts";
import { call } from "./http-call.ts";
import { describeLoad, Load } from "./load.ts";
import { Mesh } from "./mesh.ts";
import { isStrict } from "./needs.ts";
import { pause, waitUntil } from "./wait-until.ts";

const LIFETIME_SECONDS = 20;
/** Longer than a certificate lives, so that none of the first ones is left. */
const DURATION_SECONDS = Number(process.env["WEFT_TEST_RENEWAL_SECONDS"] ?? (isStrict() ? 60 : 26));
const RATE = 100;
const CONNECTIONS = 8;
const RUNTIMES = ["node", "bun"] as const;

const meshes = new Map<string, Mesh>();

before(async () => {
  assert.ok(DURATION_SECONDS > LIFETIME_SECONDS, "the load lasts longer than a certificate");
  await Promise.all(RUNTIMES.map(async (runtime) => meshes.set(runtime, await start(runtime))));
});

after(async () => {
  for (const mesh of meshes.values()) await mesh.stop();
});

for (const runtime of RUNTIMES) {
  test(`${DURATION_SECONDS} s of load across renewals on ${runtime}: nothing fails, no connection is dropped`, async (t) =>
    t.diagnostic(await results(runtime)));
}

/** Both runtimes are under load at once; each test then tells how its own fared. */
const running = new Map<string, Promise<string>>();

function results(runtime: string): Promise<string> {
  for (const name of RUNTIMES) {
    if (running.has(name)) continue;
    const result = loadAcrossRenewals(name);
    // The other test looks at it later.
    result.catch(() => undefined);
    running.set(name, result);
  }
  return running.get(runtime) ?? assert.fail(runtime);
}

async function loadAcrossRenewals(runtime: string): Promise<string> {
  const mesh = meshes.get(runtime) ?? assert.fail(`no mesh on ${runtime}`);
  const port = await mesh.outboundPort("client-0");
  const proxies = await mesh.api().proxies();
  for (const proxy of proxies) assert.match(proxy.runtime, new RegExp(`^${runtime} `));
  const firstExpiry = await mesh.metric("client-0", "weft_certificate_expiry_seconds");
  const load = new Load({ port, host: "echo", path: "/who", connections: CONNECTIONS, requestsPerSecond: RATE });
  await pause(DURATION_SECONDS * 1000);
  const report = await load.stop();
  const summary = `${runtime}: ${describeLoad(report)}`;

  assert.equal(report.failures.length, 0, summary);
  assert.equal(report.connects, CONNECTIONS, `every caller kept its connection: ${summary}`);
  assert.ok(report.answered > (DURATION_SECONDS * RATE) / 2, summary);

  const links = await mesh.metric("client-0", "weft_upstream_connection_total");
  assert.ok(links >= 1 && links <= CONNECTIONS + 1, `${links} links were opened`);
  assert.equal(await mesh.metric("client-0", "weft_upstream_connection_open_count"), links, "no link was closed");
  assert.equal(await mesh.metric("echo-0", "weft_connection_open_count"), links, "nor from the other side");

  for (const workload of ["client-0", "echo-0"]) {
    const expiry = await mesh.metric(workload, "weft_certificate_expiry_seconds");
    assert.ok(expiry * 1000 > systemClock.wallMs(), `the certificate of ${workload} is valid`);
    assert.ok(expiry > firstExpiry, `the certificate of ${workload} was renewed`);
    assert.equal(await mesh.metric(workload, "weft_xds_connected"), 1, `${workload} follows the control plane`);
  }
  // A handshake now can only be made with renewed certificates on both sides.
  const fresh = await call({ port, host: "fresh", path: "/who" });
  assert.equal(fresh.status, 200, fresh.body);
  assert.equal(await mesh.metric("client-0", "weft_upstream_connection_total"), links + 1, "it was a new handshake");
  await waitUntil("all proxies are SYNCED", async () =>
    (await mesh.api().proxies()).every(({ state }) => state === "SYNCED"),
  );
  const problems = mesh.lines.filter((line) => line.startsWith("weft: "));
  assert.deepEqual(problems, [], "weft up had nothing to say");
  const renewals = Math.round((DURATION_SECONDS * 2) / LIFETIME_SECONDS);
  return `${summary}; ${links} links all the time, about ${renewals} renewals of each certificate`;
}

function start(runtime: (typeof RUNTIMES)[number]): Promise<Mesh> {
  const yaml = `
mesh: renewal-${runtime}
certificateLifetime: ${LIFETIME_SECONDS}s
services:
  client: { command: node echo.mjs }
  echo: { command: node echo.mjs, allow: [client] }
  fresh: { command: node echo.mjs, allow: [client] }
`;
  return Mesh.start({ yaml, runtime });
}
