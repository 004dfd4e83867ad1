import type { AppProtocol } from "../../proxy-node.ts";
import { DEFAULT_OPAQUE_PORTS } from "../../net/opaque-ports.ts";
import type { Service, ServicePort } from "../../resources/service.ts";
import type { PortProtocol } from "./mesh-model.ts";

/** In order of number; SCTP is not carried. */
export function tcpPorts(service: Service): readonly ServicePort[] {
  return portsOf(service, "TCP");
}

export function udpPorts(service: Service): readonly ServicePort[] {
  return portsOf(service, "UDP");
}

/** Those that are carried: of TCP, then of UDP. */
export function carriedPorts(service: Service): readonly ServicePort[] {
  return [...tcpPorts(service), ...udpPorts(service)];
}

function portsOf(service: Service, protocol: ServicePort["protocol"]): readonly ServicePort[] {
  return service.spec.ports.filter((port) => port.protocol === protocol).sort((one, other) => one.port - other.port);
}

/** How callers' proxies treat a port: requests, opaque bytes, or whichever of them a connection brings. */
export function portProtocol(port: ServicePort): PortProtocol {
  const protocol = readAppProtocol(port);
  return protocol === "tcp" || protocol === "udp" || protocol === "detect" ? protocol : "http";
}

/**
 * What the Service says of a port: by `appProtocol`, else by the port's name (`grpc`, `grpc-orders`, as in Istio). Another
 * word of `appProtocol` is the IANA name of a protocol that is none of HTTP's, so opaque; with a prefix of somebody's own it
 * says nothing. What says nothing is detected, except on the ports where servers usually speak first: those are opaque.
 */
export function readAppProtocol(port: Pick<ServicePort, "name" | "appProtocol" | "port" | "protocol">): AppProtocol {
  // What is inside datagrams is not looked at.
  if (port.protocol === "UDP") return "udp";
  const word = port.appProtocol?.toLowerCase();
  if (word !== undefined) {
    const known = BY_APP_PROTOCOL.get(word) ?? (word.includes("/") ? null : "tcp");
    if (known !== null) return known;
  }
  // gRPC-Web is made to pass HTTP/1.1.
  if (port.name === "grpc-web" || port.name.startsWith("grpc-web-")) return "http";
  const dash = port.name.indexOf("-");
  const named = BY_PORT_NAME.get(dash < 0 ? port.name : port.name.slice(0, dash));
  return named ?? (DEFAULT_OPAQUE_PORTS.has(port.port) ? "tcp" : "detect");
}

const BY_PORT_NAME: ReadonlyMap<string, AppProtocol> = new Map([
  ["http", "http"],
  ["http2", "http2"],
  ["h2c", "http2"],
  ["grpc", "grpc"],
  ["tcp", "tcp"],
  // TLS of the app's own: there is nothing to see in it.
  ["https", "tcp"],
  ["tls", "tcp"],
  ["mongo", "tcp"],
  ["mysql", "tcp"],
  ["postgres", "tcp"],
  ["redis", "tcp"],
  ["smtp", "tcp"],
]);

/** The same words, and those that Kubernetes and Gateway API define (KEP-3726). */
const BY_APP_PROTOCOL: ReadonlyMap<string, AppProtocol> = new Map([
  ...BY_PORT_NAME,
  ["kubernetes.io/h2c", "http2"],
  ["kubernetes.io/ws", "http"],
  ["kubernetes.io/wss", "tcp"],
  ["ws", "http"],
  ["grpc-web", "http"],
  ["detect", "detect"],
]);
