import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "node:tls";
import { createApiClient } from "../apiserver/api-client.ts";
import { silentLog } from "../lib/log.ts";
import { systemRandom } from "../random/system-random.ts";
import { within } from "../testing/within.ts";
import type { Clock } from "../time/clock.ts";
import { nextTurn } from "../time/next-turn.ts";
import { systemClock } from "../time/system-clock.ts";
import { openCertificateAuthority } from "./ca/certificate-authority.ts";
import { startControlPlane } from "./control-plane.ts";
import { FileSecrets } from "./secrets/file-secrets.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-roots-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The real one; what happens every some seconds happens at once. */
const hasty: Clock = Object.create(systemClock, {
  every: {
    value: (_periodMs: number, callback: (argument: unknown) => void, argument: unknown) =>
      systemClock.every(20, callback, argument),
  },
}) as Clock;

/** The certificate shown by whoever listens there. */
function readServerCertificate(port: number): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: "127.0.0.1",
        port,
        servername: "localhost",
        ALPNProtocols: ["h2", "http/1.1"],
        rejectUnauthorized: false,
      },
      () => {
        const certificate = new X509Certificate(socket.getPeerCertificate().raw);
        socket.once("close", () => resolve(certificate));
        socket.end().resume();
      },
    );
    socket.once("error", reject);
  });
}

async function untilSignedBy(root: X509Certificate, port: number): Promise<void> {
  while (!(await readServerCertificate(port)).verify(root.publicKey)) await nextTurn();
}

test("a control plane that runs follows its roots: bundle first, then its own and the API's certificate, open connections left alone", async () => {
  const stateDir = join(folder, "state");
  const secrets = new FileSecrets({ folder: join(folder, "next"), clock: systemClock });
  await openCertificateAuthority({ secrets, trustDomain: "shop.mesh", clock: systemClock, random: systemRandom });
  const plane = await startControlPlane({
    stateDir,
    meshName: "shop",
    trustDomain: "shop.mesh",
    api: { address: "127.0.0.1", port: 0 },
    xds: { address: "127.0.0.1", port: 0 },
    apiToken: "t".repeat(43),
    defaults: { access: "permissive", egress: "deny", certificateLifetime: "2h" },
    clock: hasty,
    random: systemRandom,
    log: silentLog,
  });
  const path = join(stateDir, "ca", "root.pem");
  const [old, next] = [readFileSync(path, "utf8"), readFileSync(join(folder, "next", "ca", "root.pem"), "utf8")];
  const certificateOf = (pem: string): string => pem.slice(pem.indexOf("-----BEGIN CERT"));
  const [oldRoot, nextRoot] = [new X509Certificate(certificateOf(old)), new X509Certificate(certificateOf(next))];
  const change = async (text: string): Promise<string> => {
    const told = new Promise<string>((resolve) => plane.onRoots(resolve));
    writeFileSync(path, text);
    return within("the control plane sees its roots", told);
  };
  const client = createApiClient({
    baseUrl: `https://127.0.0.1:${plane.apiPort}`,
    token: "t".repeat(43),
    caPem: () => plane.trustBundlePem,
  });
  const held = connect({ host: "127.0.0.1", port: plane.xdsPort, ALPNProtocols: ["h2"], rejectUnauthorized: false });
  held.on("error", () => undefined);
  await within("a connection", new Promise((resolve) => held.once("secureConnect", resolve)));
  try {
    assert.equal(await change(old + certificateOf(next)), oldRoot.toString() + nextRoot.toString());
    assert.equal(plane.views.mesh().trustBundlePem, plane.trustBundlePem);
    await within("the old root signs", untilSignedBy(oldRoot, plane.xdsPort));

    assert.equal(await change(next + certificateOf(old)), nextRoot.toString() + oldRoot.toString());
    for (const port of [plane.xdsPort, plane.apiPort])
      await within("the new root signs", untilSignedBy(nextRoot, port));
    assert.equal((await client.mesh()).trustBundlePem, plane.trustBundlePem);

    assert.equal(await change(next), nextRoot.toString());
    for (const port of [plane.xdsPort, plane.apiPort])
      await within("the new root signs", untilSignedBy(nextRoot, port));
    assert.equal(held.destroyed, false);
    assert.equal((await client.mesh()).trustBundlePem, nextRoot.toString());
  } finally {
    client.close();
    held.destroy();
    await plane.close();
  }
});
