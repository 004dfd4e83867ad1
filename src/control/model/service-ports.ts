import type { AppProtocol } from "../../proxy-node.ts";
import type { Service, ServicePort } from "../../resources/service.ts";

/** In order of number; UDP and SCTP are not carried. */
export function tcpPorts(service: Service): readonly ServicePort[] {
  return service.spec.ports.filter((port) => port.protocol === "TCP").sort((one, other) => one.port - other.port);
}

/** How callers' proxies treat a port: requests, or opaque bytes. */
export function portProtocol(port: ServicePort): "http" | "tcp" {
  return readAppProtocol(port) === "tcp" ? "tcp" : "http";
}

/**
 * What the Service says of a port: by `appProtocol`, else by the port's name (`grpc`, `grpc-orders`). A word without a
 * meaning here counts as `http`, which is what most ports are.
 */
export function readAppProtocol(port: Pick<ServicePort, "name" | "appProtocol">): AppProtocol {
  if (port.appProtocol !== undefined) return BY_APP_PROTOCOL.get(port.appProtocol.toLowerCase()) ?? "http";
  // gRPC-Web is made to pass HTTP/1.1.
  if (port.name === "grpc-web" || port.name.startsWith("grpc-web-")) return "http";
  const dash = port.name.indexOf("-");
  return BY_PORT_NAME.get(dash < 0 ? port.name : port.name.slice(0, dash)) ?? "http";
}

const BY_PORT_NAME: ReadonlyMap<string, AppProtocol> = new Map([
  ["http", "http"],
  ["http2", "http2"],
  ["h2c", "http2"],
  ["grpc", "grpc"],
  ["tcp", "tcp"],
]);

/** The same words, and those that Kubernetes and Gateway API define (KEP-3726). */
const BY_APP_PROTOCOL: ReadonlyMap<string, AppProtocol> = new Map([
  ...BY_PORT_NAME,
  ["kubernetes.io/h2c", "http2"],
  ["kubernetes.io/ws", "http"],
]);
