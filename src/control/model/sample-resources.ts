import { validateResource } from "../../resources/validate.ts";
import type { Resource } from "../../resources/resource.ts";
import type { MeshModel, ServicePortModel } from "./mesh-model.ts";

// Resources for tests, written short: everything goes through the schemas, so tests see what a store would hold.

interface SampleOptions {
  /** Default "default". */
  readonly namespace?: string;
  readonly createdAt?: string;
}

export interface SampleService extends SampleOptions {
  /** Default: one HTTP port 80 without a name. */
  readonly ports?: readonly Readonly<Record<string, unknown>>[];
}

export function sampleService(name: string, options: SampleService = {}): Resource {
  return sample("v1", "Service", {
    name,
    options,
    spec: { ports: options.ports ?? [{ port: 80, appProtocol: "http" }] },
  });
}

export interface SampleSlice extends SampleOptions {
  /** Default: the name of the Service. */
  readonly serviceAccount?: string | null;
  readonly version?: string;
  /** Default: the name of the slice. */
  readonly workload?: string;
  readonly ready?: boolean;
  /** Default "127.0.0.1". */
  readonly address?: string;
  /** Name of the Service's port. Default "". */
  readonly portName?: string;
  readonly port: number;
}

/** One instance of a Service, as the runner writes it. */
export function sampleSlice(name: string, service: string, options: SampleSlice): Resource {
  const serviceAccount = options.serviceAccount === undefined ? service : options.serviceAccount;
  const labels: Record<string, string> = {
    "kubernetes.io/service-name": service,
    "weft.dev/workload": options.workload ?? name,
  };
  if (serviceAccount !== null) labels["weft.dev/service-account"] = serviceAccount;
  if (options.version !== undefined) labels["weft.dev/version"] = options.version;
  return validated({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: options.namespace ?? "default", labels },
    addressType: "IPv4",
    endpoints: [{ addresses: [options.address ?? "127.0.0.1"], conditions: { ready: options.ready ?? true } }],
    ports: [{ name: options.portName ?? "", port: options.port }],
  });
}

/** `weights` by backend; `groups` are names of HTTPRouteGroups. */
export function sampleSplit(
  name: string,
  root: string,
  options: SampleOptions & { readonly weights: Readonly<Record<string, number>>; readonly groups?: readonly string[] },
): Resource {
  const backends = Object.entries(options.weights).map(([service, weight]) => ({ service, weight }));
  const matches = (options.groups ?? []).map((group) => ({ kind: "HTTPRouteGroup", name: group }));
  return sample("split.smi-spec.io/v1alpha4", "TrafficSplit", {
    name,
    options,
    spec: { service: root, backends, ...(matches.length === 0 ? {} : { matches }) },
  });
}

export function sampleGroup(
  name: string,
  matches: readonly Readonly<Record<string, unknown>>[],
  options: SampleOptions = {},
): Resource {
  return sample("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", { name, options, spec: { matches } });
}

export function sampleTcpRoute(name: string, ports: readonly number[], options: SampleOptions = {}): Resource {
  return sample("specs.smi-spec.io/v1alpha4", "TCPRoute", { name, options, spec: { matches: { ports } } });
}

export interface SampleTarget extends SampleOptions {
  /** "name" or "namespace/name". */
  readonly sources: readonly string[];
  /** "HTTPRouteGroup/name", "HTTPRouteGroup/name/match" or "TCPRoute/name". */
  readonly rules: readonly string[];
}

export function sampleTarget(name: string, destination: string, options: SampleTarget): Resource {
  const rules = options.rules.map((rule) => {
    const [kind, route, ...matches] = rule.split("/");
    return { kind, name: route, ...(matches.length === 0 ? {} : { matches }) };
  });
  const sources = options.sources.map((source) => {
    const [first = "", second] = source.split("/");
    const subject = second === undefined ? { name: first } : { namespace: first, name: second };
    return { kind: "ServiceAccount", ...subject };
  });
  return sample("access.smi-spec.io/v1alpha4", "TrafficTarget", {
    name,
    options,
    spec: { destination: { kind: "ServiceAccount", name: destination }, rules, sources },
  });
}

export function sampleMesh(spec: Readonly<Record<string, unknown>>): Resource {
  return validated({ apiVersion: "weft.dev/v1alpha1", kind: "Mesh", metadata: { name: "mesh" }, spec });
}

/** Of the Service `reviews`, unless `spec` has another target. */
export function samplePolicy(
  name: string,
  spec: Readonly<Record<string, unknown>>,
  options: SampleOptions = {},
): Resource {
  const targetRef = { kind: "Service", name: "reviews" };
  return sample("weft.dev/v1alpha1", "TrafficPolicy", { name, options, spec: { targetRef, ...spec } });
}

/** Each condition as "Kind namespace/name Type Reason". */
export function listReasons(model: MeshModel): string[] {
  return model.conditions.map(
    ({ kind, namespace, name, type, reason }) => `${kind} ${namespace}/${name} ${type} ${reason}`,
  );
}

/** Throws when the Service, "<namespace>/<name>", has no such port. */
export function findPort(model: MeshModel, service: string, port: number): ServicePortModel {
  const found = model.services.get(service)?.ports.find((candidate) => candidate.port === port);
  if (found === undefined) throw new Error(`Cannot find port ${port} of ${service}`);
  return found;
}

interface Written {
  readonly name: string;
  readonly options: SampleOptions;
  readonly spec: unknown;
}

function sample(apiVersion: string, kind: string, { name, options, spec }: Written): Resource {
  const metadata = { name, namespace: options.namespace ?? "default" };
  const resource = validated({ apiVersion, kind, metadata, spec });
  if (options.createdAt === undefined) return resource;
  return { ...resource, metadata: { ...resource.metadata, creationTimestamp: options.createdAt } };
}

function validated(input: unknown): Resource {
  const { resource, problems } = validateResource(input, { file: "sample" });
  if (resource === null) throw new Error(`Cannot make a sample resource: ${JSON.stringify(problems)}`);
  return resource;
}
