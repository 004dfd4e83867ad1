import { formatAge } from "../../lib/format-age.ts";
import { type EndpointSlice, SERVICE_NAME_LABEL } from "../../resources/endpoint-slice.ts";
import type { HttpRouteGroup } from "../../resources/http-route-group.ts";
import { type IdentityBinding, toSpiffeId } from "../../resources/identity-binding.ts";
import type { IngressClass } from "../../resources/ingress-class.ts";
import { type Ingress, LEGACY_CLASS_ANNOTATION } from "../../resources/ingress.ts";
import type { KnownResource } from "../../resources/known-resource.ts";
import type { Mesh } from "../../resources/mesh.ts";
import type { Namespace } from "../../resources/namespace.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Secret } from "../../resources/secret.ts";
import type { Service, ServicePort } from "../../resources/service.ts";
import type { TcpRoute } from "../../resources/tcp-route.ts";
import type { TrafficPolicy } from "../../resources/traffic-policy.ts";
import { readFaultEnd } from "../../resources/traffic-policy-requests.ts";
import { SECTIONS } from "../../resources/traffic-policy-spec.ts";
import type { TrafficSplit } from "../../resources/traffic-split.ts";
import type { IdentitySubject, TrafficTarget } from "../../resources/traffic-target.ts";
import type { Revocation } from "../../resources/revocation.ts";
import type { TrustBundle } from "../../resources/trust-bundle.ts";
import type { UdpRoute } from "../../resources/udp-route.ts";
import type { User, UserCredential } from "../../resources/user.ts";
import { parseWallTime } from "../../time/wall-time.ts";

/** One column of the tables that `kubectl get` and `weft get` print: stated here for both. */
export interface KindColumn {
  /** In capitals when printed. */
  readonly name: string;
  readonly type: "string" | "integer";
  /** OpenAPI format; "name" marks the primary one. */
  readonly format?: string;
  readonly description: string;
  /** Only with `-o wide`. */
  readonly isWide?: boolean;
  readonly value: (item: Resource, wallMs: number) => string | number;
}

/** Name first, age before what is only shown wide. */
export function listColumns(kind: KnownResource["kind"]): readonly KindColumn[] {
  const own = BY_KIND[kind];
  return [
    NAME,
    ...own.filter((column) => column.isWide !== true),
    AGE,
    ...own.filter((column) => column.isWide === true),
  ];
}

/** "-" when nothing says when it was created. */
export function formatResourceAge(resource: Resource, wallMs: number): string {
  const bornWallMs = parseWallTime(resource.metadata.creationTimestamp ?? "");
  return Number.isNaN(bornWallMs) ? "-" : formatAge(wallMs - bornWallMs);
}

const NAME: KindColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "The name: unique among the resources of the kind in their namespace.",
  value: (item) => item.metadata.name,
};

const AGE: KindColumn = {
  name: "Age",
  type: "string",
  description: "How long ago the resource was created.",
  value: formatResourceAge,
};

const BY_KIND: Readonly<Record<KnownResource["kind"], readonly KindColumn[]>> = {
  Service: [
    column<Service>("Ports", "Each port with the port it leads to, and its protocol.", (service) =>
      list(service.spec.ports.map(formatServicePort)),
    ),
    column<Service>("Selector", "Labels of the workloads behind the name.", (service) =>
      list(Object.entries(service.spec.selector).map(([key, value]) => `${key}=${value}`)),
    ),
    wide(column<Service>("Type", "ClusterIP, NodePort, LoadBalancer or ExternalName.", ({ spec }) => spec.type)),
  ],
  Namespace: [
    column<Namespace>(
      "Status",
      "Active, or Terminating while it is being emptied.",
      ({ status }) => status?.phase ?? "Active",
    ),
  ],
  ServiceAccount: [],
  Secret: [
    column<Secret>("Type", "Opaque or kubernetes.io/tls.", (secret) => secret.type),
    column<Secret>("Data", "How many values it has.", (secret) => String(Object.keys(secret.data).length)),
  ],
  Ingress: [
    column<Ingress>(
      "Class",
      "The IngressClass that it names.",
      ({ spec, metadata }) => spec.ingressClassName ?? metadata.annotations?.[LEGACY_CLASS_ANNOTATION] ?? "<none>",
    ),
    column<Ingress>("Hosts", "The hosts of its rules.", ({ spec }) => {
      const hosts = spec.rules.map(({ host }) => host).filter((host) => host !== "");
      return hosts.length === 0 ? "*" : hosts.join(",");
    }),
    column<Ingress>("Address", "Where the gateway listens.", ({ status }) =>
      (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "").join(","),
    ),
    column<Ingress>("Ports", "Port 80, and 443 with TLS.", ({ spec }) => (spec.tls.length === 0 ? "80" : "80, 443")),
  ],
  IngressClass: [
    column<IngressClass>("Controller", "Who serves its Ingresses.", ({ spec }) => spec.controller),
    column<IngressClass>("Parameters", "Settings of the controller.", ({ spec: { parameters } }) => {
      if (parameters === undefined) return "<none>";
      const { apiGroup, kind, name } = parameters;
      return `${apiGroup === undefined ? kind : `${kind}.${apiGroup}`}/${name}`;
    }),
  ],
  EndpointSlice: [
    column<EndpointSlice>(
      "Service",
      "The Service whose instances these are.",
      (slice) => slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? "-",
    ),
    column<EndpointSlice>(
      "Ready",
      "How many of the instances are ready.",
      (slice) => `${slice.endpoints.filter((endpoint) => endpoint.conditions.ready).length}/${slice.endpoints.length}`,
    ),
    column<EndpointSlice>("Addresses", "Where the instances listen.", formatSliceAddresses),
    wide(column<EndpointSlice>("AddressType", "IPv4, IPv6 or FQDN.", (slice) => slice.addressType)),
  ],
  HTTPRouteGroup: [
    column<HttpRouteGroup>("Matches", "Names of the matches.", (group) =>
      list(group.spec.matches.map((match) => match.name)),
    ),
  ],
  TCPRoute: [column<TcpRoute>("Ports", "Ports of TCP that are meant.", formatRoutePorts)],
  UDPRoute: [column<UdpRoute>("Ports", "Ports of UDP that are meant.", formatRoutePorts)],
  TrafficSplit: [
    column<TrafficSplit>("Service", "The name that callers use.", (split) => split.spec.service),
    column<TrafficSplit>("Backends", "The Services behind it, with their shares.", formatSplitBackends),
    column<TrafficSplit>("Matches", "HTTPRouteGroups of the requests that are split.", (split) =>
      list(split.spec.matches.map((match) => match.name)),
    ),
  ],
  TrafficTarget: [
    column<TrafficTarget>("Sources", "Service accounts and IdentityBindings that may call.", (target) =>
      list(target.spec.sources.map((source) => formatSubject(source, target))),
    ),
    column<TrafficTarget>("Destination", "The service account that may be called.", (target) =>
      formatSubject(target.spec.destination, target),
    ),
    column<TrafficTarget>("Rules", "HTTPRouteGroups, TCPRoutes and UDPRoutes that say with what requests.", (target) =>
      list(target.spec.rules.map(formatRule)),
    ),
  ],
  IdentityBinding: [
    column<IdentityBinding>("Service-Account", "The service account that it stands for.", ({ spec }) =>
      list([spec.schemes.serviceAccount ?? "-"]),
    ),
    column<IdentityBinding>("Identities", "The SPIFFE IDs that it stands for.", ({ spec }) =>
      list(spec.schemes.spiffeIdentities?.map(toSpiffeId) ?? ["-"]),
    ),
  ],
  TrafficPolicy: [
    column<TrafficPolicy>(
      "Service",
      "The Service that the policy is about, with the port where it is about one.",
      ({ spec }) => {
        const { name, port } = spec.targetRef;
        return port === undefined ? name : `${name}:${port}`;
      },
    ),
    column<TrafficPolicy>("Matches", "HTTPRouteGroups of the requests that are meant.", ({ spec }) =>
      list(spec.matches.map((match) => match.name)),
    ),
    column<TrafficPolicy>("Says", "The sections it has.", ({ spec }) =>
      list(SECTIONS.filter((section) => spec[section] !== undefined)),
    ),
    column<TrafficPolicy>("Faults End", "When the last of its faults ends.", formatFaultEnd),
  ],
  Mesh: [
    column<Mesh>(
      "Access",
      "strict: denied unless allowed; permissive: allowed, and counted.",
      (mesh) => mesh.spec.access,
    ),
    column<Mesh>("Egress", "What happens to requests for hosts outside the mesh.", (mesh) => mesh.spec.egress),
    column<Mesh>("Certificates", "How long a workload's certificate lives.", (mesh) => mesh.spec.certificateLifetime),
  ],
  Revocation: [
    column<Revocation>(
      "Subject",
      "Who is cut off.",
      ({ spec }) => spec.workload ?? spec.spiffeId ?? spec.serialNumber ?? "-",
    ),
    column<Revocation>("Reason", "Why.", ({ spec }) => spec.reason ?? "-"),
  ],
  TrustBundle: [column<TrustBundle>("Trust domain", "Whose roots they are.", ({ spec }) => spec.trustDomain)],
  User: [
    column<User>("Role", "admin, editor or viewer.", ({ spec }) => spec.role),
    column<User>("Namespaces", "Where the role holds.", ({ spec }) =>
      spec.namespaces === undefined ? "all" : list(spec.namespaces),
    ),
    column<User>("Credentials", "Tokens and certificates that have not ended.", formatCredentials),
    column<User>("Expires", "When the last of them ends.", formatCredentialsEnd),
  ],
};

function column<T extends Resource>(
  name: string,
  description: string,
  value: (item: T, wallMs: number) => string,
): KindColumn {
  return { name, type: "string", description, value: (item, wallMs) => value(item as T, wallMs) };
}

function wide(narrow: KindColumn): KindColumn {
  return { ...narrow, isWide: true };
}

/** `1 token, 2 certificates`; `none` when all have ended. */
function formatCredentials({ spec }: User, wallMs: number): string {
  const parts = [
    countOf(spec.tokens.filter((each) => readEnd(each) > wallMs).length, "token"),
    countOf(spec.certificates.filter((each) => readEnd(each) > wallMs).length, "certificate"),
  ].filter((part) => part !== "");
  return parts.length === 0 ? "none" : list(parts);
}

function countOf(count: number, what: string): string {
  if (count === 0) return "";
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}

/** `in 29d`, `never`, `expired`, `-`. */
function formatCredentialsEnd({ spec }: User, wallMs: number): string {
  const ends = [...spec.tokens, ...spec.certificates].map(readEnd);
  if (ends.length === 0) return "-";
  const leftMs = Math.max(...ends) - wallMs;
  if (leftMs === Number.POSITIVE_INFINITY) return "never";
  return leftMs <= 0 ? "expired" : `in ${formatAge(leftMs)}`;
}

function readEnd({ notAfter }: UserCredential): number {
  return notAfter === undefined ? Number.POSITIVE_INFINITY : parseWallTime(notAfter);
}

/** When the last fault ends: `in 3h20m`, `ended`, `-`. */
function formatFaultEnd({ spec }: TrafficPolicy, wallMs: number): string {
  if (spec.faults === undefined || spec.faults.length === 0) return "-";
  const leftMs = Math.max(...spec.faults.map(readFaultEnd)) - wallMs;
  return leftMs <= 0 ? "ended" : `in ${formatAge(leftMs)}`;
}

/** `80→8080/TCP`, with its name in front when it has one. */
function formatServicePort(port: ServicePort): string {
  const name = port.name === "" ? "" : `${port.name}:`;
  const target = port.targetPort === port.port ? "" : `→${port.targetPort}`;
  return `${name}${port.port}${target}/${port.protocol}`;
}

function formatSliceAddresses(slice: EndpointSlice): string {
  const ports = slice.ports.map((port) => port.port ?? "*").join("|");
  return list(slice.endpoints.map((endpoint) => `${endpoint.addresses[0] ?? "-"}:${ports}`));
}

/** `reviews-v1 75%, reviews-v2 25%`. */
function formatRoutePorts({ spec }: TcpRoute | UdpRoute): string {
  return spec.matches.ports.length === 0 ? "every port" : list(spec.matches.ports.map(String));
}

function formatSplitBackends(split: TrafficSplit): string {
  const total = split.spec.backends.reduce((sum, backend) => sum + backend.weight, 0);
  return list(split.spec.backends.map((backend) => `${backend.service} ${formatShare(backend.weight, total)}`));
}

/** `25%`, `33.3%`. */
export function formatShare(weight: number, total: number): string {
  if (total === 0) return "0%";
  const percent = (weight / total) * 100;
  return `${Number.isInteger(percent) ? percent : percent.toFixed(1)}%`;
}

/** The namespace only where it is not the TrafficTarget's own. */
function formatSubject(subject: IdentitySubject, target: TrafficTarget): string {
  return subject.namespace === target.metadata.namespace ? subject.name : `${subject.namespace}/${subject.name}`;
}

/** `reads`, `reads[get,list]` for some of its matches. */
function formatRule(rule: TrafficTarget["spec"]["rules"][number]): string {
  return rule.matches.length === 0 ? rule.name : `${rule.name}[${rule.matches.join(",")}]`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "-" : items.join(", ");
}
