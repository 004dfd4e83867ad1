// The mesh's root is changed under constant load, with connections open all the while: nothing fails and none is dropped, also
// when the control plane is killed in each step; who was away has to join anew, and does. On both runtimes.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ApiClient } from "../../src/apiserver/api-client.ts";
import type { TrustView } from "../../src/control/views.ts";
import { createGivenAuthority } from "../../src/testing/given-authority.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { type Held, openAll, TCP_PORT } from "./held-connections.ts";
import { call } from "./http-call.ts";
import { describeFailures, describeLoad, Load } from "./load.ts";
import { endProcess, Mesh, ROOT } from "./mesh.ts";
import { pause, waitUntil } from "./wait-until.ts";

/** Proxies renew within a minute, and a control plane that was killed waits 20 s for its proxies in each step. */
const ROTATION_LIMIT_MS = 240_000;
const RATE = 50;
const CONNECTIONS = 4;

for (const runtime of ["node", "bun"] as const) {
  describe(`root rotation on ${runtime}`, { concurrency: false }, () => {
    let mesh: Mesh;

    before(async () => {
      const app = "node ws-peer.mjs";
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: rotated
services:
  client: { command: node echo.mjs }
  echo: { command: node echo.mjs, allow: [client] }
  fresh: { command: node echo.mjs, allow: [client] }
  spare: { command: node echo.mjs, allow: [client] }
  late: { command: node echo.mjs, allow: [client] }
  chat: { command: ${app}, env: { APP_MODULES: "${ROOT}" }, allow: [client] }
  bytes: { command: node tcp-echo.mjs, port: ${TCP_PORT}, protocol: tcp, allow: [client] }
`,
      });
    });

    after(() => mesh.stop());

    for (const kills of [false, true]) {
      const how = kills ? "with the control plane killed in each step" : "from one root to the next";
      test(`${how}: no call fails, HTTP/2, WebSocket and TCP connections live on`, async (t) => {
        const port = await mesh.outboundPort("client-0");
        const held = await openAll(port);
        const load = new Load({ port, host: "echo", path: "/who", connections: CONNECTIONS, requestsPerSecond: RATE });
        const before = await mesh.api().trust();
        const [old] = before.authorities;
        const begun = await mesh.weft(["identity", "rotate"]);
        assert.equal(begun.code, 0, begun.stderr);
        const seen = await followRotation(mesh, kills, held);
        const report = await load.stop();
        const summary = `${runtime}: ${seen.join(", ")}; ${describeLoad(report)}`;
        assert.equal(report.failures.length, 0, `${summary}\n${describeFailures(report.failures)}`);
        assert.equal(report.connects, CONNECTIONS, `every caller kept its connection: ${summary}`);
        for (const one of held) await one.check("after the rotation");

        const { authorities, rotation } = await mesh.api().trust();
        assert.equal(authorities.length, 1);
        assert.notEqual(authorities[0]?.fingerprint, old?.fingerprint);
        assert.deepEqual(rotation?.left, []);
        assert.equal(authorities[0]?.workloads, 7);
        // A handshake now has nothing but the new root.
        const fresh = await call({ port, host: kills ? "spare" : "fresh", path: "/who" });
        assert.equal(fresh.status, 200, fresh.body);
        const verified = await mesh.weft(["identity", "verify"]);
        assert.equal(verified.code, 0, verified.stdout);
        for (const one of held) one.close();
        t.diagnostic(summary);
      });
    }

    test("an intermediate that was given signs from then on, with its chain: no call fails, connections live on", async (t) => {
      const port = await mesh.outboundPort("client-0");
      const held = await openAll(port);
      const load = new Load({ port, host: "echo", path: "/who", connections: CONNECTIONS, requestsPerSecond: RATE });
      const { given, intermediate, root } = await createGivenAuthority(systemClock);
      const end = given.indexOf("-----BEGIN CERTIFICATE");
      const files = { "ca.key": given.slice(0, end), "ca.pem": intermediate.toString(), "root.pem": root.toString() };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(mesh.folder, name), text, { mode: 0o600 });
      const parameters = ["--key", "ca.key", "--cert", "ca.pem", "--chain", "root.pem"];
      const begun = await mesh.weft(["identity", "import", ...parameters]);
      assert.equal(begun.code, 0, begun.stderr);
      await followRotation(mesh, false, held);
      const report = await load.stop();
      assert.equal(report.failures.length, 0, describeFailures(report.failures));
      for (const one of held) one.close();
      const { authorities } = await mesh.api().trust();
      assert.deepEqual(
        authorities.map(({ isSigning, kind, subject, workloads }) => [subject, kind, isSigning, workloads]),
        [
          ["CN=Corp Root", "root", false, 0],
          ["CN=Corp Mesh CA", "intermediate", true, 7],
        ],
      );
      const fresh = await call({ port, host: "late", path: "/who" });
      assert.equal(fresh.status, 200, fresh.body);
      const verified = await mesh.weft(["identity", "verify"]);
      assert.equal(verified.code, 0, verified.stdout);
      t.diagnostic(`${runtime}: ${describeLoad(report)}`);
    });

    test("a proxy that was away through a whole rotation joins anew when it is back", async (t) => {
      const pid = mesh.processId("proxy of fresh-0");
      endProcess(pid, "SIGSTOP");
      try {
        // Its stream ends when it does not answer for half a minute.
        await waitUntil("the control plane misses it", () => isAway(mesh.api(), "default/fresh-0"), 60_000);
        const begun = await mesh.weft(["identity", "rotate", "--leave-offline"]);
        assert.equal(begun.code, 0, begun.stderr);
        await followRotation(mesh, false);
        assert.deepEqual((await mesh.api().trust()).rotation?.left, ["default/fresh-0"]);
        const verified = await mesh.weft(["identity", "verify", "fresh-0"]);
        assert.equal(verified.code, 1, verified.stdout);
        assert.match(verified.stdout, /default\/fresh-0: it is not connected/);
      } finally {
        endProcess(pid, "SIGCONT");
      }
      await waitUntil("it has the new root", async () => (await mesh.weft(["identity", "verify"])).code === 0, 150_000);
      assert.equal(mesh.processId("proxy of fresh-0"), pid, "nothing was restarted");
      const port = await mesh.outboundPort("client-0");
      await waitUntil("it is called", async () => (await call({ port, host: "fresh", path: "/who" })).status === 200);
      t.diagnostic(`${runtime}: process ${pid} joined anew`);
    });

    test("an emergency withdraws the root at once: every workload joins anew, nothing is restarted", async (t) => {
      const before = mesh.processes();
      const refused = await mesh.weft(["identity", "rotate", "--now"]);
      assert.equal(refused.code, 2, refused.stdout);
      const begun = await mesh.weft(["identity", "rotate", "--now", "--yes"]);
      assert.equal(begun.code, 0, begun.stderr);
      await followRotation(mesh, false);
      await waitUntil(
        "all have joined anew",
        async () => (await mesh.weft(["identity", "verify"])).code === 0,
        150_000,
      );
      const port = await mesh.outboundPort("client-0");
      await waitUntil("calls go", async () => (await call({ port, host: "echo", path: "/who" })).status === 200);
      assert.deepEqual(mesh.processes(), before);
      const { authorities } = await mesh.api().trust();
      assert.deepEqual([authorities.length, authorities[0]?.workloads], [1, 7]);
      t.diagnostic(`${runtime}: ${authorities[0]?.fingerprint ?? ""}`);
    });
  });
}

async function isAway(api: ApiClient, id: string): Promise<boolean> {
  return (await api.proxies()).some((proxy) => proxy.id === id && !proxy.connected);
}

/** The steps that were seen, to its end; what is held is used all the while, as none of it is to be closed for being idle. */
async function followRotation(mesh: Mesh, kills: boolean, held: readonly Held[] = []): Promise<readonly string[]> {
  const seen: string[] = [];
  await waitUntil(
    "the rotation is done",
    async () => {
      for (const one of held) await one.check(`in the step ${seen.at(-1) ?? "none"}`);
      await pause(250);
      const step = (await readTrust(mesh)).rotation?.step ?? "none";
      if (seen.at(-1) === step) return false;
      seen.push(step);
      if (step === "done") return true;
      if (kills) {
        endProcess(mesh.processId("control plane"), "SIGKILL");
        await waitUntil("the control plane is back", () => mesh.api().health());
      }
      return false;
    },
    ROTATION_LIMIT_MS,
  );
  return seen;
}

async function readTrust(mesh: Mesh): Promise<TrustView> {
  return mesh.api().trust();
}
