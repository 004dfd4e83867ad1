import type { ApiClient } from "../../apiserver/api-client.ts";
import type { Resource } from "../../resources/resource.ts";
import type { TcpRoute } from "../../resources/tcp-route.ts";
import { validateResource } from "../../resources/validate.ts";
import type { CliContext } from "../context.ts";
import { listEverything } from "../list-everything.ts";
import { type OutputFormat, writeValue } from "../output/format.ts";
import { createUsageError } from "../usage-error.ts";
import { AccessWorld, type Call, nameOf, type Place, type Verdict } from "./access-world.ts";
import { writeDecisions } from "./decision-text.ts";
import { proposeTargets, split, type WishedCall } from "./propose-targets.ts";
import { parseEndName, resolveDestination, resolveSource } from "./resolve-ends.ts";
import { describeRule, type RuleReference } from "./rule-reference.ts";

export interface CanOptions {
  readonly namespace: string;
  readonly port?: number;
  readonly header: readonly (readonly [name: string, value: string])[];
  readonly output: OutputFormat;
}

/** About one call of one service account to one port of another. */
export interface Decision {
  /** "<namespace>/<service account>". */
  readonly source: string;
  readonly destination: string;
  /** Service ports that lead there, as "<namespace>/<name>:<port>". */
  readonly services: readonly string[];
  readonly protocol: Place["protocol"];
  readonly call:
    | { readonly kind: "request"; readonly method: string; readonly path: string }
    | { readonly kind: "any request" | "connection" };
  /** What the mesh does. */
  readonly allowed: boolean;
  /** What it does, or would do, with strict access. */
  readonly strictAllows: boolean;
  /** Of "any request": some are allowed, and others not. */
  readonly isPartial: boolean;
  /** What decides; null = nothing allows it. */
  readonly rule: RuleReference | null;
  /** Other TrafficTargets that allow the caller something there. */
  readonly otherRules: readonly string[];
  /** Null when a rule allows it. */
  readonly reason: string | null;
  /** What would allow it, ready to apply; empty when a rule does, or nothing can. */
  readonly wouldAllow: readonly Resource[];
}

export interface CanAnswer {
  readonly allowed: boolean;
  readonly access: "strict" | "permissive";
  readonly decisions: readonly Decision[];
}

export interface Question {
  readonly source: string;
  readonly destination: string;
  readonly method: string | undefined;
  readonly path: string | undefined;
}

/** Exit code 1 when the answer is no. */
export async function can(context: CliContext, question: Question, options: CanOptions): Promise<void> {
  const { method, path } = question;
  if (method !== undefined && (path === undefined || !/^[/*]/.test(path))) {
    throw createUsageError(
      `Cannot read the request "${method}${path === undefined ? "" : ` ${path}`}"; expected a method and a path, or neither`,
      "For example: weft authz can web reviews GET /reviews",
    );
  }
  const client = await context.openApi();
  try {
    const answer = decideAll(await openWorld(client), question, options);
    if (options.output === "table") writeDecisions(context, answer);
    else await writeValue(context.stdout, options.output, answer);
    if (!answer.allowed) context.fail();
  } finally {
    client.close();
  }
}

/** What the control plane has at the moment. */
export async function openWorld(client: ApiClient): Promise<AccessWorld> {
  const [resources, { trustDomain }] = await Promise.all([listEverything(client), client.mesh()]);
  const world = new AccessWorld(resources, trustDomain);
  const hasPorts = resources.some(
    (resource) => resource.kind === "TCPRoute" && (resource as TcpRoute).spec.matches.ports.length > 0,
  );
  // Only rules about ports can tell an app's own port from others.
  return hasPorts ? new AccessWorld(resources, trustDomain, await findAppPorts(client, world)) : world;
}

/** Where the apps themselves listen: only their proxies know, and say it by the names of their listeners. */
async function findAppPorts(client: ApiClient, world: AccessWorld): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>();
  for (const id of world.model.workloads.keys()) {
    const config = (await client.proxyConfig(id)) as {
      readonly listener?: Readonly<Record<string, WireListener>>;
    } | null;
    for (const [name, listener] of Object.entries(config?.listener ?? {})) {
      const appPort = /^inbound\/(\d+)$/.exec(name)?.[1];
      const port = listener.address?.socketAddress?.portValue;
      if (appPort !== undefined && port !== undefined) ports.set(`${id}:${port}`, Number(appPort));
    }
  }
  return ports;
}

interface WireListener {
  readonly address?: { readonly socketAddress?: { readonly portValue?: number } };
}

export function decideAll(world: AccessWorld, question: Question, options: CanOptions): CanAnswer {
  const { access } = world.model.settings;
  const sources = resolveSource(world, parseEndName(question.source, options.namespace));
  const places = resolveDestination(world, parseEndName(question.destination, options.namespace), options.port ?? null);
  const pairs = sources.flatMap((source) => places.map((place) => ({ source, place })));
  const groups = pairs.map(({ source, place }) =>
    listCalls(place, question, options).flatMap((call) => decide(world, { source, place, call }) ?? []),
  );
  return {
    allowed: groups.every((group) => group.some((decision) => decision.allowed)),
    access,
    decisions: groups.flat(),
  };
}

/** A port that detects takes requests and opaque bytes. */
function listCalls(place: Place, { method, path }: Question, { header }: CanOptions): readonly Call[] {
  if (place.protocol === "tcp" || place.protocol === "udp") return ["bytes"];
  if (method === undefined || path === undefined) return place.protocol === "detect" ? ["any", "bytes"] : ["any"];
  const host = header.find(([name]) => name.toLowerCase() === "host")?.[1] ?? place.services[0]?.name ?? "";
  return [{ method, path, authority: host, headers: header.filter(([name]) => name.toLowerCase() !== "host") }];
}

interface Asked {
  readonly source: string;
  readonly place: Place;
  readonly call: Call;
}

/** Null: the port takes no such calls. */
function decide(world: AccessWorld, { source, place, call }: Asked): Decision | null {
  const verdict = world.judge(place, split(source), call);
  if (verdict === null) return null;
  if (typeof verdict === "string") {
    throw createUsageError(
      `No proxy takes this request: ${verdict}`,
      "Give the method, path and headers as they would be sent",
    );
  }
  const { rule, denial, rules, allowsAll } = verdict;
  const strictAllows = verdict.allowed;
  const destination = `${place.namespace}/${place.serviceAccount}`;
  const asked = toCall(call);
  return {
    source,
    destination,
    services: place.services.map(({ name, port }) => `${place.namespace}/${name}:${port}`),
    protocol: place.protocol,
    call: asked,
    allowed: strictAllows || world.model.settings.access === "permissive",
    strictAllows,
    isPartial: call === "any" && strictAllows && !allowsAll,
    rule:
      rule === null ? null : describeRule(world, rule, (narrow) => isLetIn(narrow.judge(place, split(source), call))),
    otherRules: rules.filter((other) => other !== rule),
    reason: denial,
    wouldAllow: strictAllows ? [] : propose(world, { source, place, call }, destination),
  };
}

function isLetIn(verdict: Verdict | string | null): boolean {
  return verdict !== null && typeof verdict === "object" && verdict.allowed;
}

function toCall(call: Call): Decision["call"] {
  if (call === "any") return { kind: "any request" };
  return call === "bytes" ? { kind: "connection" } : { kind: "request", method: call.method, path: call.path };
}

/** Checked by asking again: what would not help is not proposed. */
function propose(world: AccessWorld, { source, place, call }: Asked, destination: string): readonly Resource[] {
  const wished = toWish(place, call);
  const taken = new Set(world.resources.map(nameOf));
  const proposed = proposeTargets([{ source, destination, call: wished }], taken);
  const valid = proposed.flatMap((resource) => validateResource(resource, { file: "proposal" }).resource ?? []);
  return isLetIn(world.with(valid).judge(place, split(source), call)) ? proposed : [];
}

function toWish(place: Place, call: Call): WishedCall {
  if (call === "any") return { kind: "any request" };
  if (call === "bytes") return { kind: "connection", ports: place.services.map(({ port }) => port) };
  return { kind: "request", method: call.method, path: call.path.replace(/[?#].*/, "") };
}
