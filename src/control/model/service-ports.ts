import type { Service, ServicePort } from "../../resources/service.ts";

/** In order of number; UDP and SCTP are not carried. */
export function tcpPorts(service: Service): readonly ServicePort[] {
  return service.spec.ports.filter((port) => port.protocol === "TCP").sort((one, other) => one.port - other.port);
}

/** Opaque only when the Service says so: by appProtocol, else by the name of the port. */
export function portProtocol(port: ServicePort): "http" | "tcp" {
  if (port.appProtocol !== undefined) return port.appProtocol.toLowerCase() === "tcp" ? "tcp" : "http";
  return port.name === "tcp" || port.name.startsWith("tcp-") ? "tcp" : "http";
}
