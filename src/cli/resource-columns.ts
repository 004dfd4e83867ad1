import { type EndpointSlice, SERVICE_NAME_LABEL } from "../resources/endpoint-slice.ts";
import type { HttpRouteGroup } from "../resources/http-route-group.ts";
import type { KnownResource } from "../resources/known-resource.ts";
import type { Mesh } from "../resources/mesh.ts";
import type { Resource } from "../resources/resource.ts";
import type { Service, ServicePort } from "../resources/service.ts";
import type { TcpRoute } from "../resources/tcp-route.ts";
import type { TrafficPolicy } from "../resources/traffic-policy.ts";
import { readFaultEnd } from "../resources/traffic-policy-requests.ts";
import { SECTIONS } from "../resources/traffic-policy-spec.ts";
import type { TrafficSplit } from "../resources/traffic-split.ts";
import type { IdentitySubject, TrafficTarget } from "../resources/traffic-target.ts";
import type { Clock } from "../time/clock.ts";
import { parseWallTime } from "../time/wall-time.ts";
import { formatAge } from "./output/quantity.ts";
import type { Column } from "./output/table.ts";

const NARROW = 16;

/** What `get` shows of each kind between its name and its age. */
export function chooseColumns(
  kind: KnownResource["kind"],
  options: { readonly clock: Clock; readonly hasNamespace: boolean },
): readonly Column<Resource>[] {
  const namespace: Column<Resource> = { title: "namespace", value: (item) => item.metadata.namespace };
  return [
    ...(options.hasNamespace ? [namespace] : []),
    { title: "name", value: (item) => item.metadata.name, shrinkTo: 24 },
    ...BY_KIND[kind],
    ...(kind === "TrafficPolicy" ? [faultColumn(options.clock)] : []),
    { title: "age", value: (item) => formatResourceAge(item, options.clock) },
  ];
}

export function formatResourceAge(resource: Resource, clock: Clock): string {
  const bornWallMs = parseWallTime(resource.metadata.creationTimestamp ?? "");
  return Number.isNaN(bornWallMs) ? "-" : formatAge(clock.wallMs() - bornWallMs);
}

const BY_KIND: Readonly<Record<KnownResource["kind"], readonly Column<Resource>[]>> = {
  Service: [
    column<Service>("ports", (service) => list(service.spec.ports.map(formatServicePort))),
    column<Service>("selector", (service) =>
      list(Object.entries(service.spec.selector).map(([key, value]) => `${key}=${value}`)),
    ),
  ],
  ServiceAccount: [],
  EndpointSlice: [
    column<EndpointSlice>("service", (slice) => slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? "-"),
    column<EndpointSlice>(
      "ready",
      (slice) => `${slice.endpoints.filter((endpoint) => endpoint.conditions.ready).length}/${slice.endpoints.length}`,
    ),
    column<EndpointSlice>("addresses", formatSliceAddresses),
  ],
  HTTPRouteGroup: [column<HttpRouteGroup>("matches", (group) => list(group.spec.matches.map((match) => match.name)))],
  TCPRoute: [
    column<TcpRoute>("ports", (route) =>
      route.spec.matches.ports.length === 0 ? "every port" : list(route.spec.matches.ports.map(String)),
    ),
  ],
  TrafficSplit: [
    column<TrafficSplit>("service", (split) => split.spec.service),
    column<TrafficSplit>("backends", formatSplitBackends),
    column<TrafficSplit>("matches", (split) => list(split.spec.matches.map((match) => match.name))),
  ],
  TrafficTarget: [
    column<TrafficTarget>("sources", (target) =>
      list(target.spec.sources.map((source) => formatSubject(source, target))),
    ),
    column<TrafficTarget>("destination", (target) => formatSubject(target.spec.destination, target)),
    column<TrafficTarget>("rules", (target) => list(target.spec.rules.map(formatRule))),
  ],
  TrafficPolicy: [
    column<TrafficPolicy>("service", ({ spec }) => {
      const { name, port } = spec.targetRef;
      return port === undefined ? name : `${name}:${port}`;
    }),
    column<TrafficPolicy>("matches", ({ spec }) => list(spec.matches.map((match) => match.name))),
    column<TrafficPolicy>("says", ({ spec }) => list(SECTIONS.filter((section) => spec[section] !== undefined))),
  ],
  Mesh: [
    column<Mesh>("access", (mesh) => mesh.spec.access),
    column<Mesh>("egress", (mesh) => mesh.spec.egress),
    column<Mesh>("certificates", (mesh) => mesh.spec.certificateLifetime),
  ],
};

function column<T extends Resource>(title: string, value: (item: T) => string): Column<Resource> {
  return { title, value: (item) => value(item as T), shrinkTo: NARROW };
}

/** When the last fault ends: `in 3h20m`, `ended`, `-`. */
function faultColumn(clock: Clock): Column<Resource> {
  return column<TrafficPolicy>("faults end", ({ spec }) => {
    if (spec.faults === undefined || spec.faults.length === 0) return "-";
    const leftMs = Math.max(...spec.faults.map(readFaultEnd)) - clock.wallMs();
    return leftMs <= 0 ? "ended" : `in ${formatAge(leftMs)}`;
  });
}

/** `80→8080/TCP`, with its name in front when it has one. */
export function formatServicePort(port: ServicePort): string {
  const name = port.name === "" ? "" : `${port.name}:`;
  const target = port.targetPort === port.port ? "" : `→${port.targetPort}`;
  return `${name}${port.port}${target}/${port.protocol}`;
}

function formatSliceAddresses(slice: EndpointSlice): string {
  const ports = slice.ports.map((port) => port.port ?? "*").join("|");
  return list(slice.endpoints.map((endpoint) => `${endpoint.addresses[0] ?? "-"}:${ports}`));
}

/** `reviews-v1 75%, reviews-v2 25%`. */
export function formatSplitBackends(split: TrafficSplit): string {
  const total = split.spec.backends.reduce((sum, backend) => sum + backend.weight, 0);
  return list(split.spec.backends.map((backend) => `${backend.service} ${formatShare(backend.weight, total)}`));
}

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
