import type { AppProtocol } from "../proxy-node.ts";

/** What Kubernetes calls it, and what weft does. */
export function toPortProtocol(protocol: AppProtocol): {
  readonly protocol: "TCP" | "UDP";
  readonly appProtocol?: AppProtocol;
} {
  return protocol === "udp" ? { protocol: "UDP" } : { protocol: "TCP", appProtocol: protocol };
}
