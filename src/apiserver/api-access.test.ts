import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { findHome, readApiAccess, writeApiAccess } from "./api-access.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-access-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ENDPOINTS = { api: "http://127.0.0.1:9338", xds: "127.0.0.1:9339", pid: 4711 };

test("findHome() takes WEFT_HOME, else looks beside the nearest weft.yaml upward, else here", () => {
  const deep = join(folder, "shop", "web", "src");
  mkdirSync(deep, { recursive: true });
  assert.equal(findHome({ cwd: deep }), join(deep, ".weft"));
  writeFileSync(join(folder, "weft.yaml"), "");
  assert.equal(findHome({ cwd: deep }), join(folder, ".weft"));
  writeFileSync(join(folder, "shop", "weft.yaml"), "");
  assert.equal(findHome({ cwd: deep }), join(folder, "shop", ".weft"));
  assert.equal(findHome({ cwd: deep, weftHome: "" }), join(folder, "shop", ".weft"));
  assert.equal(findHome({ cwd: deep, weftHome: "state" }), join(deep, "state"));
  assert.equal(findHome({ cwd: deep, weftHome: "/var/lib/weft" }), "/var/lib/weft");
});

test("writeApiAccess() writes what readApiAccess() reads, readable by this user only", () => {
  const home = join(folder, ".weft");
  writeApiAccess({ home, endpoints: ENDPOINTS, token: "first" });
  writeApiAccess({ home, endpoints: ENDPOINTS, token: "secret" });
  assert.deepEqual(readApiAccess(home), { home, endpoints: ENDPOINTS, token: "secret" });
  for (const file of ["token", "endpoints.json"]) assert.equal(statSync(join(home, file)).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(home, "token"), "utf8"), "secret\n");
});

test("readApiAccess() says that no mesh was started, and what to do", () => {
  const home = join(folder, ".weft");
  assert.throws(() => readApiAccess(home), {
    code: "WEFT_API_NOT_STARTED",
    message: `Cannot find a mesh in ${home}: ${home}/endpoints.json does not exist; expected it to be written by \`weft up\``,
    hint: /WEFT_HOME or --home/,
  });
});

test("readApiAccess() refuses files that are damaged", () => {
  const home = join(folder, ".weft");
  writeApiAccess({ home, endpoints: ENDPOINTS, token: "secret" });
  writeFileSync(join(home, "token"), "\n");
  assert.throws(() => readApiAccess(home), {
    code: "WEFT_API_ACCESS",
    message: /found an empty file; expected the API token/,
  });
  for (const text of ["{", "null", "[]", '{"api":"no url","xds":"a:1","pid":1}', '{"api":"http://127.0.0.1:1"}']) {
    writeFileSync(join(home, "endpoints.json"), text);
    assert.throws(() => readApiAccess(home), { code: "WEFT_API_ACCESS" }, text);
  }
});
