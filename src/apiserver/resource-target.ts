import type { KindDefinition } from "../resources/registry.ts";
import { StatusError } from "./status.ts";

/** What one path means: a kind, where, and maybe which one. */
export interface ResourceTarget {
  readonly definition: KindDefinition;
  /** "" = every namespace, or a cluster-scoped kind. */
  readonly namespace: string;
  /** "" = the collection. */
  readonly name: string;
}

/** The three that follow are in Kubernetes' own words: scripts look for them. */
export function notFound(target: ResourceTarget): StatusError {
  return new StatusError("NotFound", `${nameOf(target)} not found`, detailsOf(target));
}

export function alreadyExists(target: ResourceTarget): StatusError {
  return new StatusError("AlreadyExists", `${nameOf(target)} already exists`, detailsOf(target));
}

/** `foundVersion` "absent" = deleted meanwhile. */
export function conflict(target: ResourceTarget, foundVersion: string): StatusError {
  const found = foundVersion === "absent" ? "the object has been deleted" : "the object has been modified";
  return new StatusError(
    "Conflict",
    `Operation cannot be fulfilled on ${nameOf(target)}: ${found}; please apply your changes to the latest version and try again`,
    detailsOf(target),
  );
}

export function detailsOf(target: ResourceTarget): {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
} {
  return { name: target.name, group: target.definition.group, kind: target.definition.plural };
}

/** As Invalid says it: with the kind where other reasons have the plural. */
export function invalidDetailsOf(target: ResourceTarget): ReturnType<typeof detailsOf> {
  return { ...detailsOf(target), kind: target.definition.kind };
}

/** `trafficsplits.split.smi-spec.io "reviews"`. */
function nameOf({ definition: { plural, group }, name }: ResourceTarget): string {
  return `${group === "" ? plural : `${plural}.${group}`} "${name}"`;
}

/** `TrafficSplit "reviews" in namespace "default"`. */
export function describeTarget(target: ResourceTarget): string {
  const place = target.namespace === "" ? "" : ` in namespace "${target.namespace}"`;
  return `${target.definition.kind} "${target.name}"${place}`;
}
