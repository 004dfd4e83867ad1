// Datagrams through two sidecars: callers find the service by its environment variables, whatever language they are in.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { call } from "./http-call.ts";
import { Mesh } from "./mesh.ts";
import { findProgram } from "./needs.ts";
import { waitUntil } from "./wait-until.ts";

interface Answer {
  readonly answers: number;
  readonly isRight: boolean;
  readonly last: string;
}

const python = findProgram("python3");
const PYTHON_ECHO = [
  "import os, socket",
  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
  "s.bind(('127.0.0.1', int(os.environ['PORT'])))",
  "while True:",
  "    b, a = s.recvfrom(65535)",
  "    s.sendto(b'python ' + b, a)",
].join("\n");

for (const runtime of ["node", "bun"] as const) {
  describe(`UDP on ${runtime}`, { concurrency: false }, () => {
    let mesh: Mesh;
    const programs: ChildProcess[] = [];

    before(async () => {
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: udp
ingress:
  - { port: 0, service: caller }
services:
  dns: { command: node udp-echo.mjs, protocol: udp, port: 53, replicas: 2, allow: [caller] }
  closed: { command: node udp-echo.mjs, protocol: udp, port: 53, allow: [] }
  caller: { command: node udp-caller.mjs, allow: [ingress] }
${python.path === "" ? "" : `  snake: { command: "${python.path} -c \\"$SNAKE\\"", env: { SNAKE: ${JSON.stringify(PYTHON_ECHO)} }, protocol: udp, port: 9, allow: [caller] }`}
`,
      });
    });

    after(async () => {
      for (const program of programs) program.kill("SIGTERM");
      await mesh.stop();
    });

    async function ask(query: string): Promise<Answer> {
      const { status, body } = await call({ port: await mesh.ingressPort(), host: "caller", path: `/?${query}` });
      assert.equal(status, 200, body);
      return JSON.parse(body) as Answer;
    }

    function logs(workload: string, pattern: RegExp): Promise<true> {
      const file = join(mesh.home, "logs", `${workload}.access.log`);
      return waitUntil(`${String(pattern)} in ${file}`, () => pattern.test(readFileSync(file, "utf8")));
    }

    test("a datagram and its answer", async () => {
      assert.deepEqual(await ask("to=dns&text=hello"), { answers: 1, isRight: true, last: "hello" });
    });

    test("1,000 datagrams of many sizes in one flow, each answered as it was", async () => {
      const { answers, isRight } = await ask("to=dns&count=1000&bytes=9000");
      assert.deepEqual([answers, isRight], [1000, true]);
      const dropped = await mesh.metric("caller-0", 'weft_udp_datagram_total{result="dropped"}');
      assert.equal(dropped, 0);
    });

    test("a Node app sends to the name of the service", async () => {
      for (const to of ["dns", "dns.default", "DNS.default.svc.cluster.local."]) {
        assert.equal((await ask(`to=${to}&text=hello&port=53`)).last, "hello", to);
      }
    });

    test("a service in Python", { skip: python.skip }, async () => {
      assert.equal((await ask("to=snake&text=hello")).last, "python hello");
    });

    test("who is not allowed gets no answer, and the log says why", async () => {
      assert.equal((await ask("to=closed&text=hello")).answers, 0);
      await logs("caller-0", /"protocol":"udp".*"failure":"access_denied".*a UDPRoute rule would/);
    });

    test("flows go to all instances, and to the one that is left when the other is killed", async () => {
      const ask1 = (): Promise<string> => ask("to=dns&text=whoami").then(({ last }) => last);
      const seen = new Set<string>();
      await waitUntil("both instances have answered", async () => seen.add(await ask1()).size === 2);
      const killed = mesh.processId("proxy of dns-0");
      process.kill(killed, "SIGKILL");
      const answers: string[] = [];
      for (let asked = 0; asked < 20; asked += 1) answers.push(await ask1());
      assert.ok(
        answers.every((answer) => seen.has(answer)),
        answers.join(),
      );
    });

    test("stat tells of flows that have ended", async () => {
      await waitUntil("a row of UDP", async () => {
        const { stdout } = await mesh.weft(["stat"]);
        return /outbound\s+caller\s+closed\s.*udp.*access_denied/.test(stdout);
      });
    });

    describe("a Service with one number for TCP and UDP", () => {
      let port: number;

      before(async () => {
        const api = mesh.api();
        const metadata = { name: "both", namespace: "default" };
        const ports = [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP", appProtocol: "tcp" },
        ];
        await api.apply({ apiVersion: "v1", kind: "Service", metadata, spec: { ports } });
        run("both", ["--protocol", "udp", "--", "node", "udp-echo.mjs"]);
        run("both", ["--protocol", "tcp", "--", "node", "tcp-echo.mjs"]);
        const prober = run("prober", ["--", "node", "udp-caller.mjs"]);
        port = await new Promise<number>((resolve) => {
          let text = "";
          prober.stderr?.on("data", (chunk: Buffer) => {
            text += chunk.toString();
            const found = /its port: (\d+)/.exec(text)?.[1];
            if (found !== undefined) resolve(Number(found));
          });
        });
      });

      function run(service: string, more: readonly string[]): ChildProcess {
        const program = mesh.spawnWeft(["run", service, ...more]);
        programs.push(program);
        return program;
      }

      async function allow(kind: "TCPRoute" | "UDPRoute", ports: readonly number[]): Promise<void> {
        const metadata = { name: "both", namespace: "default" };
        await mesh.api().apply({
          apiVersion: "specs.smi-spec.io/v1alpha4",
          kind,
          metadata,
          spec: { matches: { ports } },
        });
        await mesh.api().apply({
          apiVersion: "access.smi-spec.io/v1alpha4",
          kind: "TrafficTarget",
          metadata,
          spec: {
            destination: { kind: "ServiceAccount", name: "both", namespace: "default" },
            rules: [{ kind, name: "both" }],
            sources: [{ kind: "ServiceAccount", name: "prober", namespace: "default" }],
          },
        });
      }

      async function probe(path: string): Promise<number> {
        const { body } = await call({ port, host: "prober", path });
        return (JSON.parse(body) as Answer).answers;
      }

      const udp = (): Promise<number> => probe("/?to=both&text=hello");
      const tcp = (): Promise<number> => probe("/tcp?to=both&port=53");

      test("A21, A22: a UDPRoute opens UDP and no TCP", async () => {
        await allow("UDPRoute", [53]);
        await waitUntil("UDP is open", async () => (await udp()) === 1, 30_000);
        assert.equal(await tcp(), 0);
      });

      test("A21: a TCPRoute opens TCP and no UDP", async () => {
        await allow("TCPRoute", [53]);
        await waitUntil("TCP is open", async () => (await tcp()) === 1, 30_000);
        assert.equal(await udp(), 0);
      });

      test("A21: a UDPRoute for another port opens nothing", async () => {
        await allow("UDPRoute", [54]);
        await waitUntil("TCP is closed", async () => (await tcp()) === 0, 30_000);
        assert.equal(await udp(), 0);
      });
    });
  });
}
