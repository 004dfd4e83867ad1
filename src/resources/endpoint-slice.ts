import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { dnsSubdomain, isDnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { portName, portNumber, transportProtocol } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** Names the Service (of the same namespace) that a slice belongs to. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** As in Kubernetes. */
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 100;

/** Some of the instances of a Service: those with the same ports. */
export interface EndpointSlice extends Resource {
  readonly apiVersion: "discovery.k8s.io/v1";
  readonly kind: "EndpointSlice";
  readonly spec?: never;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly EndpointPort[];
}

export interface Endpoint {
  /** At least one; they are the same instance, so weft uses the first. */
  readonly addresses: readonly string[];
  readonly conditions: EndpointConditions;
  readonly targetRef?: ObjectReference;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly deprecatedTopology?: Readonly<Record<string, string>>;
  readonly hints?: Readonly<Record<string, unknown>>;
}

export interface EndpointConditions {
  /** Default true, as in Kubernetes: not said means ready. */
  readonly ready: boolean;
  /** Default: the same as `ready`. */
  readonly serving: boolean;
  /** Default false. */
  readonly terminating: boolean;
}

/** The workload behind an endpoint. */
export interface ObjectReference {
  readonly apiVersion?: string;
  readonly fieldPath?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly resourceVersion?: string;
  readonly uid?: string;
}

export interface EndpointPort {
  /** Equal to the name of the Service's port; "" when that has none. */
  readonly name: string;
  /** Left out (Kubernetes: any port): weft cannot send traffic to this entry. */
  readonly port?: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly appProtocol?: string;
}

interface WrittenConditions {
  readonly ready?: boolean | null;
  readonly serving?: boolean | null;
  readonly terminating?: boolean | null;
}

const text = z.string("a string");
const condition = z.boolean("true or false").nullable().exactOptional();

const conditions: z.ZodType<EndpointConditions> = z.preprocess(
  (value) => value ?? {},
  strictObject<WrittenConditions>({ ready: condition, serving: condition, terminating: condition }).transform(
    (written) => {
      const ready = written.ready ?? true;
      return { ready, serving: written.serving ?? ready, terminating: written.terminating ?? false };
    },
  ),
);

const endpoint: z.ZodType<Endpoint> = strictObject<Endpoint>({
  addresses: z
    .array(text, "a list of addresses")
    .min(1, "at least one address")
    .max(MAX_ADDRESSES, `at most ${MAX_ADDRESSES} addresses`),
  conditions,
  targetRef: strictObject<ObjectReference>({
    apiVersion: text.exactOptional(),
    fieldPath: text.exactOptional(),
    kind: text.exactOptional(),
    name: text.exactOptional(),
    namespace: text.exactOptional(),
    resourceVersion: text.exactOptional(),
    uid: text.exactOptional(),
  }).exactOptional(),
  hostname: text.exactOptional(),
  nodeName: text.exactOptional(),
  zone: text.exactOptional(),
  deprecatedTopology: z.record(z.string(), text, "an object of strings").exactOptional(),
  hints: z.record(z.string(), z.unknown(), "an object").exactOptional(),
});

const endpointPort: z.ZodType<EndpointPort> = strictObject<EndpointPort>({
  name: z.preprocess((value) => value ?? "", portName),
  port: portNumber.exactOptional(),
  protocol: transportProtocol.default("TCP"),
  appProtocol: text.exactOptional(),
});

/** Kubernetes clients write an empty list as null. */
function listOf<T>(item: z.ZodType<T>, limit: number, what: string): z.ZodType<readonly T[]> {
  const list = z.array(item, `a list of ${what}`).max(limit, `at most ${limit} ${what}`);
  return z.preprocess((value) => value ?? [], list);
}

export const endpointSliceSchema: z.ZodType<EndpointSlice> = strictObject<EndpointSlice>({
  apiVersion: z.literal("discovery.k8s.io/v1"),
  kind: z.literal("EndpointSlice"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: z.never("no spec: addressType, endpoints and ports stand beside metadata").exactOptional(),
  status: z.unknown().exactOptional(),
  addressType: z.enum(["IPv4", "IPv6", "FQDN"], "IPv4, IPv6 or FQDN"),
  endpoints: listOf(endpoint, MAX_ENDPOINTS, "endpoints"),
  ports: listOf(endpointPort, MAX_PORTS, "ports"),
}).superRefine((slice, context) => {
  refuseRepeatedPorts(slice, context);
  const rule = ADDRESS_RULES[slice.addressType];
  for (const [index, item] of slice.endpoints.entries()) {
    for (const [position, address] of item.addresses.entries()) {
      if (rule.accepts(address)) continue;
      context.addIssue({ code: "custom", path: ["endpoints", index, "addresses", position], message: rule.expected });
    }
  }
});

interface AddressRule {
  readonly accepts: (address: string) => boolean;
  readonly expected: string;
}

const ADDRESS_RULES: Readonly<Record<EndpointSlice["addressType"], AddressRule>> = {
  IPv4: { accepts: isIPv4, expected: "an IPv4 address, as addressType says" },
  IPv6: { accepts: isIPv6, expected: "an IPv6 address, as addressType says" },
  FQDN: { accepts: isDnsSubdomain, expected: "a DNS name, as addressType says" },
};

function refuseRepeatedPorts(slice: EndpointSlice, context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, port] of slice.ports.entries()) {
    if (seen.has(port.name)) {
      context.addIssue({ code: "custom", path: ["ports", index, "name"], message: "a name that no other port has" });
    }
    seen.add(port.name);
  }
}
