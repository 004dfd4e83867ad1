// gRPC's C core, by Python, at either end of a mesh: its client enters by CONNECT (http_proxy).
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { GRPC_SCENARIOS } from "./grpc-scenarios.ts";
import { Mesh, ROOT } from "./mesh.ts";
import { findPythonWith } from "./needs.ts";

/** Those that need no counting server. */
const CALL_KINDS = GRPC_SCENARIOS.slice(1, 10);

const EXPECTED = {
  unary: ["hello", "from python", true],
  large: [4_194_304, 4_194_304],
  clientStream: [50, 50_000],
  serverStream: [100, 100_000],
  bidi: Array.from({ length: 20 }, (_, index) => String(index)),
  error: ["NOT_FOUND", "nothing: größer %"],
};

const python = findPythonWith("grpc");

for (const runtime of ["bun", "node"] as const) {
  describe(`gRPC's C core through sidecars on ${runtime}`, { skip: python.skip }, () => {
    let mesh: Mesh;
    let driverPort: number;

    before(async () => {
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: python
services:
  driver: { command: node grpc-driver.mjs, env: { APP_MODULES: "${ROOT}" } }
  echo: { command: node grpc-echo.mjs, env: { APP_MODULES: "${ROOT}" }, allow: [caller] }
  snake: { command: "${python.path} grpc-peer.py serve", allow: [caller, driver] }
  locked: { command: "${python.path} grpc-peer.py serve", allow: [] }
`,
      });
      driverPort = Number((await mesh.line(/grpc-driver listens on (\d+)/))[1]);
    });

    after(() => mesh.stop());

    for (const service of ["echo", "snake"]) {
      test(`a Python client calls ${service}`, async () => {
        const { stdout, stderr } = await run(["call", `${service}:80`]);
        assert.deepEqual(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""), EXPECTED, stderr);
      });
    }

    for (const scenario of CALL_KINDS) {
      test(`a Python server, called by grpc-js: ${scenario.title}`, () =>
        scenario.run({ driverPort, target: "snake:80" }));
    }

    test("a Python client that nothing allows is told so", async () => {
      const { stdout, stderr } = await run(["status", "locked:80"]);
      const [code, details] = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as [string, string];
      assert.equal(code, "PERMISSION_DENIED", stderr);
      assert.match(details, /^weft: access_denied: /);
    });

    const run = (parameters: readonly string[]): ReturnType<Mesh["weft"]> =>
      mesh.weft(["run", "caller", "--", python.path, "grpc-peer.py", ...parameters]);
  });
}
