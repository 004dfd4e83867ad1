// Loaded into every Node process of a meshed app (`NODE_OPTIONS=--require`), so it must load fast, need nothing but Node,
// and never break the app: whatever it does not understand goes the way it would go without weft.
//
// A connection to a mesh name (a host that is listed in the names file) goes to the sidecar's outbound listener instead,
// with a PROXY header in front that carries the name and the port. So any protocol works, with no DNS and no root.
// Left alone: IP addresses, localhost, names outside the mesh, pipes, and TLS sockets (the header cannot be put in front
// of a handshake that has its own socket; the mesh encrypts by itself).

const net = require("node:net") as typeof import("node:net");
const { encodeProxyHeader } = require("./proxy-header.cjs") as {
  encodeProxyHeader(name: string, port: number): Buffer;
};
const { MeshNameList } = require("./mesh-name-list.cjs") as { readonly MeshNameList: new (file: string) => NameList };
const { carryContext, noteDial, withoutContext } = require("./carry-context.cjs") as {
  carryContext(options: { isMeshName(host: string): boolean; readonly sidecarHost: string }): void;
  noteDial(socket: object, name: string): void;
  withoutContext<T>(connect: () => T): T;
};

interface NameList {
  has(host: string): boolean;
  knows(host: string): boolean;
}

interface ConnectOptions {
  host?: unknown;
  port?: unknown;
  path?: unknown;
  [option: string]: unknown;
}

/** Node passes `[options, callback]` with a private symbol from `net.connect` to `Socket.connect`. */
type ConnectArguments = unknown[];

const INSTALLED = Symbol.for("weft.capture.installed");
const DATAGRAMS = Symbol.for("weft.capture.datagrams");
const MAX_NAME_LENGTH = 255;

const namesFile = process.env["WEFT_NAMES"] ?? "";
const outbound = parseOutbound(process.env["WEFT_OUTBOUND"] ?? "");
const names = new MeshNameList(namesFile);

const prototype = net.Socket.prototype as unknown as {
  connect(this: import("node:net").Socket, ...parameters: ConnectArguments): import("node:net").Socket;
  [INSTALLED]?: true;
};
if (outbound !== null && namesFile !== "" && prototype[INSTALLED] !== true) {
  install(outbound);
  if (process.env["WEFT_CONTEXT"] !== "off")
    carryContext({ isMeshName: (host) => names.knows(host), sidecarHost: outbound.host });
}

// Loaded only where there is any UDP: most apps have none.
const datagramPorts = process.env["WEFT_UDP"] ?? "";
const datagrams = globalThis as { [DATAGRAMS]?: true };
if (datagramPorts !== "" && datagrams[DATAGRAMS] !== true) {
  datagrams[DATAGRAMS] = true;
  const { captureDatagrams } = require("./capture-datagrams.cjs") as { captureDatagrams(listed: string): void };
  captureDatagrams(datagramPorts);
}

function install(sidecar: { readonly host: string; readonly port: number }): void {
  const original = prototype.connect;
  prototype[INSTALLED] = true;
  prototype.connect = function connect(...parameters) {
    const target = (this as { encrypted?: unknown }).encrypted === true ? null : targetOf(parameters);
    if (target !== null && target.host === sidecar.host && target.port === sidecar.port) noteDial(this, "");
    const captured = target === null ? null : captureOf(target);
    if (captured === null) return withoutContext(() => original.apply(this, parameters));
    noteDial(this, captured.name);
    const options: ConnectOptions = { ...captured.options, host: sidecar.host, port: sidecar.port };
    // These describe the way to the real destination and could only spoil the way to the sidecar.
    for (const option of ["localAddress", "localPort", "family", "hints", "lookup", "hostname"]) delete options[option];
    const internal = parameters[0];
    if (Array.isArray(internal)) {
      internal[0] = options;
      withoutContext(() => original.call(this, internal));
    } else {
      withoutContext(() => original.call(this, options, captured.callback));
    }
    // Queued in the socket before the app can write anything: it leaves as the first bytes once connected.
    if (!this.destroyed) this.write(captured.header);
    return this;
  };
}

/** What an app asks for; no pipes. */
interface Target {
  readonly options: ConnectOptions;
  readonly callback: unknown;
  readonly host: string;
  readonly port: number;
}

interface Captured {
  readonly options: ConnectOptions;
  readonly callback: unknown;
  readonly name: string;
  readonly header: Buffer;
}

function targetOf(parameters: ConnectArguments): Target | null {
  const { options, callback } = normalize(parameters);
  if (options === null || (options.path !== undefined && options.path !== null)) return null;
  const { host } = options;
  if (typeof host !== "string" || host === "" || host.length > MAX_NAME_LENGTH || host === "localhost") return null;
  const port = Number(options.port);
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? { options, callback, host, port } : null;
}

/** Null when the connection is none of ours. */
function captureOf({ options, callback, host, port }: Target): Captured | null {
  if (net.isIP(host) !== 0 || !names.has(host)) return null;
  return { options, callback, name: host, header: encodeProxyHeader(host, port) };
}

/** The same shapes that Node's own `connect` takes: (options), (port, host), (path), each with an optional callback. */
function normalize(parameters: ConnectArguments): {
  readonly options: ConnectOptions | null;
  readonly callback: unknown;
} {
  const list: unknown[] = Array.isArray(parameters[0]) ? parameters[0] : parameters;
  const first = list[0];
  const last = list[list.length - 1];
  const callback = typeof last === "function" ? last : undefined;
  if (typeof first === "object" && first !== null) return { options: first as ConnectOptions, callback };
  const port = typeof first === "string" && first.trim() !== "" ? Number(first) : first;
  if (typeof port !== "number" || !(port >= 0)) return { options: null, callback };
  return { options: { port, host: list[1] }, callback };
}

function parseOutbound(text: string): { readonly host: string; readonly port: number } | null {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, Math.max(colon, 0));
  const port = Number(text.slice(colon + 1));
  return net.isIP(host) !== 0 && Number.isInteger(port) && port > 0 && port < 65_536 ? { host, port } : null;
}
