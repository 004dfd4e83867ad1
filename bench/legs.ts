import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PROXY_SIGNATURE } from "../src/net/proxy-protocol.ts";
import type { AppProtocol } from "../src/proxy-node.ts";
import type { FreePorts } from "../src/runner/free-port.ts";
import type { BenchProcess } from "./bench-process.ts";
import { type BenchRuntime, findEnvoy, type Machine } from "./machine.ts";
import { startEnvoy } from "./peers/envoy.ts";
import { startHaproxy } from "./peers/haproxy.ts";
import { startNginx } from "./peers/nginx.ts";
import {
  type Carries,
  type CertificateFiles,
  type PeerFiles,
  type PeerHop,
  type PeerSpec,
  writeCertificate,
} from "./peers/peer.ts";
import { createVariantPolicy, type PolicyVariant } from "./policy-variants.ts";
import type { WeftMesh } from "./weft-mesh.ts";

/** One way from the load to the backend. */
export interface Leg {
  readonly title: string;
  /** "peer" legs are what weft is measured against. */
  readonly kind: "direct" | "peer" | "weft";
  /** Null but for weft. */
  readonly runtime: BenchRuntime | null;
  readonly port: number;
  /** The Host field or :authority it wants. */
  readonly authority: string;
  /** Hexadecimal; what an opaque connection has to begin with. */
  readonly preamble: string;
  /** The proxies, the caller's first. */
  readonly processes: readonly BenchProcess[];
  /** The TLS socket of the called proxy where it speaks HTTP/1.1; null where there is none. */
  readonly called: CalledProxy | null;
}

export interface CalledProxy {
  readonly port: number;
  readonly process: BenchProcess;
  /** Of a client it lets in. */
  readonly certificate: CertificateFiles;
}

export interface LegPlace {
  readonly machine: Machine;
  readonly runtimes: readonly BenchRuntime[];
  readonly files: PeerFiles;
  readonly ports: FreePorts;
  readonly mesh: WeftMesh;
  readonly proxyCore: number | null;
}

export interface LegRequest {
  /** Part of names: unique in a run. */
  readonly id: string;
  readonly hops: 1 | 2;
  readonly carries: Carries;
  readonly backendPort: number;
}

/** A leg before it is started. */
export interface LegPlan extends Pick<Leg, "title" | "kind" | "runtime"> {
  start(): Promise<Leg>;
}

/** What runs as a peer in a pair: `middle` is spoken between its two hops. */
interface PeerKind {
  readonly name: string;
  readonly start: (spec: PeerSpec) => BenchProcess;
  readonly middle: "h1" | "h2";
  /** Both hops in one process: half the switches between processes, and nothing that two machines could share. */
  readonly oneProcess: boolean;
}

const PEER_AUTHORITY = "echo";
/** Of PROXY version 2: the command PROXY over TCP and IPv4, and the type of the name that was dialled. */
const PROXY_COMMAND = 0x21;
const PROXY_TCP4 = 0x11;
const PROXY_AUTHORITY = 2;
const SERVICE_PORT = 80;

/** No proxy between: what load and backend can do at most. */
export function planDirect({ backendPort }: LegRequest): LegPlan {
  const title = "no proxy";
  const leg: Leg = {
    title,
    kind: "direct",
    runtime: null,
    port: backendPort,
    authority: PEER_AUTHORITY,
    preamble: "",
    processes: [],
    called: null,
  };
  return { title, kind: "direct", runtime: null, start: () => Promise.resolve(leg) };
}

/** The peers that are installed. Two hops are two processes, as two sidecars are; HAProxy's best also as one. */
export function planPeers(place: LegPlace, request: LegRequest): LegPlan[] {
  return listPeers(place.machine, request).map((peer) => ({
    title: formatPeerTitle(peer, request),
    kind: "peer",
    runtime: null,
    start: () => (request.hops === 1 ? startOneHop(peer, place, request) : startTwoHops(peer, place, request)),
  }));
}

function listPeers({ tools }: Machine, { hops, carries }: LegRequest): readonly PeerKind[] {
  const isPair = hops === 2 && carries !== "tcp";
  const peers: PeerKind[] = [];
  const envoy = (spec: PeerSpec): BenchProcess => startEnvoy(findEnvoy(), spec);
  if (tools.nginx !== null)
    peers.push({
      name: `nginx ${tools.nginx}`,
      start: startNginx,
      middle: carries === "grpc" ? "h2" : "h1",
      oneProcess: false,
    });
  if (tools.haproxy !== null) {
    const haproxy = { name: `HAProxy ${tools.haproxy}`, start: startHaproxy, oneProcess: false };
    if (carries !== "grpc") peers.push({ ...haproxy, middle: "h1" });
    if (isPair) peers.push({ ...haproxy, middle: "h2" }, { ...haproxy, middle: "h2", oneProcess: true });
  }
  if (tools.envoy !== null) peers.push({ name: `Envoy ${tools.envoy}`, start: envoy, middle: "h2", oneProcess: false });
  return peers;
}

function formatPeerTitle({ name, middle, oneProcess }: PeerKind, { hops, carries }: LegRequest): string {
  if (hops === 1 || carries === "tcp") return name;
  return `${name}, ${middle === "h2" ? "HTTP/2" : "HTTP/1.1"} between${oneProcess ? ", one process" : ""}`;
}

async function startOneHop(peer: PeerKind, place: LegPlace, request: LegRequest): Promise<Leg> {
  const title = formatPeerTitle(peer, request);
  const port = await place.ports.take();
  const hop: PeerHop = { port, targetPort: request.backendPort, tls: "none", carries: request.carries, middle: "h1" };
  const process = peer.start({
    title: `${request.id} ${title}`,
    core: place.proxyCore,
    files: place.files,
    hops: [hop],
  });
  return toPeerLeg(title, port, [process]);
}

async function startTwoHops(peer: PeerKind, place: LegPlace, request: LegRequest): Promise<Leg> {
  const title = formatPeerTitle(peer, request);
  const { carries, backendPort, id } = request;
  const [port, between] = [await place.ports.take(), await place.ports.take()];
  const shared = { carries, middle: peer.middle };
  const caller: PeerHop = { ...shared, port, targetPort: between, tls: "upstream" };
  const called: PeerHop = { ...shared, port: between, targetPort: backendPort, tls: "downstream" };
  const start = (name: string, hops: readonly PeerHop[]): BenchProcess =>
    peer.start({ title: `${id} ${title} ${name}`, core: place.proxyCore, files: place.files, hops });
  if (peer.oneProcess) return toPeerLeg(title, port, [start("both", [caller, called])]);
  const calledProcess = start("called", [called]);
  const leg = toPeerLeg(title, port, [start("caller", [caller]), calledProcess]);
  // HAProxy takes the one protocol of its middle leg; Envoy takes both.
  const takesHttp1 = carries === "http" && (peer.middle === "h1" || peer.start !== startHaproxy);
  const certificate = place.files.caller;
  return { ...leg, called: takesHttp1 ? { port: between, process: calledProcess, certificate } : null };
}

function toPeerLeg(title: string, port: number, processes: readonly BenchProcess[]): Leg {
  return { title, kind: "peer", runtime: null, port, authority: PEER_AUTHORITY, preamble: "", processes, called: null };
}

/**
 * Two sidecars of one mesh on one runtime, or the caller's alone with a plain upstream outside the mesh (egress). Two hops:
 * the caller's sidecar, mutual TLS, the called service's sidecar, its app.
 */
export function planWeft(place: LegPlace, request: LegRequest): LegPlan[] {
  return place.runtimes.map((runtime) => ({
    title: `weft on ${runtime.label}`,
    kind: "weft",
    runtime,
    start: () => (request.hops === 1 ? startEgress(runtime, place, request) : startSidecars(runtime, place, request)),
  }));
}

/** The same pair of sidecars of one runtime with other policies; the first is what the others are measured against. */
export function planVariants(place: LegPlace, request: LegRequest, variants: readonly PolicyVariant[]): LegPlan[] {
  const [runtime] = place.runtimes;
  if (runtime === undefined) return [];
  return variants.map((variant, index): LegPlan => {
    const title = `weft on ${runtime.label}, ${variant.title}`;
    const isBase = index === 0;
    const kind = isBase ? "peer" : "weft";
    const id = `${request.id}-${variant.id}`;
    return {
      ...{ title, kind, runtime: isBase ? null : runtime },
      async start() {
        await place.mesh.apply(createVariantPolicy(variant, formatServiceName(id, runtime)));
        const leg = await startSidecars(runtime, place, { ...request, id });
        return { ...leg, title, kind, runtime: isBase ? null : runtime };
      },
    };
  });
}

function formatServiceName(id: string, runtime: BenchRuntime): string {
  return `${id}-${runtime.id}`;
}

async function startEgress(runtime: BenchRuntime, { mesh, proxyCore }: LegPlace, request: LegRequest): Promise<Leg> {
  const caller = `${request.id}-caller-${runtime.id}`;
  await mesh.addService(caller, caller);
  const { backendPort: appPort } = request;
  const sidecar = {
    runtime,
    workload: `${caller}-0`,
    service: caller,
    appPort,
    protocol: "http",
    core: proxyCore,
  } as const;
  const { outbound, process } = await mesh.startSidecar(sidecar);
  return { ...toWeftLeg(runtime, outbound.port), authority: `127.0.0.1:${appPort}`, processes: [process] };
}

async function startSidecars(runtime: BenchRuntime, place: LegPlace, request: LegRequest): Promise<Leg> {
  const { mesh, proxyCore: core, files } = place;
  const protocol: AppProtocol = request.carries;
  const [service, caller] = [formatServiceName(request.id, runtime), `${request.id}-caller-${runtime.id}`];
  await mesh.addService(service, caller, protocol);
  const called = await mesh.startSidecar({
    runtime,
    workload: `${service}-0`,
    service,
    appPort: request.backendPort,
    protocol,
    core,
  });
  await mesh.publish(service, `${service}-0`, called.inbound, protocol);
  const own = {
    runtime,
    workload: `${caller}-0`,
    service: caller,
    appPort: request.backendPort,
    protocol: "http",
    core,
  } as const;
  const calling = await mesh.startSidecar(own);
  const certificate = copyIdentity(calling.stateDir, join(files.folder, caller));
  return {
    ...toWeftLeg(runtime, calling.outbound.port),
    authority: service,
    preamble: request.carries === "tcp" ? formatProxyHeader(service) : "",
    processes: [calling.process, called.process],
    called: request.carries === "http" ? { port: called.inbound.port, process: called.process, certificate } : null,
  };
}

function toWeftLeg(runtime: BenchRuntime, port: number): Omit<Leg, "authority"> {
  return { title: `weft on ${runtime.label}`, kind: "weft", runtime, port, preamble: "", processes: [], called: null };
}

/** What the caller's sidecar shows the called one. */
function copyIdentity(stateDir: string, path: string): CertificateFiles {
  const identity = JSON.parse(readFileSync(join(stateDir, "identity.json"), "utf8")) as Record<string, string>;
  return writeCertificate(path, identity["certificateChainPem"] ?? "", identity["keyPem"] ?? "");
}

/** As apps whose connections are captured begin: a PROXY header (version 2) with the name that was dialled, in hexadecimal. */
function formatProxyHeader(name: string): string {
  const field = Buffer.from([PROXY_AUTHORITY, 0, name.length, ...Buffer.from(name, "latin1")]);
  const addresses = Buffer.from([127, 0, 0, 1, 127, 0, 0, 1, 0, 1, 0, SERVICE_PORT]);
  const length = addresses.length + field.length;
  const head = Buffer.from([...PROXY_SIGNATURE, PROXY_COMMAND, PROXY_TCP4, length >> 8, length & 0xff]);
  return Buffer.concat([head, addresses, field]).toString("hex");
}
