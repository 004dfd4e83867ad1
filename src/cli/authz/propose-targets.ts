import type { Resource } from "../../resources/resource.ts";
import { nameOf } from "./access-world.ts";

/** Something that is to be allowed. */
export interface Wish {
  /** "<namespace>/<service account>". */
  readonly source: string;
  readonly destination: string;
  readonly call: WishedCall;
}

export type WishedCall =
  /** Segments `{id}` of the path stand for any one segment. */
  | { readonly kind: "request"; readonly method: string; readonly path: string }
  | { readonly kind: "any request" }
  /** Null: of every port, as nobody knows which it was. */
  | { readonly kind: "connection"; readonly ports: readonly number[] | null };

export const IDENTIFIER_SEGMENT = "{id}";
const MAX_NAME = 200;

type Match = { readonly name: string; readonly pathRegex: string; methods: string[] };
type Rule = { readonly kind: string; readonly name: string; readonly matches?: readonly string[] };

/**
 * The least TrafficTargets that allow these calls, with the HTTPRouteGroups and TCPRoutes that they name: for each
 * destination one target for all sources that need the same. `taken` are names that other resources have already.
 */
export function proposeTargets(wishes: readonly Wish[], taken: ReadonlySet<string>): readonly Resource[] {
  const names = new NameGiver(taken);
  return [...groupByDestination(wishes)].flatMap(([destination, own]) => proposeFor(destination, own, names));
}

function proposeFor(destination: string, wishes: readonly Wish[], names: NameGiver): readonly Resource[] {
  const { namespace, name } = split(destination);
  const matches = new Map<string, Match>();
  const needs = new Map<string, Need>();
  for (const { source, call } of wishes) {
    const need = needs.get(source) ?? { paths: new Map(), allRequests: false, allPorts: false, ports: new Set() };
    needs.set(source, need);
    if (call.kind === "any request") need.allRequests = true;
    else if (call.kind === "connection") {
      for (const port of call.ports ?? []) need.ports.add(port);
      if (call.ports === null) need.allPorts = true;
    } else need.paths.set(call.path, (need.paths.get(call.path) ?? new Set()).add(call.method));
  }
  const groupName = names.give("HTTPRouteGroup", namespace, `${name}-requests`);
  const routes: Resource[] = [];
  const targets = new Map<string, { readonly rules: readonly Rule[]; readonly sources: string[] }>();
  for (const [source, need] of [...needs].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const http = need.allRequests
      ? [addMatch(matches, "", ["*"])]
      : [...need.paths]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([path, methods]) => addMatch(matches, path, [...methods]));
    if (http.length > 0) addTarget(targets, source, [{ kind: "HTTPRouteGroup", name: groupName, matches: http }]);
    if (need.allPorts || need.ports.size > 0) {
      const ports = need.allPorts ? [] : [...need.ports].toSorted((a, b) => a - b);
      const route = addRoute(
        routes,
        { namespace, ports, name: need.allPorts ? name : `${name}-${ports.join("-")}` },
        names,
      );
      addTarget(targets, source, [{ kind: "TCPRoute", name: route }]);
    }
  }
  const group = createResource(
    "specs.smi-spec.io/v1alpha4",
    "HTTPRouteGroup",
    { namespace, name: groupName },
    {
      matches: [...matches.values()],
    },
  );
  return [
    ...(matches.size > 0 ? [group] : []),
    ...routes,
    ...[...targets.values()].map(({ rules, sources }) => createTarget({ namespace, name }, rules, sources, names)),
  ];
}

interface Need {
  readonly paths: Map<string, Set<string>>;
  allRequests: boolean;
  allPorts: boolean;
  readonly ports: Set<number>;
}

/** The name of the match of exactly this path and these methods; "" = any path. */
function addMatch(matches: Map<string, Match>, path: string, methods: readonly string[]): string {
  const sorted = methods.toSorted();
  const key = `${path} ${sorted.join()}`;
  const known = matches.get(key);
  if (known !== undefined) return known.name;
  const used = new Set([...matches.values()].map((match) => match.name));
  const name = findFree(path === "" ? "any" : nameMatch(path, sorted), (candidate) => used.has(candidate));
  // Methods that SMI has no name for can only be allowed with all others.
  const named = sorted.every((method) => METHODS.has(method)) ? sorted : ["*"];
  matches.set(key, { name, pathRegex: path === "" ? ".*" : toRegex(path), methods: named });
  return name;
}

const METHODS: ReadonlySet<string> = new Set([
  ...["*", "GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
]);

function nameMatch(path: string, methods: readonly string[]): string {
  return toLabel(`${methods.length > 3 ? "many" : methods.join("-")}-${path === "/" ? "root" : path}`);
}

function toRegex(path: string): string {
  const segments = path.split("/").map((segment) => {
    return segment === IDENTIFIER_SEGMENT ? "[^/]+" : segment.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
  return `^${segments.join("/")}$`;
}

function addRoute(
  routes: Resource[],
  wanted: { readonly namespace: string; readonly name: string; readonly ports: readonly number[] },
  names: NameGiver,
): string {
  const spec = { matches: { ports: wanted.ports } };
  const known = routes.find((route) => JSON.stringify(route.spec) === JSON.stringify(spec));
  if (known !== undefined) return known.metadata.name;
  const name = names.give("TCPRoute", wanted.namespace, wanted.name);
  routes.push(createResource("specs.smi-spec.io/v1alpha4", "TCPRoute", { namespace: wanted.namespace, name }, spec));
  return name;
}

/** Sources that need the same share a target. */
function addTarget(
  targets: Map<string, { readonly rules: readonly Rule[]; readonly sources: string[] }>,
  source: string,
  rules: readonly Rule[],
): void {
  const key = JSON.stringify(rules);
  const target = targets.get(key) ?? { rules, sources: [] };
  target.sources.push(source);
  targets.set(key, target);
}

function createTarget(
  destination: { readonly namespace: string; readonly name: string },
  rules: readonly Rule[],
  sources: readonly string[],
  names: NameGiver,
): Resource {
  const { namespace, name } = destination;
  const who = sources.length === 1 ? split(sources[0] ?? "").name : `${sources.length}-callers`;
  const suffix = rules[0]?.kind === "TCPRoute" ? "-connections" : "";
  const subject = (one: { readonly namespace: string; readonly name: string }): object => {
    return { kind: "ServiceAccount", name: one.name, namespace: one.namespace };
  };
  return createResource(
    "access.smi-spec.io/v1alpha4",
    "TrafficTarget",
    { namespace, name: names.give("TrafficTarget", namespace, `${name}-from-${who}${suffix}`) },
    { destination: subject(destination), rules, sources: sources.map((source) => subject(split(source))) },
  );
}

function createResource(
  apiVersion: string,
  kind: string,
  metadata: { readonly namespace: string; readonly name: string },
  spec: unknown,
): Resource {
  return { apiVersion, kind, metadata: { name: metadata.name, namespace: metadata.namespace }, spec } as Resource;
}

/** Names that nothing has yet: applying a proposal must change nothing that is there. */
class NameGiver {
  readonly #taken: Set<string>;

  constructor(taken: ReadonlySet<string>) {
    this.#taken = new Set(taken);
  }

  give(kind: string, namespace: string, wanted: string): string {
    const full = (name: string): string => nameOf({ apiVersion: "", kind, metadata: { namespace, name } });
    const name = findFree(toLabel(wanted), (candidate) => this.#taken.has(full(candidate)));
    this.#taken.add(full(name));
    return name;
  }
}

function findFree(wanted: string, isTaken: (name: string) => boolean): string {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? wanted : `${wanted}-${count}`;
    if (!isTaken(name)) return name;
  }
}

/** What a DNS subdomain may have, and not too much of it. */
function toLabel(text: string): string {
  const clean = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, "-")
    .replaceAll(/[-.]*\.[-.]*/g, ".");
  const cut = clean.slice(0, MAX_NAME).replaceAll(/^[-.]+|[-.]+$/g, "");
  return cut === "" ? "x" : cut;
}

function groupByDestination(wishes: readonly Wish[]): ReadonlyMap<string, readonly Wish[]> {
  const groups = new Map<string, Wish[]>();
  for (const wish of wishes.toSorted((a, b) =>
    a.destination < b.destination ? -1 : a.destination > b.destination ? 1 : 0,
  )) {
    const own = groups.get(wish.destination);
    if (own === undefined) groups.set(wish.destination, [wish]);
    else own.push(wish);
  }
  return groups;
}

export function split(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
