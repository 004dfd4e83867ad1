import type { ApiClient } from "../apiserver/api-client.ts";
import { readAppProtocol, udpPorts } from "../control/model/service-ports.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { AppProtocol } from "../proxy-node.ts";
import type { Resource } from "../resources/resource.ts";
import type { Service } from "../resources/service.ts";
import type { UdpTarget } from "./sidecar.ts";
import { formatVersionService } from "./weft-yaml.ts";
import { createService, toServiceAccount } from "./weft-yaml-resources.ts";

export interface JoinOptions {
  readonly namespace: string;
  readonly service: string;
  /** "" for none. */
  readonly version: string;
  readonly protocol: AppProtocol;
  /** The port callers use; null: the existing Service's first, else 80. */
  readonly servicePort: number | null;
}

/** The port of the Service that an instance serves. */
export interface JoinedPort {
  /** "" when the Service has one port. */
  readonly name: string;
  readonly protocol: AppProtocol;
}

type Api = Pick<ApiClient, "create" | "get">;

const DEFAULT_SERVICE_PORT = 80;
const MAX_UDP_TARGETS = 64;

/** Makes the identity that a workload of this service runs under, unless it is there. */
export async function ensureServiceAccount(
  api: Api,
  { namespace, service }: Pick<JoinOptions, "namespace" | "service">,
): Promise<void> {
  await ensure(api, toServiceAccount(service, namespace));
}

/** What an existing Service says about its port; null when there is no such Service. Throws when it has no such port. */
export async function findServicePort(api: Api, options: JoinOptions): Promise<JoinedPort | null> {
  const found = (await api.get({
    group: "",
    kind: "Service",
    namespace: options.namespace,
    name: options.service,
  })) as Service | null;
  if (found === null) return null;
  const { ports } = found.spec;
  const isUdp = options.protocol === "udp";
  const numbered = ports.filter(({ port }) => options.servicePort === null || port === options.servicePort);
  // A number may stand for a port of TCP and one of UDP.
  const port = numbered.find(({ protocol }) => (protocol === "UDP") === isUdp) ?? numbered[0];
  if (port === undefined) {
    throw new WeftError(
      "WEFT_RUN_PORT",
      `Cannot join the Service "${options.service}": found ports ${ports.map((candidate) => candidate.port).join(", ") || "none"}; expected ${options.servicePort ?? "one"}`,
      {
        hint: `Leave --service-port out, or change the Service: weft get service ${options.service} -n ${options.namespace} -o yaml`,
      },
    );
  }
  return { name: port.name, protocol: readAppProtocol(port) };
}

/** The UDP ports of all Services of the namespace, in order of name. At most 64: each is a socket of the sidecar. */
export async function listUdpTargets(api: Pick<ApiClient, "list">, namespace: string): Promise<readonly UdpTarget[]> {
  const { items } = await api.list({ group: "", kind: "Service" }, { namespace });
  const targets = (items as readonly Service[]).flatMap((service) =>
    udpPorts(service).map(({ port }) => ({ service: `${namespace}/${service.metadata.name}`, servicePort: port })),
  );
  return targets.slice(0, MAX_UDP_TARGETS);
}

/** Makes the Service, and the version's own, unless they are there. */
export async function ensureServices(api: Api, options: JoinOptions): Promise<void> {
  const { namespace, service, version, protocol } = options;
  const port = options.servicePort ?? DEFAULT_SERVICE_PORT;
  await ensure(api, createService(service, { port, protocol, namespace }));
  if (version !== "")
    await ensure(api, createService(formatVersionService(service, version), { port, protocol, namespace }));
}

async function ensure(api: Api, resource: Resource): Promise<void> {
  const { kind, metadata } = resource;
  if ((await api.get({ group: "", kind, namespace: metadata.namespace, name: metadata.name })) !== null) return;
  try {
    await api.create(resource);
  } catch (error) {
    if (!(error instanceof WeftError) || error.code !== "WEFT_API_ALREADY_EXISTS") throw error;
  }
}
