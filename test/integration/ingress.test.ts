// Ingress on real listeners, by clients that nobody here wrote: curl and openssl. Each row is one behaviour of
// networking.k8s.io/v1 (docs/ingress.md), on gateways that run on Bun and on Node.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { within } from "../../src/testing/within.ts";
import { type MadeCertificate, makeCertificate } from "./ingress-certificates.ts";
import { backend, ingress, path, PATH_ROWS, RESOURCES, tlsSecret } from "./ingress-rows.ts";
import { Mesh, ROOT } from "./mesh.ts";
import { findProgram } from "./needs.ts";
import { waitUntil } from "./wait-until.ts";

const SPLIT_REQUESTS = 256;
/** Each 64 draws of a split are exact; of the two parts of one at the ends, this is five standard deviations. */
const SPLIT_ERROR = 0.05;
const curl = findProgram("curl");
const openssl = findProgram("openssl");
const run = promisify(execFile);

interface Answer {
  readonly status: number;
  readonly version: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const all = (name: string): object => ({ paths: [path("/", "Prefix", name)] });

interface Echo {
  readonly service: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

for (const runtime of ["bun", "node"] as const) {
  describe(`an ingress on ${runtime}`, { skip: curl.skip || openssl.skip }, () => {
    let mesh: Mesh;
    let plain: number;
    let secure: number;
    let certificates: Readonly<Record<"one" | "wild" | "rsa" | "next", MadeCertificate>>;

    before(async () => {
      const app = (name: string, more = ""): string =>
        `  ${name}: { command: node ingress-app.mjs, env: { APP_MODULES: "${ROOT}" }, ${more} }`;
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: edge
ingress:
  - { port: 0, tls: 0 }
services:
${app("web", "allow: [ingress]")}
${app("api", "allow: [ingress]")}
${app("shop", "allow: [ingress]")}
${app("closed", "allow: []")}
`,
      });
      plain = Number((await mesh.line(/^ {2}ingress: http:\/\/127\.0\.0\.1:(\d+)\/$/))[1]);
      secure = Number((await mesh.line(/^ {2}ingress: https:\/\/127\.0\.0\.1:(\d+)\/$/))[1]);
      certificates = {
        one: makeCertificate(mesh.folder, "one", { names: ["one.tls.test", "paths.tls.test"] }),
        wild: makeCertificate(mesh.folder, "wild", { names: ["*.tls.test"] }),
        rsa: makeCertificate(mesh.folder, "rsa", { names: ["rsa.tls.test"], rsaBits: 2048 }),
        next: makeCertificate(mesh.folder, "next", { names: ["one.tls.test"] }),
      };
      const api = mesh.api();
      await api.apply({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "named", namespace: "default" },
        spec: {
          ports: [
            { name: "main", port: 8000 },
            { name: "other", port: 8001 },
          ],
        },
      });
      for (const resource of RESOURCES) await api.apply(resource);
      await api.apply(tlsSecret("one", certificates.one));
      await api.apply(tlsSecret("wild", certificates.wild));
      await api.apply(tlsSecret("rsa", certificates.rsa));
      await api.apply(tlsSecret("mixed", { certificate: certificates.one.certificate, key: certificates.wild.key }));
      await api.apply(
        ingress("tls", {
          tls: [
            { hosts: ["one.tls.test"], secretName: "one" },
            { hosts: ["*.tls.test"], secretName: "wild" },
            { hosts: ["rsa.tls.test"], secretName: "rsa" },
            { hosts: ["missing.test"], secretName: "missing" },
            { hosts: ["mixed.test"], secretName: "mixed" },
          ],
          rules: [
            { host: "one.tls.test", http: all("web") },
            { host: "*.tls.test", http: all("api") },
            { host: "rsa.tls.test", http: all("shop") },
            { host: "missing.test", http: all("web") },
            { host: "mixed.test", http: all("web") },
          ],
        }),
      );
      await api.apply(
        ingress(
          "open",
          { tls: [{ hosts: ["open.test"], secretName: "wild" }], rules: [{ host: "open.test", http: all("web") }] },
          { "weft.dev/https-redirect": "false" },
        ),
      );
      await waitUntil("the last Ingress is in force", async () => (await ask("http://open.test/")).status === 200);
    });

    after(() => mesh.stop());

    async function ask(url: string, ...more: string[]): Promise<Answer> {
      const { hostname } = new URL(url.replace("PORT", "1"));
      // URL resolves dot segments, and curl must not.
      const port = url.startsWith("https:") ? secure : plain;
      const told = url.includes("PORT") ? [] : ["-H", `host: ${/\/\/([^/?]*)/.exec(url)?.[1] ?? ""}`];
      const bare = hostname.replace(/\.$/, "");
      const target = url.replace(/\/\/[^/?]*/, `//${bare}:${port}`);
      const base = ["-sk", "-i", "--path-as-is", "--max-time", "10", "--resolve", `${bare}:${port}:127.0.0.1`];
      const { stdout } = await run(curl.path, [...base, ...told, ...more, target], { maxBuffer: 64 * 1024 * 1024 });
      const end = stdout.indexOf("\r\n\r\n");
      const [first = "", ...lines] = stdout.slice(0, end).split("\r\n");
      const [, version = "", status = "0"] = /^HTTP\/(\S+) (\d+)/.exec(first) ?? [];
      const headers = new Map(
        lines.map((line) => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      return { status: Number(status), version, headers, body: stdout.slice(end + 4) };
    }

    /** What openssl says; it ends by itself when its input does. */
    async function handshake(...parameters: string[]): Promise<string> {
      const connect = ["s_client", "-connect", `127.0.0.1:${secure}`, ...parameters];
      const child = run(openssl.path, connect, { timeout: 10_000 });
      child.child.stdin?.end();
      const { stdout, stderr } = await child.catch((error: { stdout: string; stderr: string }) => error);
      return `${stdout}${stderr}`;
    }

    async function subject(name: string): Promise<string> {
      return /subject=\s*CN ?= ?"?([^\n"]*)/.exec(await handshake("-servername", name))?.[1] ?? "none";
    }

    for (const [behaviour, url, expected] of PATH_ROWS) {
      test(behaviour, async () => {
        if (expected === "web" && url.endsWith("/named")) return checkNamed(await ask(url));
        const answer = await ask(url);
        if (typeof expected === "number") assert.equal(answer.status, expected, answer.body);
        else assert.equal((JSON.parse(answer.body) as Echo).service, expected);
      });
    }

    /** The Service has no instance of its own: that the port was found shows in the failure that is not "no route". */
    function checkNamed(answer: Answer): void {
      assert.equal(answer.status, 503, answer.body);
      assert.equal(answer.headers.get("x-weft-failure"), "no_endpoint");
    }

    test("SNI: the certificate of the exact name", async () => assert.equal(await subject("one.tls.test"), "one"));
    test("SNI: the certificate of the wildcard", async () => assert.equal(await subject("x.tls.test"), "wild"));
    test("SNI: an RSA certificate beside those of other keys", async () =>
      assert.equal(await subject("rsa.tls.test"), "rsa"));
    test("SNI in capitals", async () => assert.equal(await subject("ONE.tls.test"), "one"));
    test("SNI: an unknown name gets the gateway's own certificate", async () =>
      assert.match(await subject("unknown.test"), /^weft ingress/));
    test("no SNI: the gateway's own certificate", async () =>
      assert.match(await handshake("-noservername"), /weft ingress/));
    test("a Secret that is missing: the gateway's own certificate, and the others unharmed", async () => {
      assert.match(await subject("missing.test"), /^weft ingress/);
      assert.equal(await subject("one.tls.test"), "one");
    });
    test("a key that is another certificate's: the gateway's own certificate", async () =>
      assert.match(await subject("mixed.test"), /^weft ingress/));
    test("TLS 1.3", async () => assert.match(await handshake("-servername", "one.tls.test", "-tls1_3"), /TLSv1\.3/));
    test("TLS 1.2", async () => assert.match(await handshake("-servername", "one.tls.test", "-tls1_2"), /TLSv1\.2/));
    test("no TLS 1.1", async () => {
      const said = await handshake("-servername", "one.tls.test", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0");
      assert.doesNotMatch(said, /BEGIN CERTIFICATE/);
    });
    test("ALPN: h2 before http/1.1", async () =>
      assert.match(await handshake("-servername", "one.tls.test", "-alpn", "http/1.1,h2"), /ALPN protocol: h2/));
    test("ALPN: http/1.1 where that is all", async () =>
      assert.match(await handshake("-servername", "one.tls.test", "-alpn", "http/1.1"), /ALPN protocol: http\/1\.1/));
    test("a request by HTTP/1.1 over TLS", async () => {
      const answer = await ask("https://one.tls.test/x", "--http1.1");
      assert.deepEqual([answer.version, (JSON.parse(answer.body) as Echo).service], ["1.1", "web"]);
    });
    test("a request by HTTP/2 over TLS", async () => {
      const answer = await ask("https://one.tls.test/x", "--http2");
      assert.deepEqual([answer.version, (JSON.parse(answer.body) as Echo).service], ["2", "web"]);
    });
    test("a request by HTTP/2 in the clear", async () => {
      const answer = await ask("http://open.test/x", "--http2-prior-knowledge");
      assert.deepEqual([answer.version, (JSON.parse(answer.body) as Echo).service], ["2", "web"]);
    });
    test("the certificate is one that curl accepts", async () => {
      const { stdout } = await run(curl.path, [
        ...["-s", "--cacert", `${mesh.folder}/one.crt`, "--resolve", `one.tls.test:${secure}:127.0.0.1`],
        `https://one.tls.test:${secure}/`,
      ]);
      assert.equal((JSON.parse(stdout) as Echo).service, "web");
    });
    test("paths count behind TLS as in the clear", async () => {
      assert.equal((await ask("https://paths.test/exact/")).status, 404);
      assert.equal((JSON.parse((await ask("https://paths.test/pre/a")).body) as Echo).service, "api");
    });
    test("4 MB over TLS", async () => {
      assert.equal((await ask("https://one.tls.test/x?size=4000000", "--http1.1")).body.length, 4_000_000);
      assert.equal((await ask("https://one.tls.test/x?size=4000000", "--http2")).body.length, 4_000_000);
    });
    test("HTTP of a host with TLS is sent to HTTPS by 308, path and query kept", async () => {
      const answer = await ask("http://one.tls.test/a%20b?c=d");
      const { status, headers } = answer;
      assert.deepEqual([status, headers.get("location")], [308, `https://one.tls.test:${secure}/a%20b?c=d`]);
    });
    test("a POST is redirected by 308, too", async () =>
      assert.equal((await ask("http://one.tls.test/", "-d", "x")).status, 308));
    test("HTTP of a wildcard host with TLS is redirected", async () =>
      assert.equal((await ask("http://x.tls.test/")).headers.get("location"), `https://x.tls.test:${secure}/`));
    test("the annotation switches the redirect off", async () =>
      assert.equal((await ask("http://open.test/")).status, 200));
    test("HTTP of a host without TLS is not redirected", async () =>
      assert.equal((await ask("http://paths.test/exact")).status, 200));
    test("HTTP at the TLS port is not answered", async () => {
      const outcome = run(curl.path, ["-s", "-i", `http://127.0.0.1:${secure}/`]);
      // Reset, or ended without an answer.
      await assert.rejects(outcome, ({ code }: { code: number }) => code === 56 || code === 52);
    });
    test("x-forwarded-proto says how the client came, whatever it claims", async () => {
      const secured = await ask("https://one.tls.test/", "-H", "x-forwarded-proto: http");
      const open = await ask("http://open.test/", "-H", "x-forwarded-proto: https");
      const protos = [secured, open].map(({ body }) => (JSON.parse(body) as Echo).headers["x-forwarded-proto"]);
      assert.deepEqual(protos, ["https", "http"]);
    });
    test("request id and trace begin here, and a client's own are passed on", async () => {
      const fresh = JSON.parse((await ask("https://one.tls.test/")).body) as Echo;
      assert.match(fresh.headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/);
      assert.match(fresh.headers["x-b3-traceid"] ?? "", /^[0-9a-f]{32}$/);
      const told = JSON.parse((await ask("https://one.tls.test/", "-H", "x-request-id: mine")).body) as Echo;
      assert.equal(told.headers["x-request-id"], "mine");
    });
    test("the keys of certificates are not shown with a proxy's configuration", async () => {
      const config = JSON.stringify(await mesh.api().proxyConfig("default/ingress-0"));
      assert.match(config, /certificate\/default\/one/);
      assert.doesNotMatch(config, /PRIVATE KEY/);
    });

    test("an Ingress without rules: its backend gets what nobody else takes", async () => {
      const everything = ingress("everything", { defaultBackend: backend("shop") });
      const key = { group: "networking.k8s.io", kind: "Ingress", namespace: "default", name: "everything" };
      await mesh.api().apply(everything);
      const status = async (): Promise<number> => (await ask("http://elsewhere.test/")).status;
      await waitUntil("the default backend", async () => (await status()) === 200);
      assert.equal((JSON.parse((await ask("http://paths.test/exact/")).body) as Echo).service, "shop");
      assert.equal((JSON.parse((await ask("http://own.test/other")).body) as Echo).service, "api");
      await mesh.api().delete(key);
      await waitUntil("no default backend", async () => (await status()) === 404);
    });

    test("a TrafficSplit and a TrafficPolicy of the Service hold behind an Ingress", async () => {
      const api = mesh.api();
      await api.apply(ingress("shared", { rules: [{ host: "shared.test", http: all("shop") }] }));
      await waitUntil("the Ingress", async () => (await ask("http://shared.test/")).status === 200);
      const metadata = { name: "shared", namespace: "default" };
      const split = { group: "split.smi-spec.io", kind: "TrafficSplit", ...metadata };
      await api.apply({
        apiVersion: "split.smi-spec.io/v1alpha4",
        kind: "TrafficSplit",
        metadata,
        spec: {
          service: "shop",
          backends: [
            { service: "web", weight: 1 },
            { service: "api", weight: 3 },
          ],
        },
      });
      const serve = async (): Promise<string> => (JSON.parse((await ask("http://shared.test/")).body) as Echo).service;
      await waitUntil("the split", async () => (await serve()) !== "shop");
      const counts = new Map<string, number>();
      for (let sent = 0; sent < SPLIT_REQUESTS; sent += 1) {
        const service = await serve();
        counts.set(service, (counts.get(service) ?? 0) + 1);
      }
      assert.deepEqual([...counts.keys()].toSorted(), ["api", "web"]);
      const share = (counts.get("web") ?? 0) / SPLIT_REQUESTS;
      assert.ok(Math.abs(share - 0.25) < SPLIT_ERROR, JSON.stringify([...counts]));
      await api.delete(split);
      await api.apply({
        apiVersion: "weft.dev/v1alpha1",
        kind: "TrafficPolicy",
        metadata,
        spec: {
          targetRef: { kind: "Service", name: "shop" },
          responseHeaders: { set: { "x-policy": "held" } },
        },
      });
      await waitUntil("the policy", async () => (await ask("http://shared.test/")).headers.get("x-policy") === "held");
      assert.equal(await serve(), "shop");
      await api.delete({ group: "weft.dev", kind: "TrafficPolicy", ...metadata });
      await api.delete({ group: "networking.k8s.io", kind: "Ingress", ...metadata });
      await waitUntil("nothing of it", async () => (await ask("http://shared.test/")).status === 404);
    });

    test("a certificate changes under load: no open connection and no request is lost", async () => {
      const host = "one.tls.test";
      const options = { servername: host, rejectUnauthorized: false };
      const session = connectHttp2(`https://127.0.0.1:${secure}`, options);
      let isClosed = false;
      session.on("close", () => (isClosed = true));
      session.on("error", () => (isClosed = true));
      await within("an HTTP/2 session", once(session, "connect"));
      const socket = new WebSocket(`wss://127.0.0.1:${secure}/`, { ...options, headers: { host } });
      socket.on("close", () => (isClosed = true));
      await within("a WebSocket", once(socket, "open"));
      const ongoing = { isOver: false };
      let sent = 0;
      const failures: string[] = [];
      const load = (async () => {
        while (!ongoing.isOver) {
          const outcomes = await Promise.all([
            requestHttp2(session, host),
            echo(socket, String(sent)),
            requestFresh(secure, host),
          ]);
          failures.push(...outcomes.filter((outcome) => outcome !== ""));
          sent += 1;
        }
      })();
      const swaps = [certificates.next, certificates.one, certificates.next];
      for (const made of swaps) {
        const from = sent;
        await mesh.api().apply(tlsSecret("one", made));
        const wanted = made === certificates.next ? "next" : "one";
        await waitUntil(`new handshakes show ${wanted}`, async () => (await subject(host)) === wanted);
        await waitUntil("requests go on", async () => sent > from + 5);
      }
      ongoing.isOver = true;
      await load;
      assert.deepEqual([failures, isClosed], [[], false]);
      socket.close();
      session.close();
    });
  });
}

/** "" when all is well. */
async function requestHttp2(session: ClientHttp2Session, host: string): Promise<string> {
  const stream = session.request({ ":path": "/", ":authority": host });
  const [headers] = (await within("an answer", once(stream, "response"))) as [{ readonly ":status"?: number }];
  stream.resume();
  await once(stream, "end");
  return headers[":status"] === 200 ? "" : `HTTP/2: ${headers[":status"]}`;
}

/** A connection of its own: one that meets the change of the certificate. */
async function requestFresh(port: number, host: string): Promise<string> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { servername: host, rejectUnauthorized: false });
  try {
    await within("a new session", once(session, "connect"));
    return await requestHttp2(session, host);
  } catch (error) {
    return String(error);
  } finally {
    session.close();
  }
}

async function echo(socket: WebSocket, text: string): Promise<string> {
  const answer = once(socket, "message");
  socket.send(text);
  const [data] = (await within("an echo", answer)) as [Buffer];
  return data.toString() === text ? "" : `WebSocket: ${data.toString()}`;
}
