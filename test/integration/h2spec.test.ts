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

/**
 * Cases that weft does not pass where a listener speaks HTTP/1.1 as well, by "<section> <title>", each with the reason. One
 * that passes after all fails the test.
 */
const WAIVED_BESIDE_HTTP1: ReadonlyMap<string, string> = new Map([
  [
    "http2/3.5 Sends invalid connection preface",
    "What does not begin like HTTP/2 is HTTP/1.1 there: it is answered with 400 in HTTP/1.1 before the connection is " +
      "closed, which h2spec takes for a broken frame. At the inbound listener, where ALPN has chosen HTTP/2, it passes.",
  ],
]);
/** Those of links, which run again in another way. */
const LARGE_FRAME = "http2/4.2 Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE";
const WAIVED_ON_LINKS: ReadonlyMap<string, string> = new Map([
  [LARGE_FRAME, "h2spec's frame of 20,000 bytes is allowed on a link; it runs again with longer fields."],
]);

/** Of h2spec 2.2.1, all three groups. */
const CASES = 146;
/** How long h2spec waits for an answer: one of its cases opens as many streams as it may, 65,536 on a link. */
const PATIENCE_SECONDS = 20;

const RUN_LIMIT_MS = 300_000;

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

    test("an ingress", async () => check("ingress", await mesh.ingressPort(), WAIVED_BESIDE_HTTP1));

    test("a sidecar's outbound listener", async () => {
      const port = await mesh.outboundPort("caller-0");
      const relay = new EnteringRelay(() => connectWith(port, encodeProxyHeader("web", 80)));
      await check("outbound", await relayPort(relay), WAIVED_BESIDE_HTTP1);
    });

    test("a sidecar's inbound listener, as another sidecar", async () => {
      const port = await mesh.inboundPort("web-0");
      const identity = await mesh.identity("caller-0");
      const relay = new EnteringRelay(() =>
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
      );
      const relayed = await relayPort(relay);
      await check("inbound", relayed, WAIVED_ON_LINKS);
      // Five fields of this length are more than the largest frame of a link.
      const { results, stdout } = await run("frame", relayed, ["http2/4.2", "--max-header-length", "60000"]);
      assert.ok(
        results.some(({ name, outcome }) => name === LARGE_FRAME && outcome === "passed"),
        stdout,
      );
    });

    async function run(
      name: string,
      port: number,
      parameters: readonly string[],
    ): Promise<{ readonly results: readonly CaseResult[]; readonly stdout: string }> {
      const report = join(mesh.folder, `h2spec-${name}.xml`);
      const options = ["-h", "127.0.0.1", "-p", String(port), "-S", "-o", String(PATIENCE_SECONDS), "-j", report];
      const { stdout } = await runCommand(h2spec.path, [...parameters, ...options], {
        cwd: mesh.folder,
        env: mesh.environment(),
        limitMs: RUN_LIMIT_MS,
      });
      return { results: parseReport(readFileSync(report, "latin1")), stdout };
    }

    async function check(name: string, port: number, waived: ReadonlyMap<string, string>): Promise<void> {
      const { results, stdout } = await run(name, port, ["generic", "http2", "hpack"]);
      assert.equal(results.length, CASES, `cases that h2spec ran; it printed:\n${stdout}`);
      const failed = results.filter(({ name, outcome }) => outcome === "failed" && !waived.has(name));
      assert.deepEqual(
        failed.map(({ name }) => name),
        [],
        `no case may fail; h2spec printed:\n${stdout.slice(stdout.indexOf("Failures:"))}`,
      );
      const needless = results.filter(({ name, outcome }) => outcome === "passed" && waived.has(name));
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
