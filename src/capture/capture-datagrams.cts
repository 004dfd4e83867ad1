// Datagrams to a UDP port of a Service, by its name, go to the sidecar's socket for it: `WEFT_UDP` lists
// "<namespace>/<service>:<port>=<address>:<port>", with commas between. CommonJS like all of the preload.

const dgram = require("node:dgram") as typeof import("node:dgram");
const net = require("node:net") as typeof import("node:net");

interface Target {
  readonly address: string;
  readonly port: number;
}

type Method = (this: import("node:dgram").Socket, ...parameters: unknown[]) => unknown;

const SUFFIXES = (namespace: string): readonly string[] => [
  "",
  `.${namespace}`,
  `.${namespace}.svc`,
  `.${namespace}.svc.cluster.local`,
];

function captureDatagrams(listed: string): void {
  const targets = parseTargets(listed);
  if (targets.size === 0) return;
  const prototype = dgram.Socket.prototype as unknown as { send: Method; connect: Method };
  for (const name of ["send", "connect"] as const) {
    const original = prototype[name];
    prototype[name] = function capture(...parameters) {
      redirect(targets, this, parameters);
      return original.apply(this, parameters);
    };
  }
}

/** Both end with `port, address` and perhaps a callback; without an address they are none of ours. */
function redirect(targets: ReadonlyMap<string, Target>, socket: object, parameters: unknown[]): void {
  let last = parameters.length - 1;
  while (last > 0 && (typeof parameters[last] === "function" || parameters[last] === undefined)) last -= 1;
  const [port, address] = [parameters[last - 1], parameters[last]];
  if (typeof address !== "string" || net.isIP(address) !== 0) return;
  const name = (address.endsWith(".") ? address.slice(0, -1) : address).toLowerCase();
  const target = targets.get(`${name}:${Number(port)}`);
  if (target === undefined) return;
  parameters[last - 1] = target.port;
  // A socket for both versions of IP names those of the fourth in its own way (RFC 4291 §2.5.5.2).
  parameters[last] =
    (socket as { readonly type?: unknown }).type === "udp6" ? `::ffff:${target.address}` : target.address;
}

function parseTargets(listed: string): ReadonlyMap<string, Target> {
  const targets = new Map<string, Target>();
  for (const entry of listed.split(",")) {
    const [, namespace = "", service = "", servicePort = "", address = "", port = ""] =
      /^([^/]+)\/([^:]+):(\d+)=([\d.]+):(\d+)$/.exec(entry) ?? [];
    if (namespace === "") continue;
    for (const suffix of SUFFIXES(namespace)) {
      targets.set(`${service}${suffix}:${servicePort}`, { address, port: Number(port) });
    }
  }
  return targets;
}

module.exports.captureDatagrams = captureDatagrams;
