// HTTP/1.1 and HTTP/2 callers of HTTP/1.1 and HTTP/2 servers, at an ingress and at a sidecar's outbound listener, on both
// runtimes: Node's own clients and servers, curl, nghttp and h2load.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { HTTP_SCENARIOS } from "./http-scenarios.ts";
import { type CommandResult, Mesh, ROOT, runCommand } from "./mesh.ts";
import { findProgram } from "./needs.ts";
import type { PeerPlace } from "./peer-exchange.ts";

const curl = findProgram("curl");
const nghttp = findProgram("nghttp");
const h2load = findProgram("h2load");

const LOAD_REQUESTS = 5_000;

describe("without a mesh", () => {
  const children: ChildProcess[] = [];

  after(async () => {
    for (const child of children) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  });

  for (const speaks of ["HTTP/1.1", "HTTP/2"] as const) {
    describe(`${speaks} at both ends`, () => {
      let place: PeerPlace;

      before(async () => {
        const child = spawn(process.execPath, [join(ROOT, "test", "integration", "apps", "http-peer.mjs")], {
          env: { PATH: process.env["PATH"], PORT: "0", SPEAKS: speaks === "HTTP/2" ? "h2" : "h1" },
          stdio: ["ignore", "pipe", "inherit"],
        });
        children.push(child);
        const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
        const port = Number(/listens on (\d+)$/.exec(line)?.[1]);
        place = { speaks, port, authority: `127.0.0.1:${port}` };
      });

      for (const scenario of HTTP_SCENARIOS) test(scenario.title, () => scenario.run(place));
    });
  }
});

for (const runtime of ["bun", "node"] as const) {
  describe(`sidecars on ${runtime}`, () => {
    let mesh: Mesh;
    const ports = new Map<string, number>();

    before(async () => {
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: peers
ingress:
  - { port: 0, service: h1 }
  - { port: 0, service: h2 }
services:
  h1: { command: node http-peer.mjs, env: { SPEAKS: h1 }, allow: [caller] }
  h2: { command: node http-peer.mjs, env: { SPEAKS: h2 }, protocol: http2, allow: [caller] }
  caller: { command: node echo.mjs }
`,
      });
      const outbound = await mesh.outboundPort("caller-0");
      for (const app of ["h1", "h2"]) {
        ports.set(`outbound ${app}`, outbound);
        const [, port] = await mesh.line(new RegExp(`^ {2}${app}: http://127\\.0\\.0\\.1:(\\d+)/$`));
        ports.set(`ingress ${app}`, Number(port));
      }
    });

    after(() => mesh.stop());

    const place = (speaks: PeerPlace["speaks"], entry: string, app: string): PeerPlace => ({
      speaks,
      port: ports.get(`${entry} ${app}`) ?? assert.fail(`no port of ${entry} ${app}`),
      authority: app,
    });

    for (const entry of ["ingress", "outbound"]) {
      for (const app of ["h1", "h2"]) {
        for (const speaks of ["HTTP/1.1", "HTTP/2"] as const) {
          describe(`${speaks} to an ${app} app, ${entry}`, () => {
            for (const scenario of HTTP_SCENARIOS) {
              test(scenario.title, () => scenario.run(place(speaks, entry, app)));
            }
          });
        }
      }
    }

    const run = (file: string, parameters: readonly string[]): Promise<CommandResult> =>
      runCommand(file, parameters, { cwd: mesh.folder, env: mesh.environment(), limitMs: 60_000 });

    test("curl over HTTP/2 with prior knowledge", { skip: curl.skip }, async () => {
      for (const app of ["h1", "h2"]) {
        const port = ports.get(`ingress ${app}`);
        const options = ["-sS", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}"];
        const { stdout, stderr } = await run(curl.path, [...options, `http://127.0.0.1:${port}/status/404`]);
        assert.equal(stdout, "status 404 2 404", stderr);
        const posted = await run(curl.path, [...options, "-d", "a=b", `http://127.0.0.1:${port}/echo`]);
        assert.equal(posted.stdout, "a=b 2 200", posted.stderr);
      }
    });

    test("curl's offer to upgrade to HTTP/2 is passed over", { skip: curl.skip }, async () => {
      for (const app of ["h1", "h2"]) {
        const options = ["-sS", "--http2", "-w", " %{http_version} %{http_code}"];
        const { stdout, stderr } = await run(curl.path, [
          ...options,
          `http://127.0.0.1:${ports.get(`ingress ${app}`)}/status/200`,
        ]);
        assert.equal(stdout, "status 200 1.1 200", stderr);
      }
    });

    test("curl by http_proxy, as a program of the mesh", { skip: curl.skip }, async () => {
      const { stdout, stderr } = await mesh.weft(["run", "caller", "--", curl.path, "-sS", "http://h2/status/200"]);
      assert.equal(stdout, "status 200", stderr);
    });

    test("curl --proxytunnel --http2-prior-knowledge by http_proxy", { skip: curl.skip }, async () => {
      const options = ["-sS", "--proxytunnel", "--http2-prior-knowledge", "-w", " %{http_version}"];
      for (const app of ["h1", "h2"]) {
        const url = `http://${app}/status/200`;
        const { stdout, stderr } = await mesh.weft(["run", "caller", "--", curl.path, ...options, url]);
        assert.equal(stdout, "status 200 2", stderr);
      }
    });

    test("nghttp: several requests, uploads and padding on one connection", { skip: nghttp.skip }, async () => {
      for (const app of ["h1", "h2"]) {
        const base = `http://127.0.0.1:${ports.get(`ingress ${app}`)}`;
        const urls = ["/bytes/100000", "/stream/10", "/status/404", "/cookies"].map((path) => base + path);
        const many = await run(nghttp.path, ["-nv", "-b", "100", "-m", "3", ...urls]);
        assert.equal(many.code, 0, many.stderr);
        const statuses = [...many.stdout.matchAll(/:status: (\d+)/g)].map((match) => match[1]);
        assert.equal(statuses.filter((status) => status === "200").length, 9, many.stdout);
        assert.equal(statuses.filter((status) => status === "404").length, 3, many.stdout);
        assert.doesNotMatch(many.stdout, /RST_STREAM|error_code=(?!NO_ERROR)/);
        const upload = await run(nghttp.path, ["-d", join(ROOT, "LICENSE"), `${base}/echo`]);
        assert.match(upload.stdout, /Apache License/, upload.stderr);
      }
    });

    test(`h2load: ${LOAD_REQUESTS} requests, 10 connections of 50 streams`, { skip: h2load.skip }, async () => {
      for (const app of ["h1", "h2"]) {
        const options = ["-n", String(LOAD_REQUESTS), "-c", "10", "-m", "50"];
        const url = `http://127.0.0.1:${ports.get(`ingress ${app}`)}/bytes/1000`;
        const { stdout, stderr } = await run(h2load.path, [...options, url]);
        assert.match(stdout, new RegExp(`${LOAD_REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout`), stdout + stderr);
        assert.match(stdout, new RegExp(`${LOAD_REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx`), stdout);
      }
    });

    test("nothing is left in flight", () => mesh.waitUntilIdle());
  });
}
