import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openPrivateFolder, readPrivateFile, writePrivateFile } from "./private-files.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-private-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("openPrivateFolder() makes a folder for its owner alone, parents included", () => {
  const path = join(folder, "a", "b");
  openPrivateFolder(path);
  openPrivateFolder(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, "a")).mode & 0o777, 0o700);
});

test("openPrivateFolder() refuses a folder that others may enter, with the command that mends it", () => {
  const path = join(folder, "open");
  mkdirSync(path);
  chmodSync(path, 0o701);
  assert.throws(() => openPrivateFolder(path), {
    code: "WEFT_STATE_PERMISSIONS",
    message: /found mode 0701; expected 0700/,
    hint: `chmod 0700 "${path}"`,
  });
});

test("openPrivateFolder() refuses a link, and a file in its place", () => {
  const [link, file] = [join(folder, "link"), join(folder, "file")];
  symlinkSync(folder, link);
  writeFileSync(file, "");
  assert.throws(() => openPrivateFolder(link), { code: "WEFT_STATE_PERMISSIONS" });
  assert.throws(() => openPrivateFolder(file), { code: "WEFT_STATE_FOLDER" });
  assert.throws(() => openPrivateFolder(join(file, "below")), { code: "WEFT_STATE_FOLDER" });
});

test("writePrivateFile() replaces the file whole, private, and leaves nothing else", async () => {
  const path = join(folder, "whole", "secret");
  openPrivateFolder(join(folder, "whole"));
  await writePrivateFile(path, "first, and longer");
  await writePrivateFile(path, "second");
  assert.equal(readPrivateFile(path), "second");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(folder, "whole")), ["secret"]);
});

test("writePrivateFile() leaves a whole text when many write at once", async () => {
  const path = join(folder, "race");
  const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
  await Promise.all(texts.map((text) => writePrivateFile(path, text)));
  assert.ok(texts.includes(readPrivateFile(path) ?? ""));
});

test("writePrivateFile() says why it cannot write", async () => {
  await assert.rejects(writePrivateFile(join(folder, "missing", "secret"), "x"), {
    code: "WEFT_STATE_WRITE",
    message: /ENOENT/,
  });
});

test("readPrivateFile() gives null for no file, and refuses one that others may read", () => {
  assert.equal(readPrivateFile(join(folder, "nothing")), null);
  const path = join(folder, "shared");
  writeFileSync(path, "x");
  chmodSync(path, 0o640);
  assert.throws(() => readPrivateFile(path), { code: "WEFT_STATE_PERMISSIONS", hint: `chmod 0600 "${path}"` });
});
