import type { MeshModel, ServiceModel, ServicePortModel } from "../../control/model/mesh-model.ts";
import type { Resource } from "../../resources/resource.ts";
import type { TrafficPolicy } from "../../resources/traffic-policy.ts";
import { describeReferences } from "../dangling-references.ts";
import { formatFaultState } from "../describe-faults.ts";
import { describePolicy } from "../describe-policy.ts";
import { listCertificateFaults } from "./ingress-checks.ts";
import { type CheckResult, toResult } from "./check-result.ts";

const SECTION = "resources";

/** What the resources mean together, judged on the same model that the control plane compiles. */
export function checkResources(
  model: MeshModel,
  resources: readonly Resource[],
  wallMs: number,
): readonly CheckResult[] {
  const services = [...model.services].filter(([, service]) => service.exists);
  return [
    toResult(SECTION, "every resource is in force as it is written", {
      outcome: "warning",
      found: model.conditions.map((condition) => `${condition.kind}/${condition.name}: ${condition.message}`),
      hint: "Correct the resource, or apply what is missing; until then weft does what the line says",
    }),
    toResult(SECTION, "every name that resources use is known", {
      outcome: "warning",
      found: describeReferences(model, resources).map(({ resource, problem }) => `${resource}: ${problem}`),
      hint: "Correct the name, or apply what is missing",
    }),
    toResult(SECTION, `every service has a ready endpoint (${services.length} services)`, {
      outcome: "warning",
      found: services.flatMap(([key, service]) => listPortsWithoutEndpoints(key, service)),
      hint: "Start an instance: `weft run SERVICE -- COMMAND`; one that runs may not be ready yet",
    }),
    toResult(SECTION, "every traffic split has somewhere to send", {
      found: services
        .concat([...model.services].filter(([, service]) => !service.exists))
        .flatMap(([key, service]) => listDeadSplits(key, service, model)),
      hint: "Give a backend with ready endpoints a weight above 0: until then these requests are answered with 503",
    }),
    toResult(SECTION, "no fault is injected, and none that has ended is left", {
      outcome: "warning",
      found: resources
        .filter((resource) => resource.kind === "TrafficPolicy")
        .flatMap((resource) => listFaults(resource as TrafficPolicy, resources, wallMs)),
      hint: "Apply the policy without the fault, or delete it, once nobody needs it",
    }),
    toResult(SECTION, "every certificate of an ingress is valid and names its hosts", {
      outcome: "warning",
      found: listCertificateFaults(resources, wallMs),
      hint: "Put another certificate into the Secret: new handshakes use it at once",
    }),
    toResult(SECTION, "every service may be called by somebody", {
      outcome: "warning",
      found:
        model.settings.access === "strict"
          ? services.flatMap(([key, service]) => listUncallable(key, service, model))
          : [],
      hint: "Under `access: strict` only a TrafficTarget opens a service: write one, or `allow:` in weft.yaml",
    }),
  ];
}

/** Of a fault that is not in force the policy's conditions speak. */
function listFaults(policy: TrafficPolicy, resources: readonly Resource[], wallMs: number): readonly string[] {
  if (policy.spec.faults === undefined) return [];
  const { namespace, name } = policy.metadata;
  const { service, faults } = describePolicy(policy, resources, wallMs);
  const where = `${service}: TrafficPolicy ${namespace}/${name}`;
  return faults
    .filter((fault) => fault.state !== "idle")
    .map((fault) => `${where}, fault ${fault.name}: ${fault.does}; ${formatFaultState(fault)}`);
}

function listPortsWithoutEndpoints(key: string, service: ServiceModel): readonly string[] {
  const carried = service.ports
    .filter((port) => port.endpoints.length === 0 && !isAlwaysSplit(port))
    .map((port) => `${key}:${port.port} has none, so requests are answered with 503 (no_endpoint)`);
  const datagrams = service.udpPorts
    .filter((port) => port.endpoints.length === 0)
    .map((port) => `${key}:${port.port}/UDP has none, so datagrams for it are lost`);
  return [...carried, ...datagrams];
}

/** Then the root's own endpoints are never called. */
function isAlwaysSplit(port: ServicePortModel): boolean {
  return port.splits.some((split) => split.matches === null);
}

function listDeadSplits(key: string, service: ServiceModel, model: MeshModel): readonly string[] {
  return service.ports.flatMap((port) =>
    port.splits
      .filter(
        (split) =>
          !split.backends.some((backend) => hasEndpoints(model, `${service.namespace}/${backend.service}`, port.port)),
      )
      .map((split) => `TrafficSplit ${split.key} leaves ${key}:${port.port} without a ready endpoint`),
  );
}

function hasEndpoints(model: MeshModel, key: string, port: number): boolean {
  const found = model.services.get(key)?.ports.find((candidate) => candidate.port === port);
  return (found?.endpoints.length ?? 0) > 0;
}

/** A service without instances has no identity to open yet, so only the check of endpoints speaks of it. */
function listUncallable(key: string, service: ServiceModel, model: MeshModel): readonly string[] {
  const accounts = [...new Set([...service.ports, ...service.udpPorts].flatMap((port) => port.serviceAccounts))];
  const isOpen = accounts.some((account) =>
    model.access.get(`${service.namespace}/${account}`)?.targets.some((target) => target.sources.length > 0),
  );
  if (accounts.length === 0 || isOpen) return [];
  return [
    `${key}: no TrafficTarget has the destination ${accounts.map((account) => `ServiceAccount ${service.namespace}/${account}`).join(" or ")}`,
  ];
}
