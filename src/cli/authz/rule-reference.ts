import { SOURCE_ANNOTATION } from "../../resources/source-annotation.ts";
import type { HttpRouteGroup } from "../../resources/http-route-group.ts";
import type { Resource } from "../../resources/resource.ts";
import type { TrafficRule, TrafficTarget } from "../../resources/traffic-target.ts";
import { type AccessWorld, nameOf } from "./access-world.ts";

/** A resource that took part in a decision. */
export interface ResourceReference {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Of an HTTPRouteGroup. */
  readonly match?: string;
  /** "path:line" of the file it was applied from; null when nobody wrote that down. */
  readonly file: string | null;
}

export interface RuleReference extends ResourceReference {
  /** The rules of the target that let the call in. */
  readonly parts: readonly ResourceReference[];
}

/** Whether the call gets in, in a world in which only some rules are left. */
type Judge = (world: AccessWorld) => boolean;

/** `key` is "<namespace>/<name>" of the TrafficTarget that decided. Which of its rules did is found by asking again with each alone. */
export function describeRule(world: AccessWorld, key: string, judge: Judge): RuleReference {
  const target = world.resources.find((resource) => nameOf(resource) === `TrafficTarget ${key}`) as TrafficTarget;
  const others = world.resources.filter((resource) => resource.kind !== "TrafficTarget");
  const tcp = target.spec.rules.filter((rule) => rule.kind === "TCPRoute");
  const http = target.spec.rules.filter((rule) => rule.kind === "HTTPRouteGroup");
  const allows = (rules: readonly TrafficRule[]): boolean =>
    judge(world.replaced([...others, { ...target, spec: { ...target.spec, rules } }]));
  const parts: ResourceReference[] = [];
  const port = tcp.find((rule) => allows([rule, ...http]));
  if (port !== undefined) parts.push(refer(find(world, target, port), port));
  const single = http
    .flatMap((rule) => listMatches(find(world, target, rule), rule))
    .find((rule) => allows([rule, ...tcp]));
  if (single !== undefined) {
    parts.push({ ...refer(find(world, target, single), single), match: single.matches[0] ?? "" });
  }
  return { ...refer(target, { kind: "TrafficTarget", name: target.metadata.name }), parts };
}

/** Each match of the rule as a rule of its own. */
function listMatches(group: Resource | null, rule: TrafficRule): readonly TrafficRule[] {
  const names =
    rule.matches.length > 0
      ? rule.matches
      : ((group as HttpRouteGroup | null)?.spec.matches ?? []).map(({ name }) => name);
  return names.map((name) => ({ ...rule, matches: [name] }));
}

function find(world: AccessWorld, target: Resource, rule: TrafficRule): Resource | null {
  const name = `${rule.kind} ${target.metadata.namespace}/${rule.name}`;
  return world.resources.find((resource) => nameOf(resource) === name) ?? null;
}

function refer(
  resource: Resource | null,
  { kind, name }: { readonly kind: string; readonly name: string },
): ResourceReference {
  const file = resource?.metadata.annotations?.[SOURCE_ANNOTATION] ?? null;
  return { kind, namespace: resource?.metadata.namespace ?? "", name, file };
}
