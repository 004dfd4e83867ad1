import type { FreePorts } from "../src/runner/free-port.ts";
import type { BenchProcess } from "./bench-process.ts";
import type { BenchRuntime, Machine } from "./machine.ts";
import { type PeerFiles, type PeerSpec, startHaproxy, startNginx } from "./peers.ts";
import type { WeftMesh } from "./weft-mesh.ts";

/** One way from the load to the backend. */
export interface Leg {
  readonly title: string;
  readonly path: "direct" | "one-hop" | "two-hop";
  /** "peer" legs are what others are measured against. */
  readonly kind: "direct" | "peer" | "weft";
  readonly port: number;
  /** The Host field it wants. */
  readonly authority: string;
  /** Whose CPU time counts. */
  readonly processes: readonly BenchProcess[];
}

export interface LegPlace {
  readonly ports: FreePorts;
  readonly backendPort: number;
  readonly proxyCore: number | null;
}

const PEER_AUTHORITY = "echo";

/** nginx and HAProxy, one and two hops; two hops are two processes, as two sidecars are. */
export async function startPeerLegs(machine: Machine, files: PeerFiles, place: LegPlace): Promise<Leg[]> {
  const legs: Leg[] = [];
  const { nginx, haproxy } = machine.tools;
  if (nginx !== null) {
    legs.push(await oneHop(`nginx ${nginx}`, startNginx, files, place));
    legs.push(await twoHops(`nginx ${nginx}, HTTP/1.1 between`, { start: startNginx, protocol: "h1" }, files, place));
  }
  if (haproxy !== null) {
    legs.push(await oneHop(`HAProxy ${haproxy}`, startHaproxy, files, place));
    legs.push(
      await twoHops(`HAProxy ${haproxy}, HTTP/1.1 between`, { start: startHaproxy, protocol: "h1" }, files, place),
    );
    legs.push(
      await twoHops(`HAProxy ${haproxy}, HTTP/2 between`, { start: startHaproxy, protocol: "h2" }, files, place),
    );
  }
  return legs;
}

type StartPeer = (spec: PeerSpec) => BenchProcess;

async function oneHop(title: string, start: StartPeer, files: PeerFiles, place: LegPlace): Promise<Leg> {
  const port = await place.ports.take();
  const process = start({
    title,
    port,
    targetPort: place.backendPort,
    core: place.proxyCore,
    files,
    tls: "none",
    protocol: "h1",
  });
  return { title, path: "one-hop", kind: "peer", port, authority: PEER_AUTHORITY, processes: [process] };
}

async function twoHops(
  title: string,
  peer: { readonly start: StartPeer; readonly protocol: "h1" | "h2" },
  files: PeerFiles,
  place: LegPlace,
): Promise<Leg> {
  const [port, middle] = [await place.ports.take(), await place.ports.take()];
  const shared = { core: place.proxyCore, files, protocol: peer.protocol };
  const called = peer.start({
    ...shared,
    title: `${title} (called)`,
    port: middle,
    targetPort: place.backendPort,
    tls: "downstream",
  });
  const caller = peer.start({ ...shared, title: `${title} (caller)`, port, targetPort: middle, tls: "upstream" });
  return { title, path: "two-hop", kind: "peer", port, authority: PEER_AUTHORITY, processes: [caller, called] };
}

/**
 * Two sidecars of one mesh on one runtime. One hop: the caller's sidecar to a plain upstream outside the mesh (egress).
 * Two hops: the caller's sidecar, mutual TLS, the called service's sidecar, its app.
 */
export async function startWeftLegs(mesh: WeftMesh, runtime: BenchRuntime, place: LegPlace): Promise<Leg[]> {
  const service = `echo-${runtime.id}`;
  const caller = `caller-${runtime.id}`;
  await mesh.addService(service, caller);
  const { backendPort: appPort, proxyCore: core } = place;
  const calledWorkload = `${service}-0`;
  const called = await mesh.startSidecar({ runtime, workload: calledWorkload, service, appPort, core });
  await mesh.publish(service, calledWorkload, called.inbound);
  const calling = await mesh.startSidecar({ runtime, workload: `${caller}-0`, service: caller, appPort, core });
  const shared = { title: `weft on ${runtime.label}`, kind: "weft", port: calling.outbound.port } as const;
  return [
    { ...shared, path: "one-hop", authority: `127.0.0.1:${appPort}`, processes: [calling.process] },
    { ...shared, path: "two-hop", authority: service, processes: [calling.process, called.process] },
  ];
}
