import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { acquireStateLock } from "./state-lock.ts";

const folders = mkdtempSync(join(tmpdir(), "weft-lock-"));
after(() => rmSync(folders, { recursive: true, force: true }));
let count = 0;

function createFolder(): string {
  count += 1;
  const folder = join(folders, String(count));
  mkdirSync(folder);
  return folder;
}

/** The pid of a process that has ended. */
async function findDeadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}

test("acquireStateLock() refuses a second holder, names the first and lets it in after release", () => {
  const folder = createFolder();
  const lock = acquireStateLock(folder);
  assert.throws(() => acquireStateLock(folder), {
    code: "WEFT_CONTROL_LOCKED",
    message: new RegExp(`process ${process.pid};`),
  });
  lock.release();
  assert.equal(existsSync(join(folder, "lock")), false);
  acquireStateLock(folder).release();
});

test("acquireStateLock() leaves one private file and nothing else", () => {
  const folder = createFolder();
  const lock = acquireStateLock(folder);
  assert.deepEqual(readdirSync(folder), ["lock"]);
  assert.equal(statSync(join(folder, "lock")).mode & 0o777, 0o600);
  lock.release();
});

test("acquireStateLock() takes over from a holder that died", async () => {
  const folder = createFolder();
  writeFileSync(join(folder, "lock"), JSON.stringify({ pid: await findDeadPid(), birth: null, nonce: "a" }));
  acquireStateLock(folder).release();
  assert.deepEqual(readdirSync(folder), []);
});

test(
  "acquireStateLock() is not fooled by a pid that another process has now",
  { skip: process.platform === "linux" ? false : "needs /proc" },
  () => {
    const folder = createFolder();
    writeFileSync(join(folder, "lock"), JSON.stringify({ pid: process.pid, birth: "another-boot/1", nonce: "a" }));
    acquireStateLock(folder).release();
  },
);

test("acquireStateLock() believes a living pid of unknown birth", () => {
  const folder = createFolder();
  writeFileSync(join(folder, "lock"), JSON.stringify({ pid: process.pid, birth: null, nonce: "a" }));
  assert.throws(() => acquireStateLock(folder), { code: "WEFT_CONTROL_LOCKED" });
});

test("acquireStateLock() refuses a lock it cannot read, and says what to remove", () => {
  const folder = createFolder();
  for (const content of ["", "{", "null", `{"pid":"1"}`, `{"pid":-1}`]) {
    writeFileSync(join(folder, "lock"), content);
    assert.throws(() => acquireStateLock(folder), { code: "WEFT_CONTROL_LOCKED", hint: /remove ".*lock"/ }, content);
    assert.equal(readFileSync(join(folder, "lock"), "utf8"), content);
  }
});

test("StateLock.release() leaves the lock of somebody else alone", () => {
  const folder = createFolder();
  const lock = acquireStateLock(folder);
  writeFileSync(join(folder, "lock"), "other");
  lock.release();
  assert.equal(readFileSync(join(folder, "lock"), "utf8"), "other");
});
