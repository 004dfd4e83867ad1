// A workload that is revoked loses every connection within seconds, through both proxies' transports.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { type EventEmitter, once } from "node:events";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { within } from "../../src/testing/within.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { openAll, TCP_PORT } from "./held-connections.ts";
import { describeFailures, describeLoad, Load } from "./load.ts";
import { endProcess, Mesh, ROOT } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

/** What is promised; measured it is well below one second. */
const CUT_OFF_WITHIN_MS = 10_000;

for (const runtime of ["node", "bun"] as const) {
  describe(`revocation on ${runtime}`, { concurrency: false }, () => {
    let mesh: Mesh;
    /** Of the proxy that is called. */
    let admin: string;

    before(async () => {
      const app = "node ws-peer.mjs";
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: revoked
services:
  chat: { command: ${app}, env: { APP_MODULES: "${ROOT}" }, allow: [caller, other] }
  echo: { command: node echo.mjs, allow: [caller, other] }
  bytes: { command: node tcp-echo.mjs, port: ${TCP_PORT}, protocol: tcp, allow: [caller, other] }
  caller: { command: ${app}, env: { APP_MODULES: "${ROOT}" } }
  other: { command: ${app}, env: { APP_MODULES: "${ROOT}" } }
`,
      });
      const called = (await mesh.api().proxies()).find((proxy) => proxy.id === "default/chat-0")?.admin;
      admin = `${called?.address}:${called?.port}`;
    });

    after(() => mesh.stop());

    async function open(workload: string): Promise<WebSocket> {
      const port = await mesh.outboundPort(workload);
      const socket = new WebSocket(`ws://127.0.0.1:${port}/echo`, ["echo.test"], { headers: { host: "chat" } });
      await within(`a WebSocket of ${workload}`, once(socket, "open"));
      return socket;
    }

    /** What somebody who stole the certificate of a workload would do: call the other proxy directly. */
    async function steal(workload: string): Promise<() => Promise<TLSSocket>> {
      const { certificateChainPem: cert, keyPem: key, trustBundlePem: ca } = await mesh.identity(workload);
      const port = await mesh.inboundPort("chat-0");
      return async () => {
        const options = { host: "127.0.0.1", port, cert, key, ca, ALPNProtocols: ["http/1.1"] };
        const socket = connectTls({ ...options, checkServerIdentity: () => undefined });
        await within("the handshake", once(socket, "secureConnect"));
        return socket;
      };
    }

    async function dial(workload: string): Promise<TLSSocket> {
      return (await steal(workload))();
    }

    /** However: it may be a reset. */
    function closes(socket: EventEmitter): Promise<void> {
      socket.on("error", () => undefined);
      return new Promise((resolve) => socket.on("close", () => resolve()));
    }

    async function revoked(subject: string): Promise<void> {
      const result = await mesh.weft(["identity", "revoke", subject, "--reason", "test"]);
      assert.equal(result.code, 0, result.stderr);
    }

    async function taken(subject: string): Promise<void> {
      const result = await mesh.weft(["identity", "unrevoke", subject]);
      assert.equal(result.code, 0, result.stderr);
      await waitUntil(`${subject} is served again`, async () => {
        const socket = await open("caller-0").catch(() => null);
        socket?.terminate();
        return socket !== null;
      });
    }

    test("cuts open links, tunnels and connections, and nobody else's", async (t) => {
      const [webSocket, kept, stolen] = [await open("caller-0"), await open("other-0"), await dial("caller-0")];
      const closed = [closes(webSocket), closes(stolen)];
      const startedMs = systemClock.nowMs();
      await revoked("default/caller-0");
      await within("the connections of caller-0 to close", Promise.all(closed));
      const tookMs = systemClock.nowMs() - startedMs;
      t.diagnostic(`cut off ${Math.round(tookMs)} ms after the command started`);
      assert.ok(tookMs < CUT_OFF_WITHIN_MS);
      const echoed = once(kept, "message");
      kept.send("still here");
      await within("the other caller's WebSocket", echoed);
      kept.terminate();
    });

    test("under constant load cuts HTTP/2, WebSocket and TCP of one, and costs the other nothing", async (t) => {
      await taken("default/caller-0");
      const [port, otherPort] = [await mesh.outboundPort("caller-0"), await mesh.outboundPort("other-0")];
      const load = { host: "echo", path: "/who", connections: 4, requestsPerSecond: 50 };
      const [own, others] = [new Load({ ...load, port }), new Load({ ...load, port: otherPort })];
      const [held, kept] = [await openAll(port), await openAll(otherPort)];
      await own.more(50);
      assert.equal(own.report().failures.length, 0);
      const startedMs = systemClock.nowMs();
      await revoked("default/caller-0");
      await within("HTTP/2, WebSocket and TCP of caller-0 to be cut", Promise.all(held.map(({ cut }) => cut)));
      const tookMs = systemClock.nowMs() - startedMs;
      assert.ok(tookMs < CUT_OFF_WITHIN_MS, `${tookMs} ms`);
      for (const one of kept) await one.check("after the other was revoked");
      const [cut, fine] = [await own.stop(), await others.stop()];
      assert.equal(fine.failures.length, 0, describeFailures(fine.failures));
      assert.equal(fine.connects, 4);
      assert.ok(cut.failures.length > 0, "who is revoked is served no more");
      for (const one of [...held, ...kept]) one.close();
      t.diagnostic(`cut off ${Math.round(tookMs)} ms after the command started; the other: ${describeLoad(fine)}`);
    });

    test("refuses new connections, by its own code, and keeps doing so without a control plane", async () => {
      const redial = await steal("caller-0");
      endProcess(mesh.processId("control plane"), "SIGKILL");
      await within("the refusal", closes(await redial()));
      assert.ok((await readRefusals()) >= 1);
      await waitUntil("the control plane is back", async () => mesh.api().health());
    });

    test("is over when it is taken back", async () => {
      await taken("default/caller-0");
      const stolen = await dial("caller-0");
      stolen.destroy();
    });

    for (const what of ["identity", "serial number"] as const) {
      test(`works by ${what}`, async () => {
        const { certificateChainPem, spiffeId } = await mesh.identity("caller-0");
        const subject = what === "identity" ? spiffeId : new X509Certificate(certificateChainPem).serialNumber;
        const stolen = await dial("caller-0");
        const closed = closes(stolen);
        await revoked(subject);
        await within("the stolen certificate's connection to close", closed);
        await taken(subject);
      });
    }

    async function readRefusals(): Promise<number> {
      const text = await (await fetch(`http://${admin}/metrics`)).text();
      const lines = text.split("\n").filter((line) => /^weft_failure_total\{.*code="peer_revoked"/.test(line));
      return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    }
  });
}
