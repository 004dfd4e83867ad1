import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemRandom } from "../../random/system-random.ts";
import { readSealingKey, SealingKey } from "./sealing-key.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-seal-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const key = new SealingKey(Buffer.alloc(32, 1), systemRandom);

test("SealingKey.open() gives back what seal() took, and shows nothing of it in between", () => {
  for (const secret of ["", "x", "-----BEGIN PRIVATE KEY-----", "ü".repeat(10_000)]) {
    const sealed = key.seal("ca/root.pem", secret);
    assert.equal(key.open("ca/root.pem", sealed), secret);
    assert.notEqual(key.seal("ca/root.pem", secret), sealed);
    if (secret.length > 1) assert.ok(!Buffer.from(sealed.slice(2), "base64url").includes(secret));
  }
});

test("SealingKey.open() gives null for another key, another name, and anything changed", () => {
  const sealed = key.seal("ca/root.pem", "secret");
  assert.equal(new SealingKey(Buffer.alloc(32, 2), systemRandom).open("ca/root.pem", sealed), null);
  assert.equal(key.open("ca/other.pem", sealed), null);
  assert.equal(key.open("ca/root.pem", sealed.slice(2)), null);
  assert.equal(key.open("ca/root.pem", ""), null);
  assert.equal(key.open("ca/root.pem", "1."), null);
  for (let at = 2; at < sealed.length - 1; at += 1) {
    const changed = sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1);
    assert.equal(key.open("ca/root.pem", changed), null, `character ${at}`);
  }
});

test("readSealingKey() takes 32 private bytes in base64 and nothing else", () => {
  const path = join(folder, "key");
  const missing = { code: "WEFT_SECRETS_KEY", message: /found no file; expected 32 bytes in base64$/ };
  assert.throws(() => readSealingKey(path, systemRandom), missing);
  const bytes = Buffer.alloc(32, 1);
  writeFileSync(path, `${bytes.toString("base64")}\n`, { mode: 0o600 });
  assert.equal(readSealingKey(path, systemRandom).open("a/b", key.seal("a/b", "x")), "x");
  chmodSync(path, 0o644);
  assert.throws(() => readSealingKey(path, systemRandom), { code: "WEFT_STATE_PERMISSIONS" });
  chmodSync(path, 0o600);
  writeFileSync(path, bytes.subarray(1).toString("base64"));
  assert.throws(() => readSealingKey(path, systemRandom), { code: "WEFT_SECRETS_KEY", message: /found 31 bytes/ });
});
