import { isIP } from "node:net";
import { z } from "zod";
import { dnsLabel, isDnsSubdomain, labelValue, qualifiedName } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { isTargetPortName, portName, portNumber, refuseRepeats, transportProtocol } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** A name that callers use, and the ports they may call. Its instances are in EndpointSlices. */
export interface Service extends Resource {
  readonly apiVersion: "v1";
  readonly kind: "Service";
  readonly spec: ServiceSpec;
}

/** The optional fields mean something to Kubernetes only: they are checked, kept and not used. */
export interface ServiceSpec {
  /** Never empty, except where `clusterIP` is "None" or `type` is "ExternalName". */
  readonly ports: readonly ServicePort[];
  /** Labels of the workloads behind the name; {} = none are selected, the EndpointSlices are written by somebody else. */
  readonly selector: Readonly<Record<string, string>>;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** "None" = headless. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalName?: string;
  readonly allocateLoadBalancerNodePorts?: boolean;
  readonly externalIPs?: readonly string[];
  readonly externalTrafficPolicy?: "Cluster" | "Local";
  readonly healthCheckNodePort?: number;
  readonly internalTrafficPolicy?: "Cluster" | "Local";
  readonly ipFamilies?: readonly ("IPv4" | "IPv6")[];
  readonly ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  readonly loadBalancerClass?: string;
  readonly loadBalancerIP?: string;
  readonly loadBalancerSourceRanges?: readonly string[];
  readonly publishNotReadyAddresses?: boolean;
  readonly sessionAffinity?: "None" | "ClientIP";
  readonly sessionAffinityConfig?: Readonly<Record<string, unknown>>;
  readonly trafficDistribution?: string;
}

export interface ServicePort {
  /** "" only when the Service has one port. */
  readonly name: string;
  /** What callers name: 1..65535. */
  readonly port: number;
  /** Where instances listen: a number, or the name of a port of the workload. Default: the same as `port`. */
  readonly targetPort: number | string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  /** e.g. "http", "grpc", "tcp". "tcp" = opaque bytes, never looked into. */
  readonly appProtocol?: string;
  readonly nodePort?: number;
}

type WrittenPort = Omit<ServicePort, "targetPort"> & { readonly targetPort?: number | string };

const address = z.string().refine((text) => isIP(text) !== 0, "an IP address");
const flag = z.boolean("true or false");
const TARGET_PORT_RULE = "a port of 1 to 65535, or the name of a port";
const policy = z.enum(["Cluster", "Local"], "Cluster or Local");

const servicePort: z.ZodType<ServicePort> = strictObject<WrittenPort>({
  name: portName.default(""),
  port: portNumber,
  targetPort: z
    .union([portNumber, z.string().refine(isTargetPortName, TARGET_PORT_RULE)], TARGET_PORT_RULE)
    .exactOptional(),
  protocol: transportProtocol.default("TCP"),
  appProtocol: z.string("a string").exactOptional(),
  nodePort: z.int("a port").min(0, "a port").max(65_535, "a port").exactOptional(),
}).transform((port) => ({ ...port, targetPort: port.targetPort ?? port.port }));

const servicePorts: z.ZodType<readonly ServicePort[]> = z
  .array(servicePort, "a list of ports")
  .superRefine((ports, context) => {
    refuseRepeats(context, ports, "name", (port) => (ports.length === 1 ? null : port.name));
    refuseRepeats(context, ports, "port", (port) => `${port.port}/${port.protocol}`);
    if (ports.length < 2) return;
    for (const [index, port] of ports.entries()) {
      if (port.name !== "") continue;
      context.addIssue({
        code: "custom",
        path: [index, "name"],
        message: "a name: every port needs one when there are several",
      });
    }
  });

const spec: z.ZodType<ServiceSpec> = strictObject<ServiceSpec>({
  ports: servicePorts.default([]),
  selector: z.preprocess((value) => value ?? {}, z.record(qualifiedName, labelValue, "an object of labels")),
  type: z
    .enum(
      ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
      "ClusterIP, NodePort, LoadBalancer or ExternalName",
    )
    .default("ClusterIP"),
  clusterIP: z
    .string("a string")
    .refine((text) => text === "" || text === "None" || isIP(text) !== 0, "an IP address, or None")
    .exactOptional(),
  clusterIPs: z.array(z.string("a string"), "a list of addresses").exactOptional(),
  externalName: z.string("a string").refine(isDnsSubdomain, "a DNS name").exactOptional(),
  allocateLoadBalancerNodePorts: flag.exactOptional(),
  externalIPs: z.array(address, "a list of IP addresses").exactOptional(),
  externalTrafficPolicy: policy.exactOptional(),
  healthCheckNodePort: z.int("a port").exactOptional(),
  internalTrafficPolicy: policy.exactOptional(),
  ipFamilies: z.array(z.enum(["IPv4", "IPv6"], "IPv4 or IPv6"), "a list of IP families").exactOptional(),
  ipFamilyPolicy: z
    .enum(["SingleStack", "PreferDualStack", "RequireDualStack"], "SingleStack, PreferDualStack or RequireDualStack")
    .exactOptional(),
  loadBalancerClass: z.string("a string").exactOptional(),
  loadBalancerIP: z.string("a string").exactOptional(),
  loadBalancerSourceRanges: z.array(z.string("a string"), "a list of address ranges").exactOptional(),
  publishNotReadyAddresses: flag.exactOptional(),
  sessionAffinity: z.enum(["None", "ClientIP"], "None or ClientIP").exactOptional(),
  sessionAffinityConfig: z.record(z.string(), z.unknown(), "an object").exactOptional(),
  trafficDistribution: z.string("a string").exactOptional(),
}).superRefine((value, context) => {
  if (value.ports.length > 0 || value.clusterIP === "None" || value.type === "ExternalName") return;
  context.addIssue({ code: "custom", path: ["ports"], message: "at least one port", input: value.ports });
});

export const serviceSchema: z.ZodType<Service> = strictObject<Service>({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata: createObjectMetaSchema({ name: dnsLabel, namespaced: true }),
  spec,
  status: z.unknown().exactOptional(),
});
