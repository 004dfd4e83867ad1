import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLog } from "../lib/log.ts";
import { systemRandom } from "../random/system-random.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-ports-"));
let local: ControlPlane;
let remote: ControlPlane;

function start(mesh: string, address: string): Promise<ControlPlane> {
  return startControlPlane({
    stateDir: join(folder, mesh),
    meshName: mesh,
    trustDomain: `${mesh}.mesh`,
    api: { address, port: 0 },
    xds: { address: "127.0.0.1", port: 0 },
    apiToken: "t".repeat(43),
    defaults: { access: "permissive", egress: "deny", certificateLifetime: "24h" },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
}

before(async () => {
  local = await start("local", "127.0.0.1");
  remote = await start("remote", "0.0.0.0");
});

after(async () => {
  await local.close();
  await remote.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What is answered to bytes sent as they are, in pieces. */
function sendPieces(port: number, pieces: readonly string[]): Promise<string> {
  return within(
    "an answer",
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      let text = "";
      socket.setNoDelay(true);
      socket.setEncoding("latin1");
      socket.on("data", (chunk: string) => (text += chunk));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
      const sendNext = (index: number): void => {
        const piece = pieces[index];
        if (piece !== undefined) socket.write(piece, () => soon(() => sendNext(index + 1)));
      };
      socket.on("connect", () => sendNext(0));
    }),
  );
}

/** So that pieces arrive one by one. */
function soon(run: () => void): void {
  systemClock.after(1, run, undefined);
}

test("plain HTTP on a port that takes TLS too is served as ever, however its bytes are cut", async () => {
  const request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
  const last = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
  for (const pieces of [[`${request}${last}`], [...request, last], ["G", `${request.slice(1)}${last}`]]) {
    const text = await sendPieces(local.apiPort, pieces);
    assert.equal(text.split("HTTP/1.1 200 OK").length - 1, 2, JSON.stringify(text));
  }
});

test("an API that is not bound to loopback refuses plain HTTP and says so", async () => {
  const text = await sendPieces(remote.apiPort, ["GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"]);
  assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(text, /found a request that is not encrypted; expected TLS/);
});
