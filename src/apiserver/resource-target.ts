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

export function notFound(target: ResourceTarget): StatusError {
  return new StatusError("NotFound", `Cannot find ${describeTarget(target)}`, detailsOf(target));
}

export function alreadyExists(target: ResourceTarget): StatusError {
  return new StatusError(
    "AlreadyExists",
    `Cannot create ${describeTarget(target)}: it exists already`,
    detailsOf(target),
  );
}

/** `foundVersion` "absent" = deleted meanwhile. */
export function conflict(target: ResourceTarget, foundVersion: string): StatusError {
  const found = foundVersion === "absent" ? "it was deleted" : `found resourceVersion "${foundVersion}"`;
  return new StatusError(
    "Conflict",
    `Cannot write ${describeTarget(target)}: it was changed meanwhile: ${found}; expected the version that was read`,
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

/** `TrafficSplit "reviews" in namespace "default"`. */
export function describeTarget(target: ResourceTarget): string {
  const place = target.namespace === "" ? "" : ` in namespace "${target.namespace}"`;
  return `${target.definition.kind} "${target.name}"${place}`;
}
