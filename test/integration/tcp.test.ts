// Databases and mail through two sidecars: opaque by declaration, by the usual ports, and by what connections begin with.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemRandom } from "../../src/random/system-random.ts";
import { FreePorts } from "../../src/runner/free-port.ts";
import { call } from "./http-call.ts";
import { Mesh } from "./mesh.ts";
import { findProgram, isStrict } from "./needs.ts";
import { waitUntil } from "./wait-until.ts";

const redisServer = findProgram("redis-server");
const postgres = findPostgres();

for (const runtime of ["node", "bun"] as const) {
  describe(`opaque TCP on ${runtime}`, { concurrency: false }, () => {
    const folder = mkdtempSync(join(tmpdir(), "weft-tcp-"));
    const servers: ChildProcess[] = [];
    let started: Mesh | null = null;

    before(async () => {
      const ports = new FreePorts(systemRandom);
      const redisPort = await ports.take();
      const postgresPort = await ports.take();
      if (redisServer.path !== "") servers.push(startRedis(folder, redisPort));
      if (postgres.path !== "") servers.push(startPostgres(postgresPort));
      if (redisServer.path !== "") await opens(redisPort);
      if (postgres.path !== "") await opens(postgresPort);
      started = await Mesh.start({ runtime, yaml: toYaml(redisPort, postgresPort) });
    });

    after(async () => {
      await started?.stop();
      for (const server of servers) {
        const ended = new Promise((resolve) => server.once("exit", resolve));
        server.kill("SIGINT");
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    });

    function running(): Mesh {
      return started ?? assert.fail("the mesh did not start");
    }

    async function ask(path: string): Promise<Readonly<Record<string, unknown>>> {
      const port = await running().ingressPort();
      const { status, body } = await call({ port, host: "client", path });
      assert.equal(status, 200, body);
      return JSON.parse(body) as Readonly<Record<string, unknown>>;
    }

    /** The access log is written a moment later. */
    function logs(workload: string, pattern: RegExp): Promise<true> {
      const file = join(running().home, "logs", `${workload}.access.log`);
      return waitUntil(`${String(pattern)} in ${file}`, () => pattern.test(readFileSync(file, "utf8")));
    }

    for (const [what, host, port] of [
      ["on its usual port", "redis", 6379],
      ["found by its first bytes on another", "cache", 7000],
    ] as const) {
      test(`Redis ${what}: a pipeline of 2001 commands`, { skip: redisServer.skip }, async (t) => {
        const answer = await ask(`/redis?host=${host}&port=${port}&count=1000`);
        t.diagnostic(JSON.stringify(answer));
        assert.equal(answer["isRight"], true);
        const many = await Promise.all(
          Array.from({ length: 100 }, () => ask(`/redis?host=${host}&port=${port}&count=3`)),
        );
        assert.ok(many.every((one) => one["isRight"] === true));
      });
    }

    test("PostgreSQL, declared: start-up and 1000 rows", { skip: postgres.skip }, async () => {
      const answer = await ask(`/postgres?host=db&port=5432&user=${postgres.user}`);
      assert.deepEqual([answer["rows"], answer["last"]], [1000, "a9b7ba70783b617e9998dc4dd82eb3c5"]);
    });

    test("a mail server that speaks first: declared at once, undeclared after the wait", async (t) => {
      const declared = await ask("/mail?host=mail&port=25");
      const detected = await ask("/mail?host=notes&port=2525");
      t.diagnostic(`declared ${Number(declared["ms"])} ms, detected ${Number(detected["ms"])} ms`);
      assert.equal(declared["greeting"], "220 mail.test ready");
      assert.equal(detected["greeting"], "220 mail.test ready");
      assert.ok(Number(detected["ms"]) >= 300, `${String(detected["ms"])} ms`);
    });

    test("HTTP on a port that detects stays HTTP", async () => {
      assert.equal((await ask("/http?host=web&port=8000"))["status"], 200);
      await logs("client-0", /"direction":"outbound","protocol":"http".*"destination":"default\/web"/);
      await logs("client-0", /"direction":"outbound","protocol":"tcp".*"destination":"default\/notes"/);
    });

    test("who is not allowed gets no byte of an opaque service", async () => {
      const port = await running().ingressPort();
      const { status, body } = await call({ port, host: "client", path: "/mail?host=closed&port=25" });
      assert.equal(status, 502);
      assert.match(body, /closed after ""|ECONNRESET/);
      // Its own proxy knows already: strict access tells nobody where to find what they may not call.
      await logs("client-0", /"protocol":"tcp".*"failure":"access_denied"/);
    });
  });
}

function toYaml(redisPort: number, postgresPort: number): string {
  const redis =
    redisServer.path === ""
      ? ""
      : `
  redis: { address: "127.0.0.1:${redisPort}", port: 6379, protocol: detect, allow: [client] }
  cache: { address: "127.0.0.1:${redisPort}", port: 7000, protocol: detect, allow: [client] }`;
  const db =
    postgres.path === ""
      ? ""
      : `
  db: { address: "127.0.0.1:${postgresPort}", port: 5432, protocol: tcp, allow: [client] }`;
  return `
mesh: tcp
ingress: [{ port: 0, service: client }]
services:
  client: { command: node tcp-client.mjs }
  mail: { command: node mail.mjs, port: 25, protocol: tcp, allow: [client] }
  notes: { command: node mail.mjs, port: 2525, protocol: detect, allow: [client] }
  closed: { command: node mail.mjs, port: 25, protocol: tcp, allow: [] }
  web: { command: node echo.mjs, port: 8000, protocol: detect, allow: [client] }${redis}${db}
`;
}

function startRedis(folder: string, port: number): ChildProcess {
  const settings = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  return spawn(redisServer.path, ["--port", `${port}`, ...settings], { stdio: "ignore" });
}

interface Postgres {
  readonly path: string;
  readonly skip: false | string;
  /** Who runs it: it refuses to be run by root. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  readonly user: string;
}

/** Debian keeps the server's programs out of the PATH, by version. */
function findPostgres(): Postgres {
  const none = { path: "", owner: null, user: "" };
  const root = "/usr/lib/postgresql";
  let versions: readonly string[];
  try {
    versions = readdirSync(root).filter((name) => /^\d+$/.test(name));
  } catch {
    versions = [];
  }
  const newest = [...versions].sort((one, other) => Number(other) - Number(one))[0];
  if (newest === undefined) {
    if (isStrict()) throw new Error("postgresql is not installed, and WEFT_TEST_STRICT=1 allows no skips");
    return { ...none, skip: "postgresql is not installed" };
  }
  const path = join(root, newest, "bin");
  if (process.getuid?.() !== 0) return { path, skip: false, owner: null, user: "tester" };
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { path, skip: false, owner: { uid: id("-u"), gid: id("-g") }, user: "tester" };
}

function startPostgres(port: number): ChildProcess {
  const { owner, path, user } = postgres;
  const data = mkdtempSync(join(tmpdir(), "weft-pg-"));
  if (owner !== null) chownSync(data, owner.uid, owner.gid);
  const options = { cwd: data, stdio: "ignore" as const, ...owner };
  execFileSync(
    join(path, "initdb"),
    ["-D", data, "-U", user, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"],
    options,
  );
  const settings = ["-c", "listen_addresses=127.0.0.1", "-c", `unix_socket_directories=`, "-c", "fsync=off"];
  const server = spawn(join(path, "postgres"), ["-D", data, "-p", `${port}`, ...settings], options);
  server.once("exit", () => rmSync(data, { recursive: true, force: true }));
  return server;
}

/** Resolves when somebody listens there. */
function opens(port: number): Promise<true> {
  return waitUntil(`a server on port ${port}`, () => {
    return new Promise<true>((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1" }, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", reject);
    });
  });
}
