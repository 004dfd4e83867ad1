// WebSocket and CONNECT through real sidecars and an ingress: a client and a server that nobody here wrote.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { within } from "../../src/testing/within.ts";
import { Mesh, ROOT, endProcess, runCommand } from "./mesh.ts";
import { findProgram, findPythonWith } from "./needs.ts";

const MEGABYTE = 1024 * 1024;
const MANY = 200;

const curl = findProgram("curl");
const python = findPythonWith("http.client");

interface Http2Settings {
  readonly enableConnectProtocol?: boolean;
}

interface Close {
  readonly code: number;
  readonly reason: string;
}

for (const runtime of ["bun", "node"] as const) {
  describe(`sidecars on ${runtime}`, () => {
    let mesh: Mesh;
    let outbound: number;
    let ingress: number;

    before(async () => {
      const app = `node ws-peer.mjs`;
      mesh = await Mesh.start({
        runtime,
        yaml: `
mesh: sockets
ingress:
  - { port: 0, service: chat }
services:
  chat: { command: ${app}, env: { APP_MODULES: "${ROOT}" }, allow: [caller] }
  closed: { command: ${app}, env: { APP_MODULES: "${ROOT}" } }
  draining: { command: ${app}, env: { APP_MODULES: "${ROOT}" }, allow: [caller] }
  caller: { command: ${app}, env: { APP_MODULES: "${ROOT}" } }
`,
      });
      outbound = await mesh.outboundPort("caller-0");
      ingress = await mesh.ingressPort();
    });

    after(() => mesh.stop());

    /** As an app would whose HTTP proxy is its sidecar; `host` is the service. */
    function connect(path: string, host: string = "chat", port: number = outbound): WebSocket {
      return new WebSocket(`ws://127.0.0.1:${port}${path}`, ["echo.test"], { headers: { host } });
    }

    async function open(path: string, host?: string, port?: number): Promise<WebSocket> {
      const socket = connect(path, host, port);
      await within(`a WebSocket to ${path}`, once(socket, "open"));
      return socket;
    }

    async function next(socket: WebSocket): Promise<Buffer> {
      const [data] = (await within("a message", once(socket, "message"))) as [Buffer];
      return data;
    }

    async function closed(socket: WebSocket): Promise<Close> {
      const [code, reason] = (await within("the close", once(socket, "close"))) as [number, Buffer];
      return { code, reason: reason.toString() };
    }

    for (const entry of ["a sidecar", "an ingress"] as const) {
      const port = (): number => (entry === "a sidecar" ? outbound : ingress);

      test(`echoes text, bytes and a megabyte through ${entry}`, async () => {
        const socket = await open("/echo", "chat", port());
        assert.equal(socket.protocol, "echo.test");
        socket.send("grüße");
        assert.equal((await next(socket)).toString(), "grüße");
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
        socket.send(bytes);
        assert.deepEqual(await next(socket), bytes);
        const large = Buffer.alloc(MEGABYTE, "0123456789abcdef!");
        socket.send(large);
        assert.ok((await next(socket)).equals(large), "the megabyte came back as it went");
        socket.close(4000, "enough");
        assert.deepEqual(await closed(socket), { code: 4000, reason: "enough" });
        await mesh.line(/closed 4000 enough/);
      });

      test(`carries ping, the server's first word and its close codes through ${entry}`, async () => {
        const socket = await open("/echo", "chat", port());
        socket.ping("are you there");
        const [data] = (await within("the pong", once(socket, "pong"))) as [Buffer];
        assert.equal(data.toString(), "are you there");
        socket.terminate();
        const greeted = connect("/echo?do=greet", "chat", port());
        assert.equal((await next(greeted)).toString(), "hello");
        greeted.close();
        const told = connect("/echo?do=close", "chat", port());
        assert.deepEqual(await closed(told), { code: 4001, reason: "as asked" });
        const broken = connect("/echo?do=die", "chat", port()).on("error", () => undefined);
        assert.equal((await closed(broken)).code, 1006);
      });
    }

    test(`carries ${MANY} sockets at once, each its own messages`, async () => {
      const sockets = await Promise.all(Array.from({ length: MANY }, () => open("/echo")));
      const rounds = sockets.map(async (socket, index) => {
        for (let round = 0; round < 5; round += 1) {
          socket.send(`${index} ${round}`);
          assert.equal((await next(socket)).toString(), `${index} ${round}`);
        }
        socket.close(1000);
        assert.equal((await closed(socket)).code, 1000);
      });
      await Promise.all(rounds);
    });

    test("an app opens a WebSocket to a service by its name", async () => {
      const caller = await appPort("caller-0");
      const answer = await (await fetch(`http://127.0.0.1:${caller}/call?to=chat`)).text();
      assert.equal(answer, "heard by name");
    });

    for (const entry of ["a sidecar", "an ingress"] as const) {
      test(`an HTTP/2 client opens a WebSocket by extended CONNECT through ${entry}`, async () => {
        const session = connectHttp2(`http://127.0.0.1:${entry === "a sidecar" ? outbound : ingress}`);
        const [settings] = (await within("SETTINGS", once(session, "remoteSettings"))) as [Http2Settings];
        assert.equal(settings.enableConnectProtocol, true);
        const stream = session.request({
          ":method": "CONNECT",
          ":protocol": "websocket",
          ":scheme": "http",
          ":authority": "chat",
          ":path": "/echo?do=greet",
          "sec-websocket-version": "13",
          "sec-websocket-protocol": "echo.test",
        });
        const [head] = (await within("the answer", once(stream, "response"))) as [Record<string, unknown>];
        assert.equal(head[":status"], 200);
        assert.equal(head["sec-websocket-protocol"], "echo.test");
        // No key was sent, so no answer to one comes; and what is of HTTP/1.1 stays there.
        assert.deepEqual([head["sec-websocket-accept"], head["upgrade"], head["connection"]], Array(3).fill(undefined));
        // Frames by hand (RFC 6455 section 5.2): the greeting, then "ping" masked with zeros and its echo, then a close.
        assert.deepEqual(await take(stream, 7), Buffer.from("\x81\x05hello", "latin1"));
        stream.write(Buffer.from("\x81\x84\0\0\0\0ping", "latin1"));
        assert.deepEqual(await take(stream, 6), Buffer.from("\x81\x04ping", "latin1"));
        stream.end(Buffer.from("\x88\x82\0\0\0\0\x03\xe8", "latin1"));
        assert.deepEqual(await take(stream, 4), Buffer.from("\x88\x02\x03\xe8", "latin1"));
        await within("the end of the stream", once(stream.resume(), "close"));
        session.close();
      });
    }

    test("a caller without a policy gets 403 instead of a socket", async () => {
      const socket = connect("/echo", "closed").on("error", () => undefined);
      const [, answer] = (await within("the refusal", once(socket, "unexpected-response"))) as [
        unknown,
        { statusCode: number; headers: Record<string, string> },
      ];
      assert.equal(answer.statusCode, 403);
      assert.equal(answer.headers["x-weft-failure"], "access_denied");
      socket.terminate();
    });

    test("curl reaches a service through CONNECT", { skip: curl.skip }, async () => {
      const parameters = ["-s", "-p", "-x", `http://127.0.0.1:${outbound}`, "http://chat/plain", "--max-time", "10"];
      const { code, stdout, stderr } = await runCommand(curl.path, parameters, {
        cwd: mesh.folder,
        env: mesh.environment(),
      });
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "plain GET /plain", stderr: "" });
      const denied = await runCommand(
        curl.path,
        ["-sS", "-p", "-x", `http://127.0.0.1:${outbound}`, "http://closed/", "--max-time", "10"],
        { cwd: mesh.folder, env: mesh.environment() },
      );
      assert.match(denied.stdout, /^weft: access_denied: /);
    });

    test("Python's http.client reaches a service through CONNECT", { skip: python.skip }, async () => {
      const program = [
        "import http.client",
        `connection = http.client.HTTPConnection("127.0.0.1", ${outbound})`,
        'connection.set_tunnel("chat", 80)',
        'connection.request("GET", "/from-python")',
        "print(connection.getresponse().read().decode())",
      ].join("\n");
      const { code, stdout, stderr } = await runCommand(python.path, ["-c", program], {
        cwd: mesh.folder,
        env: mesh.environment(),
      });
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "plain GET /from-python\n", stderr: "" });
    });

    test("a sidecar that drains ends its sockets properly", async () => {
      const socket = await open("/echo", "draining");
      socket.send("before");
      assert.equal((await next(socket)).toString(), "before");
      const errors: unknown[] = [];
      socket.on("error", (error) => errors.push(error));
      const end = closed(socket);
      endProcess(mesh.processId("proxy of draining-0"), "SIGTERM");
      socket.send("meanwhile");
      assert.equal((await next(socket)).toString(), "meanwhile");
      // No Close frame can be put into a stream of somebody else's: 1006 says that the connection ended without one.
      assert.equal((await end).code, 1006);
      assert.deepEqual(errors, [], "a FIN, not a reset");
    });

    async function appPort(workload: string): Promise<number> {
      const config = JSON.stringify(await mesh.api().proxyConfig(`default/${workload}`));
      return Number(/"inbound\/(\d+)"/.exec(config)?.[1] ?? assert.fail(`no app port of ${workload}`));
    }
  });
}

/** Exactly the next `count` bytes. */
async function take(stream: NodeJS.ReadableStream, count: number): Promise<Buffer> {
  for (;;) {
    const bytes = stream.read(count) as Buffer | null;
    if (bytes !== null) return bytes;
    await within(`${count} bytes`, once(stream, "readable"));
  }
}
