// h2spec (github.com/summerwind/h2spec), strict, against every way into a proxy that speaks HTTP/2, on both runtimes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { encodeProxyHeader } from "../../src/capture/encode-proxy-header.ts";
import { connectWith, EnteringRelay } from "./entering-relay.ts";
import { Mesh, runCommand } from "./mesh.ts";
import { findProgram } from "./needs.ts";

/** Cases that weft does not pass, by "<section> <title>", each with the reason. Those that pass after all fail the test. */
const WAIVED: ReadonlyMap<string, string> = new Map();

/** Of h2spec 2.2.1, all three groups. */
const CASES = 146;
/** How long h2spec waits for an answer that does not come. */
const PATIENCE_SECONDS = 2;

interface CaseResult {
  /** "<section> <title>", e.g. "http2/5.1 idle: Sends a DATA frame". */
  readonly name: string;
  readonly outcome: "passed" | "skipped" | "failed";
}

const h2spec = findProgram("h2spec");

for (const runtime of ["bun", "node"] as const) {
  describe(`h2spec against proxies on ${runtime}`, { skip: h2spec.skip }, () => {
    let mesh: Mesh;
    const relays: EnteringRelay[] = [];

    before(async () => {
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: h2spec
ingress: [{ port: 0, service: web }]
services:
  web: { command: node http-peer.mjs, env: { ANSWER_BYTES: "2000" }, allow: [ingress, caller] }
  caller: { command: node echo.mjs }
`,
      });
    });

    after(async () => {
      for (const relay of relays) await relay.close();
      await mesh.stop();
    });

    async function relayPort(relay: EnteringRelay): Promise<number> {
      relays.push(relay);
      return relay.listen();
    }

    test("an ingress", async () => check(await mesh.ingressPort(), "ingress"));

    test("a sidecar's outbound listener", async () => {
      const port = await mesh.outboundPort("caller-0");
      await check(
        await relayPort(new EnteringRelay(() => connectWith(port, encodeProxyHeader("web", 80)))),
        "outbound",
      );
    });

    test("a sidecar's inbound listener, as another sidecar", async () => {
      const port = await mesh.inboundPort("web-0");
      const identity = await mesh.identity("caller-0");
      await check(
        await relayPort(
          new EnteringRelay(() =>
            connectTls({
              port,
              host: "127.0.0.1",
              key: identity.keyPem,
              cert: identity.certificateChainPem,
              ca: identity.trustBundlePem,
              minVersion: "TLSv1.3",
              ALPNProtocols: ["h2"],
              // The identity is a URI, which Node does not compare; the chain is verified.
              checkServerIdentity: () => undefined,
            }),
          ),
        ),
        "inbound",
      );
    });

    async function check(port: number, name: string): Promise<void> {
      const report = join(mesh.folder, `h2spec-${name}.xml`);
      const options = ["-h", "127.0.0.1", "-p", String(port), "-S", "-o", String(PATIENCE_SECONDS), "-j", report];
      const { stdout } = await runCommand(h2spec.path, ["generic", "http2", "hpack", ...options], {
        cwd: mesh.folder,
        env: mesh.environment(),
        limitMs: 300_000,
      });
      const results = parseReport(readFileSync(report, "latin1"));
      assert.equal(results.length, CASES, `cases that h2spec ran; it printed:\n${stdout}`);
      const failed = results.filter(({ name, outcome }) => outcome === "failed" && !WAIVED.has(name));
      assert.deepEqual(
        failed.map(({ name }) => name),
        [],
        `no case may fail; h2spec printed:\n${stdout.slice(stdout.indexOf("Failures:"))}`,
      );
      const needless = results.filter(({ name, outcome }) => outcome === "passed" && WAIVED.has(name));
      assert.deepEqual(
        needless.map(({ name }) => name),
        [],
        "waived cases that pass",
      );
      const skipped = results.filter(({ outcome }) => outcome === "skipped").map(({ name }) => name);
      assert.deepEqual(skipped, [], "cases that h2spec skipped");
    }
  });
}

/** JUnit's XML as h2spec writes it. */
function parseReport(xml: string): readonly CaseResult[] {
  const results: CaseResult[] = [];
  for (const match of xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)) {
    const [, section = "", title = "", inner = ""] = match;
    const outcome = inner.includes("<skipped") ? "skipped" : inner.trim() === "" ? "passed" : "failed";
    results.push({ name: `${section} ${unescapeXml(title)}`, outcome });
  }
  return results;
}

function unescapeXml(text: string): string {
  return text.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))).replaceAll("&amp;", "&");
}
