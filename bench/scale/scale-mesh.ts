import type { ProxyNodeMetadata } from "../../src/proxy-node.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { toEndpointSlices } from "../../src/runner/endpoint-slices.ts";

/** A mesh as large as asked for, made up but always the same for the same size. */
export interface ScaleMesh {
  readonly services: readonly ScaleService[];
  readonly proxies: readonly ScaleProxy[];
  readonly resources: readonly Resource[];
}

export interface ScaleService {
  readonly namespace: string;
  readonly name: string;
  /** Indexes of the services whose identity may call it. */
  readonly callers: ReadonlySet<number>;
}

/** One simulated sidecar, beside an instance that has an EndpointSlice of its own. */
export interface ScaleProxy {
  /** Index of its service. */
  readonly service: number;
  readonly namespace: string;
  readonly workload: string;
  readonly serviceAccount: string;
  readonly metadata: ProxyNodeMetadata;
}

export interface ScaleSize {
  readonly services: number;
  readonly endpointsPerService: number;
  readonly proxies: number;
}

const SERVICES_PER_NAMESPACE = 100;
const CALLEES = 10;
const PORT = 8080;
const INBOUND_PORT = 15_008;
const ZONES: readonly string[] = ["zone-a", "zone-b", "zone-c"];
/** One service in so many has a split, is opaque TCP, or has a policy. */
const SPLIT_EVERY = 25;
const TCP_EVERY = 20;
const POLICY_EVERY = 8;

/** Each service may call ten others under `access: strict`; some have splits, policies or opaque ports. */
export function createScaleMesh(size: ScaleSize): ScaleMesh {
  const services = createServices(size.services);
  const proxies = createProxies(services, size);
  return { services, proxies, resources: listResources(services, size) };
}

/** The EndpointSlice of the instance beside a proxy, as its runner writes it. */
export function createInstanceSlice(mesh: ScaleMesh, proxy: ScaleProxy, ready: boolean): Resource {
  const service = mesh.services[proxy.service];
  if (service === undefined) throw new Error(`Found no service ${proxy.service}`);
  return toInstanceSlice(service, proxy.service, { instance: instanceOf(proxy), ready });
}

function instanceOf(proxy: ScaleProxy): number {
  return Number(proxy.workload.slice(proxy.workload.lastIndexOf("-") + 1));
}

interface ServiceDraft extends ScaleService {
  readonly callers: Set<number>;
}

function createServices(count: number): readonly ScaleService[] {
  const random = createSeededRandom(count);
  const services = Array.from({ length: count }, (_, index): ServiceDraft => {
    return {
      namespace: `team-${Math.floor(index / SERVICES_PER_NAMESPACE)}`,
      name: `service-${index}`,
      callers: new Set(),
    };
  });
  for (let caller = 0; caller < count; caller += 1) {
    const callees = new Set<number>();
    while (callees.size < Math.min(CALLEES, count - 1)) {
      const callee = random.below(count);
      if (callee !== caller) callees.add(callee);
    }
    for (const callee of callees) services[callee]?.callers.add(caller);
  }
  return services;
}

function createProxies(services: readonly ScaleService[], size: ScaleSize): readonly ScaleProxy[] {
  const most = Math.min(size.proxies, services.length * size.endpointsPerService);
  return Array.from({ length: most }, (_, index): ScaleProxy => {
    const at = index % services.length;
    const service = services[at];
    if (service === undefined) throw new Error(`Found no service ${at}`);
    const workload = `${service.name}-${Math.floor(index / services.length)}`;
    return {
      service: at,
      namespace: service.namespace,
      workload,
      serviceAccount: service.name,
      metadata: createMetadata(service, workload, isOpaque(at)),
    };
  });
}

/** What a sidecar on a host of its own says. */
function createMetadata(service: ScaleService, workload: string, opaque: boolean): ProxyNodeMetadata {
  const protocol = opaque ? "tcp" : "http";
  return {
    role: "sidecar",
    namespace: service.namespace,
    workload,
    runtime: "node 26.10.0",
    weftVersion: "0.1.0",
    outbound: { address: "127.0.0.1", port: 15_001 },
    inbound: [{ address: "0.0.0.0", port: INBOUND_PORT, appAddress: "127.0.0.1", appPort: PORT, protocol }],
    ingress: [],
    admin: { address: "127.0.0.1", port: 15_000 },
  };
}

function listResources(services: readonly ScaleService[], size: ScaleSize): readonly Resource[] {
  const namespaces = [...new Set(services.map(({ namespace }) => namespace))];
  return [
    ...namespaces.flatMap(listNamespaceResources),
    ...services.flatMap((service, index) => listServiceResources(services, service, index)),
    ...services.flatMap((service, index) => listSlices(service, index, size)),
  ];
}

function listNamespaceResources(namespace: string): readonly Resource[] {
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, namespace: "" } },
    {
      apiVersion: "specs.smi-spec.io/v1alpha4",
      kind: "HTTPRouteGroup",
      metadata: { name: "any", namespace },
      spec: { matches: [{ name: "any", pathRegex: ".*", methods: ["*"] }] },
    },
    {
      apiVersion: "specs.smi-spec.io/v1alpha4",
      kind: "HTTPRouteGroup",
      metadata: { name: "api", namespace },
      spec: {
        matches: [
          { name: "read", pathRegex: "/api/.*", methods: ["GET", "HEAD"] },
          { name: "write", pathRegex: "/api/orders/[0-9]+", methods: ["POST", "PUT"] },
        ],
      },
    },
    {
      apiVersion: "specs.smi-spec.io/v1alpha4",
      kind: "TCPRoute",
      metadata: { name: "any", namespace },
      spec: { matches: { ports: [] } },
    },
  ];
}

function listServiceResources(
  services: readonly ScaleService[],
  service: ScaleService,
  index: number,
): readonly Resource[] {
  const { namespace, name, callers } = service;
  const protocol = isOpaque(index) ? "tcp" : "http";
  const rule = isOpaque(index)
    ? { kind: "TCPRoute", name: "any" }
    : { kind: "HTTPRouteGroup", name: index % 5 === 0 ? "api" : "any" };
  const sources = [...callers].flatMap((caller) => services[caller] ?? []);
  const resources: Resource[] = [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels: { app: name, team: namespace } },
      spec: { ports: [{ name: protocol, port: 80, targetPort: PORT, protocol: "TCP", appProtocol: protocol }] },
    },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } },
  ];
  if (sources.length > 0) {
    resources.push({
      apiVersion: "access.smi-spec.io/v1alpha4",
      kind: "TrafficTarget",
      metadata: { name, namespace },
      spec: {
        destination: { kind: "ServiceAccount", name, namespace },
        rules: [rule],
        sources: sources.map((source) => ({
          kind: "ServiceAccount",
          name: source.name,
          namespace: source.namespace,
        })),
      },
    });
  }
  if (index % POLICY_EVERY === 0 && !isOpaque(index)) resources.push(createPolicy(service));
  const backend = services[index + 1];
  if (index % SPLIT_EVERY === 1 && backend?.namespace === namespace && !isOpaque(index) && !isOpaque(index + 1)) {
    resources.push(createSplit(service, backend));
  }
  return resources;
}

function createPolicy({ namespace, name }: ScaleService): Resource {
  return {
    apiVersion: "weft.dev/v1alpha1",
    kind: "TrafficPolicy",
    metadata: { name, namespace },
    spec: {
      targetRef: { kind: "Service", name },
      timeouts: { request: "5s", perTry: "2s" },
      retries: { attempts: 3 },
    },
  };
}

function createSplit({ namespace, name }: ScaleService, backend: ScaleService): Resource {
  return {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name, namespace },
    spec: {
      service: name,
      backends: [
        { service: name, weight: 90 },
        { service: backend.name, weight: 10 },
      ],
    },
  };
}

/** Instances with a simulated proxy have slices of their own; the others share one, as Kubernetes writes them. */
function listSlices(service: ScaleService, index: number, size: ScaleSize): readonly Resource[] {
  const { endpointsPerService, services, proxies } = size;
  const simulated = Math.min(endpointsPerService, Math.ceil((proxies - index) / services));
  const slices = Array.from({ length: simulated }, (_, instance) =>
    toInstanceSlice(service, index, { instance, ready: true }),
  );
  if (simulated === endpointsPerService) return slices;
  const { namespace, name } = service;
  const protocol = isOpaque(index) ? "tcp" : "http";
  const rest: Resource = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-rest`,
      namespace,
      labels: { "kubernetes.io/service-name": name, "weft.dev/service-account": name },
    },
    addressType: "IPv4",
    endpoints: Array.from({ length: endpointsPerService - simulated }, (_, offset) => ({
      addresses: [formatAddress(index, simulated + offset)],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: "Pod", name: `${name}-${simulated + offset}`, namespace },
      zone: zoneOf(simulated + offset),
    })),
    ports: [{ name: protocol, port: INBOUND_PORT, protocol: "TCP", appProtocol: protocol }],
  };
  return [...slices, rest];
}

interface InstanceState {
  readonly instance: number;
  readonly ready: boolean;
}

function toInstanceSlice(service: ScaleService, index: number, { instance, ready }: InstanceState): Resource {
  const protocol = isOpaque(index) ? "tcp" : "http";
  const [slice] = toEndpointSlices({
    namespace: service.namespace,
    workload: `${service.name}-${instance}`,
    service: service.name,
    version: "",
    serviceAccount: service.name,
    protocol,
    address: formatAddress(index, instance),
    port: INBOUND_PORT,
    portName: protocol,
    zone: zoneOf(instance),
    ready,
    terminating: false,
  });
  if (slice === undefined) throw new Error("An instance has at least one slice");
  return slice;
}

function formatAddress(service: number, instance: number): string {
  return `10.${Math.floor(service / 250)}.${service % 250}.${instance + 1}`;
}

function zoneOf(instance: number): string {
  return ZONES[instance % ZONES.length] ?? "";
}

function isOpaque(index: number): boolean {
  return index % TCP_EVERY === 3;
}
