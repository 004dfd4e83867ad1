// What every transport on real sockets refuses of a peer's certificate, each fault by its own code, presented by openssl.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import type { PeerSide } from "../identity/peer-judge.ts";
import { PeerGuard } from "../proxy/peer-guard.ts";
import { ConnectionRecorder } from "../testing/connection-recorder.ts";
import { within } from "../testing/within.ts";
import { type CertificateCollection, type CertificateFiles } from "../testing/wrong-certificates.ts";
import { systemClock } from "../time/system-clock.ts";
import type { TransportTableOptions } from "./transport-table.ts";
import { TransportBench } from "./transport-bench.ts";
import type { TlsClientOptions } from "./transport.ts";

/** `certificates` is called inside the tests only. */
export function testPeerRefusals(
  { name, create }: TransportTableOptions,
  certificates: () => CertificateCollection,
): void {
  for (const side of ["client", "server"] as const) {
    test(`${name} transport refuses wrong certificates of a ${side}, each by its own code`, async (t) => {
      const collection = certificates();
      const bench = new TransportBench(create(systemClock));
      const children: ChildProcess[] = [];
      t.after(async () => {
        for (const child of children) if (child.exitCode === null) child.kill();
        await bench.close();
      });
      const present = { bench, collection, children };
      for (const { what, certificate } of collection.good) {
        const found = await presentCertificate(present, side, certificate);
        assert.deepEqual(found, { opened: true, refusal: null, bytes: 0 }, `${what} must pass`);
      }
      for (const { what, refusal, certificate, isUsable, side: wrongSide } of collection.wrong) {
        const mustPass = wrongSide !== null && wrongSide !== side;
        const found = await presentCertificate(present, side, certificate);
        const about = `certificate ${what}; found ${JSON.stringify(found)}`;
        assert.equal(found.opened, mustPass, about);
        assert.equal(found.bytes, 0, about);
        // A key that TLS 1.3 cannot use is not presented at all, or the peer gives up.
        if (isUsable) assert.equal(found.refusal, mustPass ? null : refusal, about);
        else assert.ok(found.refusal === null || found.refusal === "peer_no_certificate", about);
      }
    });
  }
}

interface Presentation {
  readonly bench: TransportBench;
  readonly collection: CertificateCollection;
  readonly children: ChildProcess[];
}

interface Finding {
  readonly opened: boolean;
  readonly refusal: string | null;
  readonly bytes: number;
}

async function presentCertificate(
  { bench, collection, children }: Presentation,
  side: PeerSide,
  certificate: CertificateFiles,
): Promise<Finding> {
  const { trustBundlePem, trustDomain } = collection;
  const bundles = new Map([[trustDomain, trustBundlePem]]);
  const peers = new PeerGuard({ ownTrustDomain: trustDomain, bundles }, systemClock);
  const [own] = collection.good;
  assert.ok(own);
  const tls: TlsClientOptions = { keyPair: own.certificate.keyPair, trustBundlePem, peers, alpn: [], serverName: null };
  const files = ["-cert", certificate.certificateFile, "-key", certificate.keyFile];
  const chain = certificate.chainFile === null ? [] : ["-cert_chain", certificate.chainFile];
  const shared = [...files, ...chain, "-cipher", "DEFAULT@SECLEVEL=0"];
  if (side === "client") {
    const listening = await bench.listen(() => {}, tls);
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${bench.port}`, ...shared], { stdio: "pipe" });
    children.push(child);
    const exited = once(child, "exit");
    child.stdin.on("error", () => {});
    const finding = await watch(await listening.next());
    child.kill();
    await exited;
    await listening.listener.close();
    return finding;
  }
  const child = spawn("openssl", ["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", ...shared], { stdio: "pipe" });
  children.push(child);
  const exited = once(child, "exit");
  const port = await within("openssl to listen", readPort(child));
  const recorder = new ConnectionRecorder("caller");
  bench.connect(recorder, { port, tls });
  const finding = await watch(recorder);
  child.kill();
  await exited;
  return finding;
}

/** Waits until it is open or over. One that is refused must show nothing but its close. */
async function watch(recorder: ConnectionRecorder): Promise<Finding> {
  await within(
    "the verdict",
    new Promise<void>((resolve) => {
      if (recorder.events.length > 0) resolve();
      else recorder.react = () => resolve();
    }),
  );
  const opened = recorder.events[0] === "open";
  if (opened) recorder.connection?.destroy();
  await recorder.closed();
  const refusal = opened ? null : (recorder.failure?.refusal ?? null);
  return { opened, refusal, bytes: recorder.receivedBytes };
}

function readPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const port = /^ACCEPT .*:(\d+)$/m.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.on("exit", (code) => reject(new Error(`openssl ended with ${code}: ${text}`)));
  });
}
