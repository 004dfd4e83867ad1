// Programs nobody here wrote, made part of a mesh by `weft run`.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/time/system-clock.ts";
import { Mesh } from "./mesh.ts";
import { findProgram } from "./needs.ts";

const LIMIT_MS = 30_000;

let mesh: Mesh;
const runs: ChildProcess[] = [];

before(async () => {
  mesh = await Mesh.start({
    yaml: `
mesh: foreign
services:
  node: { command: node echo.mjs, allow: [client, stranger] }
`,
  });
  const target = { kind: "ServiceAccount", namespace: "default" };
  const allow = (destination: string, sources: readonly string[]): unknown => ({
    apiVersion: "access.smi-spec.io/v1alpha4",
    kind: "TrafficTarget",
    metadata: { name: destination },
    spec: {
      destination: { ...target, name: destination },
      sources: sources.map((name) => ({ ...target, name })),
      rules: [{ kind: "HTTPRouteGroup", name: "all" }],
    },
  });
  const all = {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "HTTPRouteGroup",
    metadata: { name: "all" },
    spec: { matches: [{ name: "all", pathRegex: ".*", methods: ["*"] }] },
  };
  const resources = [all, allow("files", ["client"]), allow("static", ["client"])];
  const { code, stderr } = await mesh.weft(
    ["apply", "-f", "-"],
    resources.map((resource) => JSON.stringify(resource)).join("\n---\n"),
  );
  assert.equal(code, 0, stderr);
});

after(async () => {
  for (const run of runs) await stop(run);
  await mesh.stop();
});

const python = findProgram("python3");
const nginx = findProgram("nginx");
const curl = findProgram("curl");

test(
  "Python's http.server serves files inside the mesh, called by curl",
  { skip: python.skip || curl.skip },
  async () => {
    const folder = join(mesh.folder, "files");
    mkdirSync(folder);
    writeFileSync(join(folder, "hello.txt"), "hello from python\n");
    const port = await findFreePort();
    await startService("files", [
      "--port",
      String(port),
      "--",
      python.path,
      "-m",
      "http.server",
      String(port),
      "--bind",
      "127.0.0.1",
      "--directory",
      folder,
    ]);
    const answer = await mesh.weft(["run", "client", "--", curl.path, "-sS", "-i", "http://files/hello.txt"]);
    assert.equal(answer.code, 0, answer.stderr);
    assert.match(answer.stdout, /^HTTP\/1\.1 200 OK/);
    assert.match(answer.stdout, /^server: SimpleHTTP/im, "it is Python that answered");
    assert.match(answer.stdout, /hello from python/);
    // Nobody else may.
    const denied = await mesh.weft([
      "run",
      "stranger",
      "--",
      curl.path,
      "-sS",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "http://files/hello.txt",
    ]);
    assert.equal(denied.stdout, "403", denied.stderr);
  },
);

test(
  "nginx serves a large file inside the mesh, called by curl and by a Node program",
  { skip: nginx.skip || curl.skip },
  async () => {
    const folder = join(mesh.folder, "static");
    mkdirSync(folder);
    const large = "0123456789abcdef".repeat(65_536);
    writeFileSync(join(folder, "large.txt"), large);
    const port = await findFreePort();
    writeFileSync(join(folder, "nginx.conf"), formatNginxConfig(folder, port));
    await startService("static", [
      "--port",
      String(port),
      "--",
      nginx.path,
      "-p",
      folder,
      "-c",
      join(folder, "nginx.conf"),
      "-e",
      "stderr",
    ]);
    const sum = await mesh.weft([
      "run",
      "client",
      "--",
      curl.path,
      "-sS",
      "-w",
      "%{http_code} %{size_download}",
      "-o",
      "/dev/null",
      "http://static.default/large.txt",
    ]);
    assert.equal(sum.stdout, `200 ${large.length}`, sum.stderr);
    const program = `fetch("http://static/large.txt").then(async (r) => { const t = await r.text(); console.log(r.headers.get("server"), t.length, r.status, t.slice(0, 200)); })`;
    const fetched = await mesh.weft(["run", "client", "--", process.execPath, "-e", program]);
    assert.match(fetched.stdout, new RegExp(`^nginx\\S* ${large.length} 200 `), fetched.stderr);
  },
);

test("curl's exit code and its body come through `weft run`", { skip: curl.skip }, async () => {
  const posted = await mesh.weft(["run", "client", "--", curl.path, "-sS", "--data", "a=b", "http://node/echo"]);
  assert.equal(posted.code, 0, posted.stderr);
  const { method, body, target } = JSON.parse(posted.stdout) as Record<string, unknown>;
  assert.deepEqual({ method, body, target }, { method: "POST", body: "a=b", target: "/echo" });
  const failed = await mesh.weft(["run", "client", "--", curl.path, "-sS", "--fail", "http://files/hello.txt/nothing"]);
  assert.equal(failed.code, 22, "curl --fail says 22 for an answer of 400 and above");
});

/** Resolves when its first instance is ready in the mesh. */
async function startService(service: string, parameters: readonly string[]): Promise<void> {
  const run = mesh.spawnWeft(["run", service, ...parameters]);
  runs.push(run);
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const limit = systemClock.after(
      LIMIT_MS,
      () => reject(new Error(`${service} is not there after ${LIMIT_MS} ms:\n${lines.join("\n")}`)),
      undefined,
    );
    for (const stream of [run.stdout, run.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line);
        if (!line.includes(` serves ${service} `)) return;
        limit.clear();
        resolve();
      });
    }
    run.on("exit", (code) => reject(new Error(`weft run ${service} ended with ${code}:\n${lines.join("\n")}`)));
  });
}

/** Ctrl-C, which must end it well. */
async function stop(run: ChildProcess): Promise<void> {
  if (run.exitCode !== null || run.signalCode !== null) return;
  run.kill("SIGINT");
  const [code] = (await once(run, "exit")) as [number | null];
  assert.equal(code, 0, "exit code of weft run after Ctrl-C");
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function formatNginxConfig(folder: string, port: number): string {
  const user = process.getuid?.() === 0 ? "user root;" : "";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `${user} daemon off; worker_processes 1; pid ${folder}/nginx.pid;
events {}
http { access_log off; ${temporary.join(" ")} server { listen 127.0.0.1:${port}; root ${folder}; } }
`;
}
