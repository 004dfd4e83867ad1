import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readApiAccess } from "../apiserver/api-access.ts";
import { formatRunFolder, openHome, openLog } from "./home.ts";
import { lockHome } from "./home-lock.ts";

const root = mkdtempSync(join(tmpdir(), "weft-home-"));
after(() => rmSync(root, { recursive: true }));

function createFolder(): string {
  return mkdtempSync(join(root, "home-"));
}

/** The number of a process that has ended. */
function deadPid(): number {
  const { pid } = spawnSync("true");
  return pid;
}

test("openHome() refuses a home that a running process holds, and says which", () => {
  const path = createFolder();
  const home = openHome(path);
  assert.throws(() => openHome(path), {
    code: "WEFT_UP_RUNNING",
    message: `Cannot start the mesh of "${path}": found \`weft up\` running already, process ${process.pid}; expected none`,
    hint: `Look at it with \`weft stat\`, add a service to it with \`weft run\`, or stop it first: kill ${process.pid}`,
  });
  home.close();
  openHome(path).close();
});

test("lockHome() takes over the lock of a process that is gone, of an earlier one with its number, and a broken one", () => {
  const path = createFolder();
  const stale = [{ pid: deadPid(), stamp: null }, { pid: process.pid, stamp: "another start" }, "not a lock"];
  for (const content of stale) {
    writeFileSync(join(path, "lock"), JSON.stringify(content));
    const lock = lockHome(path);
    assert.equal((JSON.parse(readFileSync(join(path, "lock"), "utf8")) as { pid: number }).pid, process.pid);
    lock.release();
    assert.equal(existsSync(join(path, "lock")), false);
  }
});

test("openHome() keeps the token and hides everything from others", () => {
  const path = join(createFolder(), "new", ".weft");
  const first = openHome(path);
  const urls = { local: "http://127.0.0.1:1", localTls: "https://127.0.0.1:1", server: "https://10.0.0.1:1" };
  const published = { api: urls.local, xds: "127.0.0.1:2", urls, caPem: "PEM", mesh: "shop" } as const;
  first.publish({ ...published, serverCertificate: "mesh" });
  const kubeconfig = join(path, "kubeconfig");
  assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
  assert.match(readFileSync(kubeconfig, "utf8"), /server: https:\/\/127\.0\.0\.1:1\n/);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(join(path, "token")).mode & 0o777, 0o600);
  assert.deepEqual(readApiAccess(path), {
    home: path,
    token: first.token,
    caPem: "PEM",
    endpoints: {
      api: "http://127.0.0.1:1",
      xds: "127.0.0.1:2",
      pid: process.pid,
      server: urls.server,
      serverCertificate: "mesh",
      mesh: "shop",
    },
  });
  assert.match(first.token, /^[\w-]{43}$/);
  first.close();
  assert.equal(existsSync(join(path, "endpoints.json")), false);
  const second = openHome(path);
  assert.equal(second.token, first.token);
  second.close();
});

test("openHome() refuses a home that others may enter", () => {
  const path = createFolder();
  chmodSync(path, 0o755);
  assert.throws(() => openHome(path), { code: "WEFT_STATE_PERMISSIONS" });
});

test("openHome() removes what a killed weft run left behind, and leaves a living one alone", () => {
  const path = createFolder();
  const dead = formatRunFolder(path, deadPid());
  const living = formatRunFolder(path, process.pid);
  for (const folder of [dead, living]) mkdirSync(folder, { recursive: true });
  openHome(path).close();
  assert.equal(existsSync(dead), false);
  assert.equal(existsSync(living), true);
});

test("openLog() moves a log aside that has grown too long", () => {
  const path = createFolder();
  mkdirSync(join(path, "logs"));
  const log = openLog(path, "web-0");
  writeFileSync(log, Buffer.alloc(17 * 1024 * 1024));
  assert.equal(openLog(path, "web-0"), log);
  assert.equal(existsSync(log), false);
  assert.equal(existsSync(`${log}.1`), true);
});
