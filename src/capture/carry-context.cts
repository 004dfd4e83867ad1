// Carries what a request says about its deadline and its trace (`request-context.cts`) to the calls that a Node app makes
// on its behalf, with no code change: HTTP/1.1 and HTTP/2 servers, grpc-js; `http.request`, `fetch`, undici, HTTP/2 clients.
// Calls to hosts outside the mesh get nothing. It hangs on prototypes that every shape of import shares, touches a kind of
// client only when the app uses it, and where anything is not as expected the app goes on as without it.

const { AsyncLocalStorage } = require("node:async_hooks") as typeof import("node:async_hooks");
const diagnostics = require("node:diagnostics_channel") as typeof import("node:diagnostics_channel");
const net = require("node:net") as typeof import("node:net");
const { followGrpcCalls } = require("./carry-grpc.cjs") as {
  followGrpcCalls(options: { currentContext(): Context | undefined; isMeshName(host: string): boolean }): boolean;
};
const { RequestContext, isGrpcType, nowMs } = require("./request-context.cjs") as ContextModule;

interface Context {
  markAnswered(): void;
  fieldsFor(has: (name: string) => boolean, isGrpc: boolean): readonly (readonly [string, string])[];
}

interface ContextModule {
  readonly RequestContext: { read(fields: Fields, atMs: number): Context | null };
  isGrpcType(contentType: unknown): boolean;
  nowMs(): number;
}

interface CarryOptions {
  /** Whether a host is a name of the mesh; asked for every call. */
  isMeshName(host: string): boolean;
  /** Where the sidecar takes what apps send by `http_proxy`. */
  readonly sidecarHost: string;
}

type Fields = Readonly<Record<string, string | readonly string[] | number | undefined>>;
type Method = (this: object, ...parameters: unknown[]) => unknown;

interface Emitter {
  emit: Method;
  once(event: string, listener: (this: Emitter) => void): unknown;
  [CONTEXT]?: Context;
}

interface OutgoingRequest {
  readonly method?: unknown;
  readonly host?: unknown;
  readonly path?: unknown;
  hasHeader(name: string): boolean;
  setHeader(name: string, value: string): unknown;
}

interface UndiciRequest {
  readonly origin?: unknown;
  /** Name, value, name, value; one text in old versions. */
  readonly headers?: unknown;
  addHeader?(name: string, value: string): unknown;
}

const CONTEXT: unique symbol = Symbol("weft.context");
/** On a socket that goes to the sidecar: the name it was opened to. */
const DIALLED: unique symbol = Symbol.for("weft.capture.dialled");
/** What servers of `node:http` and `node:https` announce requests with. Upgrades are left out: a tunnel is no one request. */
const HTTP1_EVENTS = new Set<unknown>(["request", "checkContinue", "checkExpectation"]);

const storage = new AsyncLocalStorage<Context | undefined>();
let isMeshName: CarryOptions["isMeshName"] = () => false;
let sidecarHost = "";
let followsGrpc = false;
let followsHttp1 = false;
let followsHttp2 = false;

/** Once for each thread. */
function carryContext(options: CarryOptions): void {
  ({ isMeshName, sidecarHost } = options);
  followServers();
  diagnostics.subscribe("undici:request:create", (message) => {
    const context = storage.getStore();
    if (context !== undefined) guard(() => addToUndici(context, (message as { request: UndiciRequest }).request));
  });
}

/** Connections outlive the request that opened them, and what happens on them later is none of its doing. */
function withoutContext<T>(connect: () => T): T {
  return storage.getStore() === undefined ? connect() : storage.run(undefined, connect);
}

/** A connection to the sidecar is being opened, so the app has loaded whatever it is going to speak on it. */
function noteDial(socket: object, name: string): void {
  guard(() => {
    (socket as { [DIALLED]?: string })[DIALLED] = name;
    if (followsHttp2 || !isHttp2Loaded()) return;
    followHttp2Calls();
    followGrpc();
  });
}

// ---- Requests that come in

/** The servers of `http`, `https` and `http2` are all servers of `net`, and announce each request by `emit`. */
function followServers(): void {
  const prototype = net.Server.prototype as unknown as { emit: Method };
  const original = prototype.emit;
  prototype.emit = function emit(...parameters) {
    const [event, first, second] = parameters;
    const isStream = event === "stream";
    if (!isStream && !HTTP1_EVENTS.has(event)) return original.apply(this, parameters);
    // The compatible API of http2 announces the request within the announcement of its stream.
    if (!isStream && (first as { httpVersionMajor?: unknown } | null)?.httpVersionMajor !== 1)
      return original.apply(this, parameters);
    const context = guard(() => (isStream ? begin(second, first, first) : beginHttp1(first, second))) ?? undefined;
    if (context === storage.getStore()) return original.apply(this, parameters);
    return storage.run(context, () => original.apply(this, parameters));
  };
}

function beginHttp1(request: unknown, response: unknown): Context | null {
  return begin((request as { readonly headers?: unknown }).headers, request, response);
}

function begin(fields: unknown, request: unknown, response: unknown): Context | null {
  if (typeof fields !== "object" || fields === null) return null;
  const context = RequestContext.read(fields as Fields, nowMs());
  if (context === null) return null;
  if (!followsHttp1) {
    followHttp1Calls();
    followGrpc();
  }
  const source = request as Emitter;
  source[CONTEXT] = context;
  // The body's events come from the connection, where another request may be the current one.
  if (!Object.hasOwn(source, "emit")) source.emit = emitInContext;
  const answer = response as Emitter;
  answer[CONTEXT] = context;
  answer.once("finish", markAnswered);
  return context;
}

function emitInContext(this: object, ...parameters: unknown[]): unknown {
  const { emit } = Object.getPrototypeOf(this) as Emitter;
  const context = (this as Emitter)[CONTEXT];
  if (context === storage.getStore()) return emit.apply(this, parameters);
  return storage.run(context, () => emit.apply(this, parameters));
}

function markAnswered(this: Emitter): void {
  this[CONTEXT]?.markAnswered();
}

// ---- Calls that go out

/** `http.request` and `https.request` however they were imported: all write their head by this method. */
function followHttp1Calls(): void {
  followsHttp1 = true;
  const http = require("node:http") as typeof import("node:http");
  const prototype = http.ClientRequest.prototype as unknown as { _storeHeader?: unknown };
  const original = prototype._storeHeader;
  if (typeof original !== "function") return;
  prototype._storeHeader = function storeHeader(this: OutgoingRequest, firstLine: unknown, fields: unknown) {
    const context = storage.getStore();
    const added = context === undefined ? null : guard(() => addToHttp1(context, this, fields));
    return (original as Method).call(this, firstLine, added ?? fields);
  };
}

/** The fields to write instead of `fields`, or null for those. */
function addToHttp1(context: Context, request: OutgoingRequest, fields: unknown): unknown {
  if (request.method === "CONNECT") {
    // The tunnel will be shared by calls of many requests (grpc-js under http_proxy does that).
    if (!Object.hasOwn(request, "emit")) (request as unknown as Emitter).emit = emitInContext;
    return null;
  }
  if (!goesToMesh(request)) return null;
  if (Array.isArray(fields)) {
    const isPaired = Array.isArray(fields[0]);
    const names = isPaired
      ? fields.map((pair: readonly unknown[]) => toLower(pair[0]))
      : fields.filter((_, index) => index % 2 === 0).map(toLower);
    const added = context.fieldsFor((name) => names.includes(name), false);
    return isPaired ? [...fields, ...added] : [...fields, ...added.flat()];
  }
  const added = context.fieldsFor((name) => request.hasHeader(name), false);
  // What is set now is seen by whoever asks the request later; without any fields yet there is no list to set it in.
  if (fields === null || fields === undefined) return Object.fromEntries(added);
  for (const [name, value] of added) request.setHeader(name, value);
  return null;
}

/** By name, or by `http_proxy` with the name in the target. */
function goesToMesh({ host, path }: OutgoingRequest): boolean {
  if (typeof host !== "string") return false;
  if (host !== sidecarHost) return isMeshName(host);
  return typeof path === "string" && isMeshName(hostOfUrl(path));
}

function addToUndici(context: Context, request: UndiciRequest): void {
  const { headers } = request;
  if (typeof request.addHeader !== "function" || !isMeshName(hostOfUrl(String(request.origin)))) return;
  const names = Array.isArray(headers)
    ? headers.filter((_, index) => index % 2 === 0).map(toLower)
    : Array.from(String(headers ?? "").matchAll(/^([^:\r\n]+):/gm), (match) => toLower(match[1]));
  for (const [name, value] of context.fieldsFor((name) => names.includes(name), false)) request.addHeader(name, value);
}

/** When the app's modules are loaded: at its first request, and when it first uses HTTP/2. */
function followGrpc(): void {
  if (!followsGrpc) followsGrpc = followGrpcCalls({ currentContext: () => storage.getStore(), isMeshName });
}

/** The class of client sessions has no name outside Node: one that goes nowhere shows it. */
function followHttp2Calls(): void {
  followsHttp2 = true;
  const http2 = require("node:http2") as typeof import("node:http2");
  const { Duplex } = require("node:stream") as typeof import("node:stream");
  const nowhere = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const session = http2.connect("http://127.0.0.1", { createConnection: () => nowhere });
  session.on("error", () => undefined);
  const prototype = Object.getPrototypeOf(session) as { emit: Method; request?: unknown };
  session.destroy();
  // What happens to a session concerns all who wait for it. grpc-js sends all calls that waited when one is connected.
  const { emit } = prototype;
  prototype.emit = function emitWithoutContext(...parameters) {
    return withoutContext(() => emit.apply(this, parameters));
  };
  const original = prototype.request;
  if (typeof original !== "function") return;
  prototype.request = function request(this: object, fields: unknown, ...rest: unknown[]) {
    const context = storage.getStore();
    const added = context === undefined ? null : guard(() => addToHttp2(context, this, fields));
    return (original as Method).call(this, added ?? fields, ...rest);
  };
}

/** The fields to send instead of `fields`, or null for those. */
function addToHttp2(context: Context, session: object, fields: unknown): unknown {
  // Nodes from 24 on take a flat list too.
  const lines = Array.isArray(fields) ? fields : Object.entries(fields ?? {}).flat();
  const values = new Map<string, unknown>();
  for (let index = 0; index + 1 < lines.length; index += 2) values.set(toLower(lines[index]), lines[index + 1]);
  // Of a call by grpc-js only its channel knows whose it is.
  if (values.get(":method") === "CONNECT" || String(values.get("user-agent")).includes("grpc-node-js/")) return null;
  const authority = values.get(":authority") ?? values.get("host");
  const host = typeof authority === "string" ? hostOfUrl(`http://${authority}`) : nameOfSession(session);
  if (!isMeshName(host)) return null;
  const added = context.fieldsFor((name) => values.has(name), isGrpcType(values.get("content-type")));
  // A copy with all symbols: one of them marks what must not be indexed.
  return Array.isArray(fields) ? [...fields, ...added.flat()] : { ...(fields as Fields), ...Object.fromEntries(added) };
}

function nameOfSession(session: object): string {
  return (session as { socket?: { [DIALLED]?: string } }).socket?.[DIALLED] ?? "";
}

function isHttp2Loaded(): boolean {
  const { moduleLoadList } = process as { moduleLoadList?: unknown };
  return !Array.isArray(moduleLoadList) || moduleLoadList.includes("NativeModule http2");
}

// ---- Both

/** "" when there is none. */
function hostOfUrl(url: string): string {
  return /^http:\/\/(?:[^/?#@]*@)?([^:/?#[\]]+)/i.exec(url)?.[1] ?? "";
}

function toLower(name: unknown): string {
  return String(name).toLowerCase();
}

/** Whatever goes wrong here is none of the app's trouble. */
function guard<T>(attempt: () => T): T | null {
  try {
    return attempt();
  } catch {
    return null;
  }
}

module.exports.carryContext = carryContext;
module.exports.noteDial = noteDial;
module.exports.withoutContext = withoutContext;
