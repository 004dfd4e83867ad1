import type { HttpRouteGroup } from "../../resources/http-route-group.ts";
import type { Service } from "../../resources/service.ts";
import type { TrafficSplit } from "../../resources/traffic-split.ts";
import { compareText } from "./compare-text.ts";
import { compileHttpMatches } from "./compile-http-matches.ts";
import type { ConditionLog } from "./condition-log.ts";
import type { BackendModel, HttpMatchModel, PortProtocol, SplitModel } from "./mesh-model.ts";
import { keyOf, type ResourceIndex } from "./resource-index.ts";
import { portProtocol, tcpPorts } from "./service-ports.ts";

/** By port of the root. */
export type SplitTable = ReadonlyMap<number, SplitPort>;

export interface SplitPort {
  readonly protocol: PortProtocol;
  readonly splits: readonly SplitModel[];
}

/**
 * The splits of every root, by "<namespace>/<root>". Those with matches come before the unconditional one; among equals
 * the oldest first, then by name. Only splits that can take effect are kept: see docs/smi.md for every case.
 */
export function compileSplits(index: ResourceIndex, conditions: ConditionLog): Map<string, SplitTable> {
  const byRoot = new Map<string, TrafficSplit[]>();
  for (const split of index.splits) {
    const key = `${split.metadata.namespace}/${shortenRoot(split)}`;
    const list = byRoot.get(key);
    if (list === undefined) byRoot.set(key, [split]);
    else list.push(split);
  }
  const tables = new Map<string, SplitTable>();
  for (const [key, splits] of byRoot) {
    splits.sort(compareSplits);
    tables.set(key, compileRoot(key, splits, { index, conditions }));
  }
  return tables;
}

interface Context {
  readonly index: ResourceIndex;
  readonly conditions: ConditionLog;
}

/** A root may be written as the full name of a Service of the split's own namespace. */
function shortenRoot(split: TrafficSplit): string {
  const { namespace } = split.metadata;
  const root = split.spec.service;
  for (const suffix of [`.${namespace}.svc.cluster.local`, `.${namespace}.svc`, `.${namespace}`]) {
    if (root.endsWith(suffix)) return root.slice(0, -suffix.length);
  }
  return root;
}

function compareSplits(one: TrafficSplit, other: TrafficSplit): number {
  return (
    Number(one.spec.matches.length === 0) - Number(other.spec.matches.length === 0) ||
    // A split that was never stored has no time; it counts as the newest.
    compareText(one.metadata.creationTimestamp ?? "~", other.metadata.creationTimestamp ?? "~") ||
    compareText(one.metadata.name, other.metadata.name)
  );
}

function compileRoot(key: string, splits: readonly TrafficSplit[], context: Context): SplitTable {
  const service = context.index.services.get(key) ?? null;
  const table = new Map<number, SplitPort>();
  const ports = service === null ? bareRootPorts(splits, context.index) : servicePorts(service);
  let unconditional: TrafficSplit | null = null;
  const used: { readonly split: TrafficSplit; readonly matches: readonly HttpMatchModel[] | null }[] = [];
  for (const split of splits) {
    if (service === null) reportBareRoot(split, context.conditions);
    const matches = compileSplitMatches(split, context);
    if (matches !== null && matches.length === 0) continue;
    if (matches === null && unconditional !== null) {
      context.conditions.add(split, "Conflicted", {
        reason: "AnotherSplit",
        message: `TrafficSplit "${unconditional.metadata.name}" already splits all requests to "${split.spec.service}"; this one has no effect`,
      });
      continue;
    }
    if (matches === null) unconditional = split;
    used.push({ split, matches });
  }
  for (const [port, protocol] of ports) {
    const models: SplitModel[] = [];
    for (const { split, matches } of used) {
      if (matches !== null && protocol === "tcp") {
        reportOpaqueMatches(split, port, context.conditions);
        continue;
      }
      const backends = compileBackends(split, { port, protocol }, context);
      models.push({ key: keyOf(split), matches, backends });
    }
    table.set(port, { protocol, splits: models });
  }
  return table;
}

function servicePorts(service: Service): ReadonlyMap<number, PortProtocol> {
  return new Map(tcpPorts(service).map((port) => [port.port, portProtocol(port)]));
}

/** All ports of all backends; where they disagree about the protocol, it is HTTP, and what is opaque for one is for all. */
function bareRootPorts(splits: readonly TrafficSplit[], index: ResourceIndex): ReadonlyMap<number, PortProtocol> {
  const ports = new Map<number, PortProtocol>();
  for (const split of splits) {
    for (const backend of split.spec.backends) {
      const service = index.services.get(`${split.metadata.namespace}/${backend.service}`);
      if (service === undefined) continue;
      for (const [port, protocol] of servicePorts(service)) {
        const known = ports.get(port);
        if (known === undefined || known === "detect" || protocol === "http") ports.set(port, protocol);
      }
    }
  }
  return ports;
}

/** Null = every request; empty = the split cannot take effect. An unknown group never means "every request". */
function compileSplitMatches(split: TrafficSplit, context: Context): readonly HttpMatchModel[] | null {
  if (split.spec.matches.length === 0) return null;
  const matches: HttpMatchModel[] = [];
  for (const reference of split.spec.matches) {
    const group: HttpRouteGroup | undefined = context.index.groups.get(`${split.metadata.namespace}/${reference.name}`);
    if (group === undefined) {
      context.conditions.add(split, "ResolvedRefs", {
        reason: "RouteGroupNotFound",
        message: `There is no HTTPRouteGroup "${reference.name}" in namespace "${split.metadata.namespace}"; no request fits it`,
      });
      continue;
    }
    matches.push(...compileHttpMatches(group, []));
  }
  if (matches.length === 0) {
    context.conditions.add(split, "ResolvedRefs", {
      reason: "NothingMatches",
      message: `The HTTPRouteGroups of the split have no match, so it has no effect: requests go to "${split.spec.service}" itself`,
    });
  }
  return matches;
}

interface RootPort {
  readonly port: number;
  readonly protocol: PortProtocol;
}

/** Those that exist, have the root's port with its protocol, and a weight. A backend that is a root is not split again. */
function compileBackends(split: TrafficSplit, root: RootPort, context: Context): BackendModel[] {
  const { namespace } = split.metadata;
  const backends: BackendModel[] = [];
  for (const { service: name, weight } of split.spec.backends) {
    // A backend without weight may be listed before its Service exists: that is how a canary begins.
    if (weight === 0) continue;
    const service = context.index.services.get(`${namespace}/${name}`);
    if (service === undefined) {
      context.conditions.add(split, "ResolvedRefs", {
        reason: "BackendNotFound",
        message: `There is no Service "${name}" in namespace "${namespace}"; its share goes to the other backends`,
      });
      continue;
    }
    const protocol = servicePorts(service).get(root.port);
    if (protocol === undefined || !canCarry(root.protocol, protocol)) {
      const found = protocol === undefined ? "has no such port" : `says it is ${protocol} there`;
      context.conditions.add(split, "PortsMatch", {
        reason: protocol === undefined ? "PortNotFound" : "ProtocolDiffers",
        message: `Port ${root.port} (${root.protocol}) of "${split.spec.service}" does not lead to backend "${name}", which ${found}; its share goes to the other backends`,
      });
      continue;
    }
    backends.push({ service: name, weight });
  }
  if (backends.length === 0) {
    context.conditions.add(split, "Accepted", {
      reason: "NoUsableBackend",
      message: `No backend can take requests for port ${root.port}: each is missing, lacks the port or has weight 0; they fail with 503`,
    });
  }
  return backends;
}

/** A backend that detects takes both; a root that detects sends requests to it or to HTTP, and bytes to it alone. */
function canCarry(root: PortProtocol, backend: PortProtocol): boolean {
  return root === backend || backend === "detect" || (root === "detect" && backend === "http");
}

function reportBareRoot(split: TrafficSplit, conditions: ConditionLog): void {
  conditions.add(split, "ResolvedRefs", {
    reason: "RootNotFound",
    message: `There is no Service "${split.spec.service}" in namespace "${split.metadata.namespace}"; the name can be called only on the ports of the backends`,
  });
}

function reportOpaqueMatches(split: TrafficSplit, port: number, conditions: ConditionLog): void {
  conditions.add(split, "Accepted", {
    reason: "MatchesNeedHttp",
    message: `Port ${port} of "${split.spec.service}" is opaque TCP, where requests cannot be told apart; the split has no effect there`,
  });
}
