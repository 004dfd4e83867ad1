import type { AppProtocol } from "../proxy-node.ts";
import type { Resource } from "../resources/resource.ts";
import { formatVersionService } from "./weft-yaml.ts";
import { toPortProtocol } from "./to-port-protocol.ts";
import { createMeta } from "./weft-yaml-resources.ts";

/** One running instance, as callers reach it. */
export interface InstanceEndpoint {
  readonly namespace: string;
  readonly workload: string;
  readonly service: string;
  /** "" for none. */
  readonly version: string;
  readonly serviceAccount: string;
  readonly protocol: AppProtocol;
  /** Where its sidecar listens for other proxies. */
  readonly address: string;
  readonly port: number;
  /** Name of the Service's port; "" when it has none. */
  readonly portName: string;
  /** Where it runs; "" = unknown. */
  readonly zone: string;
  readonly ready: boolean;
  /** True while it drains: calls already made may end. */
  readonly terminating: boolean;
}

/** One slice for the Service and one for the version's own Service; each instance has slices of its own. */
export function toEndpointSlices(endpoint: InstanceEndpoint): readonly Resource[] {
  const { service, version } = endpoint;
  const services = version === "" ? [service] : [service, formatVersionService(service, version)];
  return services.map((name) => toSlice(name, endpoint));
}

function toSlice(service: string, endpoint: InstanceEndpoint): Resource {
  const { namespace, workload, serviceAccount, version, address, port } = endpoint;
  const { portName, protocol, zone, ready, terminating } = endpoint;
  const labels = {
    "kubernetes.io/service-name": service,
    "weft.dev/service-account": serviceAccount,
    "weft.dev/workload": workload,
    ...(version === "" ? {} : { "weft.dev/version": version }),
  };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    // With a dot, so that no two (service, workload) pairs make one name and each part may be as long as a label.
    metadata: createMeta(`${service}.${workload}`, labels, namespace),
    addressType: "IPv4",
    endpoints: [
      {
        addresses: [address],
        conditions: { ready, serving: ready, terminating },
        ...(zone === "" ? {} : { zone }),
      },
    ],
    ports: [{ name: portName, port, ...toPortProtocol(protocol) }],
  };
}
