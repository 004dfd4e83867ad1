import { SERVICE_NAME_LABEL, type Endpoint, type EndpointSlice } from "../../resources/endpoint-slice.ts";
import type { ServicePort } from "../../resources/service.ts";
import { compareText } from "./compare-text.ts";
import type { ConditionLog } from "./condition-log.ts";
import type { EndpointModel, WorkloadModel, WorkloadPortModel } from "./mesh-model.ts";
import { readAppProtocol } from "./service-ports.ts";

/** Says which identity the instances of a slice prove. */
export const SERVICE_ACCOUNT_LABEL = "weft.dev/service-account";
export const VERSION_LABEL = "weft.dev/version";
/** Names the instance; left out where each endpoint names its own by `targetRef`. */
export const WORKLOAD_LABEL = "weft.dev/workload";

/** What the slices of one Service say of one of its ports. */
export interface PortEndpoints {
  readonly endpoints: EndpointModel[];
  readonly serviceAccounts: string[];
}

export function compilePortEndpoints(slices: readonly EndpointSlice[], servicePort: ServicePort): PortEndpoints {
  const endpoints = new Map<string, EndpointModel>();
  const serviceAccounts = new Set<string>();
  for (const slice of slices) {
    const serviceAccount = slice.metadata.labels?.[SERVICE_ACCOUNT_LABEL];
    const port = findPort(slice, servicePort);
    if (port === null || serviceAccount === undefined || slice.addressType === "FQDN") continue;
    for (const endpoint of slice.endpoints) {
      const address = endpoint.addresses[0];
      if (address === undefined) continue;
      serviceAccounts.add(serviceAccount);
      if (!endpoint.conditions.ready) continue;
      const version = slice.metadata.labels?.[VERSION_LABEL] ?? "";
      const candidate = { address, port, version, workload: nameWorkload(slice, endpoint), zone: endpoint.zone ?? "" };
      const key = `${address} ${port}`;
      const known = endpoints.get(key);
      if (known === undefined || compareEndpoints(candidate, known) < 0) endpoints.set(key, candidate);
    }
  }
  return {
    endpoints: [...endpoints.values()].sort(compareEndpoints),
    serviceAccounts: [...serviceAccounts].sort(compareText),
  };
}

/** Why endpoints of these slices are left out. */
export function reportSlices(
  slices: readonly EndpointSlice[],
  portNames: ReadonlySet<string> | null,
  conditions: ConditionLog,
): void {
  for (const slice of slices) {
    const service = slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? "";
    if (portNames === null) {
      conditions.add(slice, "ResolvedRefs", {
        reason: "ServiceNotFound",
        message: `There is no Service "${service}" in namespace "${slice.metadata.namespace}"; the endpoints are not used`,
      });
    } else if (
      slice.ports.length > 0 &&
      !slice.ports.some((port) => port.port !== undefined && portNames.has(port.name))
    ) {
      conditions.add(slice, "PortsMatch", {
        reason: "PortNotFound",
        message:
          `No port of the slice has the name of a port of Service "${service}" ` +
          `(${[...portNames].map((name) => `"${name}"`).join(", ")}); the endpoints are not used`,
      });
    }
    if (slice.metadata.labels?.[SERVICE_ACCOUNT_LABEL] === undefined) {
      conditions.add(slice, "Accepted", {
        reason: "IdentityMissing",
        message: `The label ${SERVICE_ACCOUNT_LABEL} is missing, so no instance could prove who it is; the endpoints are not used`,
      });
    }
    if (slice.addressType === "FQDN") {
      conditions.add(slice, "Accepted", {
        reason: "AddressTypeUnsupported",
        message: "The addressType is FQDN and only IP addresses can be reached; the endpoints are not used",
      });
    }
  }
}

/** Adds the instances of one Service port to `workloads`, ready or not. */
export function collectWorkloads(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  workloads: Map<string, WorkloadDraft>,
): void {
  for (const slice of slices) {
    const endpointPort = findPort(slice, port);
    if (endpointPort === null) continue;
    const service = slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? "";
    for (const endpoint of slice.endpoints) {
      const workload = nameWorkload(slice, endpoint);
      if (workload === "") continue;
      const { namespace } = slice.metadata;
      const key = `${namespace}/${workload}`;
      const draft = workloads.get(key) ?? { namespace, workload, ports: new Map() };
      draft.ports.set(`${endpointPort} ${service} ${port.port} ${port.protocol}`, {
        port: endpointPort,
        service,
        servicePort: port.port,
        protocol: readAppProtocol(port),
      });
      workloads.set(key, draft);
    }
  }
}

export interface WorkloadDraft {
  readonly namespace: string;
  readonly workload: string;
  readonly ports: Map<string, WorkloadPortModel>;
}

export function finishWorkload(draft: WorkloadDraft): WorkloadModel {
  const ports = [...draft.ports.values()];
  ports.sort((one, other) => {
    return one.port - other.port || compareText(one.service, other.service) || one.servicePort - other.servicePort;
  });
  return { namespace: draft.namespace, workload: draft.workload, ports };
}

/** By the name of the Service's port ("" when it has none) and its protocol. */
function findPort(slice: EndpointSlice, { name, protocol }: ServicePort): number | null {
  const port = slice.ports.find((candidate) => candidate.name === name && candidate.protocol === protocol);
  return port?.port ?? null;
}

function nameWorkload(slice: EndpointSlice, endpoint: Endpoint): string {
  return slice.metadata.labels?.[WORKLOAD_LABEL] ?? endpoint.targetRef?.name ?? "";
}

function compareEndpoints(one: EndpointModel, other: EndpointModel): number {
  return (
    compareText(one.address, other.address) ||
    one.port - other.port ||
    compareText(one.version, other.version) ||
    compareText(one.workload, other.workload) ||
    compareText(one.zone, other.zone)
  );
}
