import { SERVICE_ACCOUNT_LABEL } from "../../control/model/compile-endpoints.ts";
import { SERVICE_NAME_LABEL } from "../../resources/endpoint-slice.ts";
import type { TrafficTarget } from "../../resources/traffic-target.ts";
import { findNearestName } from "../nearest-name.ts";
import { createUsageError } from "../usage-error.ts";
import { type AccessWorld, listSlices, listWorkloads, type Place } from "./access-world.ts";

/** What a user calls one end of a call: a service account, a Service or a workload. */
export interface EndName {
  /** Null: whichever of them has the name. */
  readonly kind: "serviceaccount" | "service" | "workload" | null;
  readonly namespace: string;
  readonly name: string;
}

const KINDS: Readonly<Record<string, NonNullable<EndName["kind"]>>> = {
  ...{ serviceaccount: "serviceaccount", serviceaccounts: "serviceaccount", sa: "serviceaccount" },
  ...{ service: "service", services: "service", svc: "service" },
  ...{ workload: "workload", workloads: "workload" },
};

/** `name`, `namespace/name`, `kind/name` or `kind/namespace/name`. */
export function parseEndName(text: string, namespace: string): EndName {
  const parts = text.split("/");
  const kind = parts.length > 1 ? (KINDS[parts[0]?.toLowerCase() ?? ""] ?? null) : null;
  const rest = kind === null ? parts : parts.slice(1);
  const [first = "", second] = rest;
  if (rest.length > 2 || first === "" || second === "") {
    throw createUsageError(
      `Cannot read "${text}"; expected a name, NAMESPACE/NAME, or either behind sa/, svc/ or workload/`,
      "For example: web, shop/web, svc/web",
    );
  }
  return second === undefined ? { kind, namespace, name: first } : { kind, namespace: first, name: second };
}

/** "<namespace>/<service account>" of whoever calls; several for a Service with several. Throws a usage error for unknown names. */
export function resolveSource(world: AccessWorld, end: EndName): readonly string[] {
  const { kind, namespace, name } = end;
  if ((kind === null || kind === "serviceaccount") && isKnownAccount(world, end)) return [`${namespace}/${name}`];
  const accounts =
    kind === "serviceaccount" ? [] : listAccounts(world, end).map((account) => `${namespace}/${account}`);
  if (accounts.length > 0) return accounts;
  throw unknownEnd(world, end);
}

/** Where the call arrives: a Service's instances, else those of a service account, else a workload. */
export function resolveDestination(world: AccessWorld, end: EndName, port: number | null): readonly Place[] {
  const places = listPlaces(world, end, port);
  const chosen = port === null ? places : places.filter((place) => hasPort(place, port));
  if (chosen.length > 0) return chosen;
  const known = places.flatMap((place) => place.services.map((service) => service.port));
  throw createUsageError(
    `Cannot find port ${port} of "${end.name}" in namespace "${end.namespace}"; expected ${[...new Set(known)].join(" or ")}`,
    "Leave --port out to see every port",
  );
}

function listPlaces(world: AccessWorld, end: EndName, port: number | null): readonly Place[] {
  const { kind, namespace, name } = end;
  const service = world.model.services.get(`${namespace}/${name}`);
  if ((kind === null || kind === "service") && service?.exists === true) {
    const places = listAccounts(world, { ...end, kind: "service" })
      .flatMap((account) => world.listPlaces(namespace, account))
      .map((place) => ({ ...place, services: place.services.filter((one) => one.name === name) }))
      .filter((place) => place.services.length > 0);
    if (places.length > 0) return places;
    // Nobody is there yet: as it would be for the account that weft gives to instances of a Service.
    return [...service.ports, ...service.udpPorts].map(({ port: own, protocol }) => {
      return { namespace, serviceAccount: name, workload: "", port: own, protocol, services: [{ name, port: own }] };
    });
  }
  if ((kind === null || kind === "serviceaccount") && isKnownAccount(world, end)) {
    const places = world.listPlaces(namespace, name);
    if (places.length > 0) return places;
    const own = port ?? 80;
    return [
      { namespace, serviceAccount: name, workload: "", port: own, protocol: "http", services: [{ name, port: own }] },
    ];
  }
  if (kind === null || kind === "workload") {
    const [account] = listAccounts(world, { ...end, kind: "workload" });
    if (account !== undefined) return world.listPlaces(namespace, account);
  }
  throw unknownEnd(world, end);
}

function hasPort(place: Place, port: number): boolean {
  return place.port === port || place.services.some((service) => service.port === port);
}

/** Service accounts of the instances of a Service, or of a workload, sorted. */
function listAccounts(world: AccessWorld, { kind, namespace, name }: EndName): readonly string[] {
  const slices = listSlices(world.resources, namespace).filter((slice) => {
    if (kind !== "workload" && slice.metadata.labels?.[SERVICE_NAME_LABEL] === name) return true;
    return kind !== "service" && listWorkloads(slice).includes(name);
  });
  const accounts = slices.map((slice) => slice.metadata.labels?.[SERVICE_ACCOUNT_LABEL] ?? "");
  return [...new Set(accounts)].filter((account) => account !== "").toSorted();
}

function isKnownAccount(world: AccessWorld, { namespace, name }: EndName): boolean {
  return listKnownAccounts(world).has(`${namespace}/${name}`);
}

/** Those that exist, that instances run under, or that a TrafficTarget names. */
function listKnownAccounts(world: AccessWorld): ReadonlySet<string> {
  const known = new Set<string>();
  for (const { kind, metadata, ...rest } of world.resources) {
    const { namespace, name } = metadata;
    if (kind === "ServiceAccount") known.add(`${namespace}/${name}`);
    const label = kind === "EndpointSlice" ? metadata.labels?.[SERVICE_ACCOUNT_LABEL] : undefined;
    if (label !== undefined) known.add(`${namespace}/${label}`);
    if (kind !== "TrafficTarget") continue;
    const { destination, sources } = (rest as unknown as Pick<TrafficTarget, "spec">).spec;
    for (const subject of [destination, ...sources]) {
      if (subject.kind === "ServiceAccount") known.add(`${subject.namespace}/${subject.name}`);
    }
  }
  return known;
}

function unknownEnd(world: AccessWorld, { kind, namespace, name }: EndName): Error {
  const accounts = [...listKnownAccounts(world)];
  const here = accounts
    .filter((account) => account.startsWith(`${namespace}/`))
    .map((account) => account.slice(namespace.length + 1));
  const elsewhere = accounts.find((account) => account.endsWith(`/${name}`));
  const nearest = findNearestName(name, here);
  return createUsageError(
    `Cannot find ${kind ?? "a service account, Service or workload"} "${name}" in namespace "${namespace}"`,
    elsewhere !== undefined && kind === null
      ? `There is ${elsewhere}: write it so, or add -n`
      : nearest !== null
        ? `Did you mean ${nearest}?`
        : "`weft get serviceaccounts -A` shows names",
  );
}
