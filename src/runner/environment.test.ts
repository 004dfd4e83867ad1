import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createCaptureEnvironment } from "./capture-environment.ts";
import { createOwnProcessEnvironment, readEnvironment } from "./environment.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-environment-"));
after(() => rmSync(folder, { recursive: true }));

const NODE = process.versions["bun"] === undefined ? process.execPath : "node";
const SETTINGS = { outbound: { address: "127.0.0.1", port: 15_001 }, udp: [], namesFile: "/state/names.json" };

test("createCaptureEnvironment() sends HTTP clients to the sidecar, and not for this machine", () => {
  const environment = createCaptureEnvironment({}, SETTINGS, "/weft/preload.cjs");
  assert.deepEqual(environment, {
    NODE_OPTIONS: '--require "/weft/preload.cjs"',
    http_proxy: "http://127.0.0.1:15001",
    HTTP_PROXY: "http://127.0.0.1:15001",
    no_proxy: "localhost,127.0.0.1,::1",
    NO_PROXY: "localhost,127.0.0.1,::1",
    WEFT_NAMES: "/state/names.json",
    WEFT_OUTBOUND: "127.0.0.1:15001",
  });
});

test("createCaptureEnvironment() keeps the user's NODE_OPTIONS and no_proxy", () => {
  const environment = createCaptureEnvironment(
    { NODE_OPTIONS: "--max-old-space-size=512", no_proxy: ".corp, 127.0.0.1,db" },
    SETTINGS,
    "/p.cjs",
  );
  assert.equal(environment["NODE_OPTIONS"], '--max-old-space-size=512 --require "/p.cjs"');
  assert.equal(environment["no_proxy"], "localhost,127.0.0.1,::1,.corp,db");
});

test("createCaptureEnvironment() quotes a preload whose path has spaces, quotes and backslashes so that Node finds it", () => {
  const odd = join(folder, 'a b "c" \\d');
  mkdirSync(odd);
  const preload = join(odd, "preload.cjs");
  writeFileSync(preload, "globalThis.isLoaded = true;");
  const environment = { ...readEnvironment(), ...createCaptureEnvironment({}, SETTINGS, preload) };
  const printed = execFileSync(NODE, ["-p", "globalThis.isLoaded"], { env: environment, encoding: "utf8" });
  assert.equal(printed.trim(), "true");
});

test("createOwnProcessEnvironment() keeps proxies and options of the user away from weft's own processes", () => {
  const environment = createOwnProcessEnvironment(
    {
      PATH: "/bin",
      NODE_OPTIONS: "--inspect",
      http_proxy: "http://corp:3128",
      HTTPS_PROXY: "http://corp:3128",
      ALL_PROXY: "x",
      grpc_proxy: "x",
      no_proxy: "y",
      no_grpc_proxy: "y",
      WEFT_NAMES: "/other/names.json",
      UNSET: undefined,
    },
    "/home/compile-cache",
  );
  assert.deepEqual(environment, { PATH: "/bin", NODE_COMPILE_CACHE: "/home/compile-cache" });
});
