import { isIP } from "node:net";
import { z } from "zod";
import { dnsLabel, dnsSubdomain, isDnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { portNumber } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** On an Ingress: "false" answers plain HTTP for its TLS hosts instead of sending it to HTTPS. Default "true". */
export const HTTPS_REDIRECT_ANNOTATION = "weft.dev/https-redirect";
/** How Ingresses named their class before there was `spec.ingressClassName`. */
export const LEGACY_CLASS_ANNOTATION = "kubernetes.io/ingress.class";

/**
 * Which requests from outside go to which Services
 * (https://kubernetes.io/docs/concepts/services-networking/ingress/).
 */
export interface Ingress extends Resource {
  readonly apiVersion: "networking.k8s.io/v1";
  readonly kind: "Ingress";
  readonly spec: IngressSpec;
  readonly status?: IngressStatus;
}

export interface IngressSpec {
  /** Name of an IngressClass; left out: the default class. */
  readonly ingressClassName?: string;
  /** For what no rule takes. */
  readonly defaultBackend?: IngressBackend;
  readonly tls: readonly IngressTls[];
  readonly rules: readonly IngressRule[];
}

export interface IngressTls {
  /** Lower-case names, or `*.` and a name; [] = the hosts of the rules. */
  readonly hosts: readonly string[];
  /** A Secret of type kubernetes.io/tls in the Ingress's namespace; left out: the gateway's own certificate. */
  readonly secretName?: string;
}

export interface IngressRule {
  /** A name, `*.` and a name, or "" for every host that no other rule names. */
  readonly host: string;
  /** Left out: every path goes to the default backend. */
  readonly http?: { readonly paths: readonly IngressPath[] };
}

export type PathType = "Exact" | "Prefix" | "ImplementationSpecific";

export interface IngressPath {
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: IngressBackend;
}

export interface IngressBackend {
  /** Of the Ingress's namespace. */
  readonly service: { readonly name: string; readonly port: IngressBackendPort };
  /** Refused: weft sends requests to Services only. */
  readonly resource?: unknown;
}

/** Exactly one of them. */
export interface IngressBackendPort {
  readonly number?: number;
  readonly name?: string;
}

export interface IngressStatus {
  readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerAddress[] };
}

export interface LoadBalancerAddress {
  readonly ip?: string;
  readonly hostname?: string;
  readonly ports?: readonly { readonly port: number; readonly protocol: string; readonly error?: string }[];
}

interface WrittenBackend {
  readonly service?: IngressBackend["service"];
  readonly resource?: unknown;
}

interface WrittenPath {
  readonly path?: string;
  readonly pathType: PathType;
  readonly backend: IngressBackend;
}

const MAX_RULES = 256;
const MAX_PATHS = 256;
const MAX_TLS = 256;
const MAX_HOSTS = 256;
const HOST_RULE =
  "a DNS name like shop.example.com, or *.example.com: one * as the whole first label; no port, no address";
const PATH_TYPE_RULE = "Exact, Prefix or ImplementationSpecific";
const PORT_RULE = "exactly one of number and name";

const host: z.ZodType<string> = z.string(HOST_RULE).refine(isIngressHost, HOST_RULE);

const backendPort: z.ZodType<IngressBackendPort> = strictObject<IngressBackendPort>({
  number: portNumber.exactOptional(),
  name: dnsLabel.exactOptional(),
}).refine((port) => (port.number === undefined) !== (port.name === undefined), PORT_RULE);

const backend: z.ZodType<IngressBackend> = strictObject<WrittenBackend>({
  service: strictObject<IngressBackend["service"]>({ name: dnsLabel, port: backendPort }).exactOptional(),
  resource: z.unknown().exactOptional(),
}).transform((written, context): IngressBackend => {
  if (written.resource !== undefined) {
    const message = "service: weft sends requests to Services, and serves no other kind of resource";
    context.addIssue({ code: "custom", path: ["resource"], message });
  } else if (written.service === undefined) {
    context.addIssue({ code: "custom", path: ["service"], message: "the Service that answers" });
  }
  return written.service === undefined ? z.NEVER : { service: written.service };
});

const path: z.ZodType<IngressPath> = strictObject<WrittenPath>({
  path: z.string("a path that begins with /").exactOptional(),
  pathType: z.enum(["Exact", "Prefix", "ImplementationSpecific"], PATH_TYPE_RULE),
  backend,
}).transform((written, context): IngressPath => {
  const text = written.path ?? (written.pathType === "ImplementationSpecific" ? "/" : "");
  const wrong = describeWrongPath(text);
  if (wrong !== null) context.addIssue({ code: "custom", path: ["path"], message: wrong });
  return { path: text, pathType: written.pathType, backend: written.backend };
});

const spec: z.ZodType<IngressSpec> = strictObject<IngressSpec>({
  ingressClassName: dnsSubdomain.exactOptional(),
  defaultBackend: backend.exactOptional(),
  tls: listOf(
    strictObject<IngressTls>({
      hosts: listOf(host, MAX_HOSTS, "hosts"),
      secretName: dnsSubdomain.exactOptional(),
    }),
    MAX_TLS,
    "tls entries",
  ),
  rules: listOf(
    strictObject<IngressRule>({
      host: z
        .string(HOST_RULE)
        .refine((text) => text === "" || isIngressHost(text), HOST_RULE)
        .default(""),
      http: strictObject<{ readonly paths: readonly IngressPath[] }>({
        paths: z
          .array(path, "a list of paths")
          .min(1, "at least one path")
          .max(MAX_PATHS, `at most ${MAX_PATHS} paths`),
      }).exactOptional(),
    }),
    MAX_RULES,
    "rules",
  ),
}).superRefine((value, context) => {
  if (value.rules.length > 0 || value.defaultBackend !== undefined) return;
  context.addIssue({ code: "custom", path: [], message: "rules or a defaultBackend: else it says nothing" });
});

type PortStatus = NonNullable<LoadBalancerAddress["ports"]>[number];

const text = z.string("a string");
const status: z.ZodType<IngressStatus> = strictObject<IngressStatus>({
  loadBalancer: strictObject<NonNullable<IngressStatus["loadBalancer"]>>({
    ingress: z
      .array(
        strictObject<LoadBalancerAddress>({
          ip: text.exactOptional(),
          hostname: text.exactOptional(),
          ports: z
            .array(
              strictObject<PortStatus>({ port: portNumber, protocol: text, error: text.exactOptional() }),
              "a list of ports",
            )
            .exactOptional(),
        }),
        "a list of addresses",
      )
      .exactOptional(),
  }).exactOptional(),
});

export const ingressSchema: z.ZodType<Ingress> = strictObject<Ingress>({
  apiVersion: z.literal("networking.k8s.io/v1"),
  kind: z.literal("Ingress"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec,
  status: status.exactOptional(),
});

/** A lower-case DNS name, or one with `*` as its first label. */
function isIngressHost(text: string): boolean {
  const name = text.startsWith("*.") ? text.slice(2) : text;
  return isDnsSubdomain(name) && isIP(text) === 0;
}

/** What Kubernetes refuses, too; null = the path is fine. What is no plain path would never equal a canonical one. */
function describeWrongPath(text: string): string | null {
  if (!text.startsWith("/")) return "a path that begins with /";
  if (text.length > 2048) return "a path of at most 2048 characters";
  if (/[^\u0021-\u007e]|[?#\\]/.test(text))
    return "a path without query, spaces and backslashes, others percent-encoded";
  if (/%(?![0-9a-f]{2})/i.test(text) || /%2f|%5c|%00/i.test(text))
    return "a path without %2F, %5C, %00 and broken escapes";
  if (/\/\/|\/\.{1,2}(?:\/|$)/.test(text)) return "a path without empty segments and without . and .. as segments";
  return null;
}

/** Clients write an empty list as null, too. */
function listOf<T>(item: z.ZodType<T>, max: number, what: string): z.ZodType<readonly T[]> {
  return z.preprocess((value) => value ?? [], z.array(item, `a list of ${what}`).max(max, `at most ${max} ${what}`));
}
