import { findPlural } from "../../resources/registry.ts";
import type { ResourceKey } from "../../store/store.ts";
import type { ApiCall } from "../api-route.ts";
import type { ResourceTarget } from "../resource-target.ts";
import { StatusError } from "../status.ts";

/** What the path of a call means. Throws StatusError NotFound when there is no such kind, or not at this place. */
export function readTarget(call: ApiCall): ResourceTarget {
  const { group = "", version = "", plural = "", namespace = "", name = "" } = call.parameters;
  const definition = findPlural(group, version, plural);
  // Namespaced objects are addressed with a namespace, cluster-scoped ones without; a collection may span namespaces.
  const isMisplaced =
    definition !== null &&
    (definition.namespaced ? namespace === "" && (name !== "" || call.method !== "GET") : namespace !== "");
  if (definition === null || isMisplaced) throw unknownPath(call, group, version);
  return { definition, namespace, name };
}

/** The same for `…/{name}/status`; not found for kinds whose status is nobody's own. */
export function readStatusTarget(call: ApiCall): ResourceTarget {
  const target = readTarget(call);
  if (target.definition.hasStatus) return target;
  const { group = "", version = "" } = call.parameters;
  throw unknownPath(call, group, version);
}

export function toKey({ definition, namespace, name }: ResourceTarget): ResourceKey {
  return { group: definition.group, kind: definition.kind, namespace, name };
}

function unknownPath(call: ApiCall, group: string, version: string): StatusError {
  const list = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  // The words "the server could not find the requested resource" are what kubectl looks for, and shows.
  return new StatusError(
    "NotFound",
    `Cannot find the path "${call.path}": the server could not find the requested resource; expected a kind that ${list} lists`,
  );
}
