import type { EndpointSlice } from "../../resources/endpoint-slice.ts";
import type { Service } from "../../resources/service.ts";
import { compareText } from "./compare-text.ts";
import {
  collectWorkloads,
  compilePortEndpoints,
  finishWorkload,
  reportSlices,
  type WorkloadDraft,
} from "./compile-endpoints.ts";
import { compilePolicies, groupPolicies, NO_POLICIES, type PortPolicies } from "./compile-policies.ts";
import { compileSplits, type SplitTable } from "./compile-splits.ts";
import type { ConditionLog } from "./condition-log.ts";
import type { ServiceModel, ServicePortModel, WorkloadModel } from "./mesh-model.ts";
import type { ResourceIndex } from "./resource-index.ts";
import { carriedPorts, portProtocol, tcpPorts, udpPorts } from "./service-ports.ts";

export interface CompiledServices {
  readonly services: Map<string, ServiceModel>;
  readonly workloads: Map<string, WorkloadModel>;
}

export function compileServices(index: ResourceIndex, conditions: ConditionLog): CompiledServices {
  const splits = compileSplits(index, conditions);
  const policies = compileAllPolicies(index, splits, conditions);
  const workloads = new Map<string, WorkloadDraft>();
  const models: [string, ServiceModel][] = [];
  for (const [key, service] of index.services) {
    const slices = index.slices.get(key) ?? [];
    models.push([key, compileService(service, slices, { splits: splits.get(key), policies: policies.get(key) })]);
    for (const port of carriedPorts(service)) collectWorkloads(slices, port, workloads);
  }
  for (const [key, table] of splits) {
    if (!index.services.has(key)) models.push([key, compileBareRoot(key, table)]);
  }
  for (const [key, slices] of index.slices) reportServiceSlices(index.services.get(key), slices, conditions);
  return {
    services: new Map(models.sort(([one], [other]) => compareText(one, other))),
    workloads: new Map(
      [...workloads.entries()]
        .sort(([one], [other]) => compareText(one, other))
        .map(([key, draft]) => [key, finishWorkload(draft)]),
    ),
  };
}

/** By key of the Service, those that have any. */
export function compileAllPolicies(
  index: ResourceIndex,
  splits: ReadonlyMap<string, SplitTable>,
  conditions: ConditionLog,
): Map<string, ReadonlyMap<number, PortPolicies>> {
  const compiled = new Map<string, ReadonlyMap<number, PortPolicies>>();
  for (const [key, policies] of groupPolicies({ index, conditions })) {
    const service = index.services.get(key);
    if (service === undefined) continue;
    const table = splits.get(key) ?? null;
    compiled.set(key, compilePolicies(service, policies, { index, conditions, splits: table }));
  }
  return compiled;
}

/** `service` undefined: there is none of that name. */
export function reportServiceSlices(
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  conditions: ConditionLog,
): void {
  const portNames = service === undefined ? null : new Set(carriedPorts(service).map((port) => port.name));
  reportSlices(slices, portNames, conditions);
}

/** What others say of one Service; undefined = nothing. */
export interface ServiceRules {
  readonly splits: SplitTable | undefined;
  readonly policies: ReadonlyMap<number, PortPolicies> | undefined;
}

export function compileService(service: Service, slices: readonly EndpointSlice[], rules: ServiceRules): ServiceModel {
  const { splits, policies } = rules;
  const { namespace, name } = service.metadata;
  const ports = tcpPorts(service).map((port): ServicePortModel => ({
    port: port.port,
    protocol: portProtocol(port),
    ...compilePortEndpoints(slices, port),
    splits: splits?.get(port.port)?.splits ?? [],
    ...(policies?.get(port.port) ?? NO_POLICIES),
  }));
  const datagramPorts = udpPorts(service).map((port): ServicePortModel => ({
    port: port.port,
    protocol: "udp",
    ...compilePortEndpoints(slices, port),
    splits: [],
    ...NO_POLICIES,
  }));
  return { namespace, name, exists: true, ports, udpPorts: datagramPorts };
}

/** The root of a TrafficSplit that is no Service: callers can use the name, and the split says where they get to. */
export function compileBareRoot(key: string, table: SplitTable): ServiceModel {
  const slash = key.indexOf("/");
  const ports = [...table.entries()]
    .sort(([one], [other]) => one - other)
    .map(([port, { protocol, splits }]): ServicePortModel => {
      return { port, protocol, endpoints: [], serviceAccounts: [], splits, ...NO_POLICIES };
    });
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1), exists: false, ports, udpPorts: [] };
}
