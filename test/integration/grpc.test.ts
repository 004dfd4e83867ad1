// gRPC as its users meet it: grpc-js at both ends, through two sidecars, and without a mesh to see that the tests hold.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import type { StatRow } from "../../src/control/views.ts";
import { drive } from "./drive.ts";
import { call, type CallResult, find, GRPC_SCENARIOS, type GrpcPlace } from "./grpc-scenarios.ts";
import { endProcess, Mesh, ROOT } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

const OK = 0;
const PERMISSION_DENIED = 7;
const UNAVAILABLE = 14;
const LOAD_PARALLEL = 16;
const LOAD_CALLS = 300;

interface ManyResult {
  readonly instances: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

interface LoadResult {
  readonly ok: number;
  readonly failures: readonly CallResult[];
}

describe("gRPC without a mesh", () => {
  const children: ChildProcess[] = [];
  let place: GrpcPlace;

  before(async () => {
    const server = await startApp("grpc-echo.mjs");
    const driver = await startApp("grpc-driver.mjs");
    children.push(server.child, driver.child);
    place = { driverPort: driver.port, target: `127.0.0.1:${server.port}` };
  });

  after(async () => {
    for (const child of children) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  });

  for (const scenario of GRPC_SCENARIOS) test(scenario.title, () => scenario.run(place));
});

for (const runtime of ["bun", "node"] as const) {
  describe(`gRPC through sidecars on ${runtime}`, () => {
    let mesh: Mesh;
    let driverPort: number;

    before(async () => {
      const app = (more: string): string => `{ command: node grpc-echo.mjs, env: { APP_MODULES: "${ROOT}" }, ${more} }`;
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: calls
services:
  driver: { command: node grpc-driver.mjs, env: { APP_MODULES: "${ROOT}" } }
  echo: ${app("allow: [driver]")}
  declared: ${app("allow: [driver], protocol: grpc")}
  many: ${app("allow: [driver], replicas: 3")}
  locked: ${app("allow: []")}
`,
      });
      driverPort = Number((await mesh.line(/grpc-driver listens on (\d+)/))[1]);
    });

    after(() => mesh.stop());

    for (const scenario of GRPC_SCENARIOS) {
      test(scenario.title, () => scenario.run({ driverPort, target: "echo:80" }));
    }

    test("an app that is declared to speak gRPC", async () => {
      for (const scenario of GRPC_SCENARIOS.slice(0, 7)) await scenario.run({ driverPort, target: "declared:80" });
    });

    test("the calls of one connection go to all instances", async () => {
      const options = { target: "many:80", count: 300, parallel: 10 };
      const { instances, failures } = (await drive(driverPort, "many", options)) as ManyResult;
      assert.deepEqual(failures, []);
      assert.equal(Object.keys(instances).length, 3);
      for (const [instance, count] of Object.entries(instances)) {
        // By load and latency, which are never quite alike.
        assert.ok(count >= 3, `${instance} answered ${count} of 300`);
      }
    });

    test("a service without a ready instance is UNAVAILABLE, in weft's words", async () => {
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "ghost" },
        spec: { ports: [{ port: 80 }] },
      };
      assert.equal((await mesh.weft(["apply", "-f", "-"], JSON.stringify(service))).code, 0);
      const result = await waitUntil("the sidecar knows ghost", async () => {
        const found = await call(driverPort, "unary", { target: "ghost:80" });
        return find(found.trailers, "x-weft-failure") === "no_endpoint" ? found : null;
      });
      assert.equal(result.code, UNAVAILABLE);
      assert.match(result.details, /^weft: no_endpoint: The service has no ready instance\./);
    });

    test("a call that nothing allows is PERMISSION_DENIED, in weft's words", async () => {
      const result = await call(driverPort, "unary", { target: "locked:80" });
      assert.equal(result.code, PERMISSION_DENIED, result.details);
      assert.match(result.details, /^weft: access_denied: No policy allows this caller to make this request\./);
      assert.equal(find(result.trailers, "x-weft-failure"), "access_denied");
    });

    test("a service that does not exist is told from one without instances", async () => {
      const { code, details, trailers } = await call(driverPort, "unary", { target: "nobody:80" });
      assert.notEqual(code, OK, details);
      assert.notEqual(find(trailers, "x-weft-failure"), "no_endpoint");
    });

    test("gRPC's own status decides what counts as a success", async () => {
      const target = "declared:80";
      const codes = [0, 5, 13, 14];
      for (const status of codes)
        await call(driverPort, "unary", { target, request: { status, details: "asked for" } });
      const rows = await waitUntil("the failed calls are counted", async () => {
        const found = await mesh.weft(["stat", "-o", "json", "--to", "declared", "--outbound"]);
        const { items } = JSON.parse(found.stdout) as { readonly items: readonly StatRow[] };
        return items.some((row) => row.protocol === "grpc" && row.failures >= 2) ? items : null;
      });
      const row = rows.find((candidate) => candidate.protocol === "grpc");
      // NOT_FOUND is the caller's affair; INTERNAL and UNAVAILABLE are the service's, like the DATA_LOSS of a scenario.
      assert.ok(row !== undefined && row.failures < row.requests, JSON.stringify(rows));
      assert.deepEqual(
        rows.filter((candidate) => candidate.protocol === "http"),
        [],
      );
      const log = readFileSync(join(mesh.home, "logs", "driver-0.access.log"), "utf8");
      const logged = log
        .split("\n")
        .filter((line) => line.includes('"default/declared"') && line.includes("/weft.test.Echo/unary"))
        .map((line) => JSON.parse(line) as { readonly status: number; readonly grpcStatus: number });
      for (const status of codes) {
        assert.ok(
          logged.some((line) => line.grpcStatus === status && line.status === 200),
          `the access log tells gRPC status ${status}`,
        );
      }
    });

    test("an instance killed under load costs no call that may be made again", async (t) => {
      const target = "many:80";
      await drive(driverPort, "startLoad", { target, parallel: LOAD_PARALLEL });
      await progress(driverPort, target, LOAD_CALLS);
      endProcess(-mesh.processId("many-1"), "SIGKILL");
      await progress(driverPort, target, LOAD_CALLS);
      endProcess(-mesh.processId("proxy of many-2"), "SIGKILL");
      await progress(driverPort, target, LOAD_CALLS * 3);
      const { ok, failures } = (await drive(driverPort, "stopLoad", { target })) as LoadResult;
      t.diagnostic(`${ok} calls answered, ${failures.length} failed: ${JSON.stringify(summarise(failures))}`);
      // A call that the killed instance may have begun is not made again: POST is not idempotent.
      for (const { code, trailers, details } of failures) {
        const failure = find(trailers, "x-weft-failure");
        assert.equal(code, UNAVAILABLE, details);
        assert.equal(failure, "upstream_reset", details);
      }
      assert.ok(failures.length <= 2 * LOAD_PARALLEL, `${failures.length} calls were under way`);
    });

    test("nothing is left in flight", () => mesh.waitUntilIdle());
  });
}

async function progress(driverPort: number, target: string, more: number): Promise<void> {
  const read = async (): Promise<number> => {
    const { ok, failed } = (await drive(driverPort, "progress", { target })) as { ok: number; failed: number };
    return ok + failed;
  };
  const start = await read();
  await waitUntil(`${more} more calls`, async () => (await read()) >= start + more);
}

function summarise(failures: readonly CallResult[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { code, trailers } of failures) {
    const name = `${code} ${find(trailers, "x-weft-failure") ?? "-"}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

async function startApp(file: string): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, [join(ROOT, "test", "integration", "apps", file)], {
    env: { PATH: process.env["PATH"], PORT: "0", APP_MODULES: ROOT },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, port: Number(/listens on (\d+)$/.exec(line)?.[1]) };
}
