import { KINDS } from "../../resources/registry.ts";
import { METRICS_GROUP, METRICS_KINDS } from "../metrics/metrics-kinds.ts";
import type { Principal } from "./principal.ts";
import type { Verb } from "./route-access.ts";

/** What somebody wants to do, in Kubernetes' words. */
export interface AccessRequest {
  readonly verb: string;
  /** "" for the core group. */
  readonly group: string;
  /** Plural. */
  readonly resource: string;
  readonly subresource: string;
  /** "" for what is in no namespace, and for all of them. */
  readonly namespace: string;
  /** "" for a collection. */
  readonly name: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** Why not, for the user; "" when allowed. */
  readonly reason: string;
}

export const VERBS: readonly Verb[] = [
  "get",
  "list",
  "watch",
  "create",
  "update",
  "patch",
  "delete",
  "deletecollection",
];
export const READ_VERBS: readonly string[] = ["get", "list", "watch"];

/** Of the group weft.dev, beside its kinds: what weft's own paths show and do. In brackets: whether they are in namespaces. */
export const OWN_RESOURCES: ReadonlyMap<string, boolean> = new Map([
  ["proxies", true],
  ["traffic", true],
  ["workloads", true],
  ["replicas", false],
  ["trust", false],
  ["metrics", false],
]);

/** They cut off or let in whole meshes; who gives the root is everybody. */
const PEER_RULES: readonly string[] = ["revocations", "trustbundles", "trust"];

const ALLOWED: Decision = { allowed: true, reason: "" };

/**
 * The whole policy of the API. An admin may do everything. Users and Secrets are admins' alone, to read as well as to
 * write: the answer to a write shows what is stored. An
 * editor reads and writes everything else but the Mesh, which it reads; a viewer reads it all. A role that holds in some
 * namespaces only is for what is in them, and for reading their own Namespace objects and the Mesh.
 *
 * "*" as verb, group or resource asks for all of them.
 */
export function authorize(principal: Principal, request: AccessRequest): Decision {
  const { role, namespaces } = principal;
  if (role === "admin" && namespaces === null) return ALLOWED;
  if (request.verb === "*" || request.group === "*" || request.resource === "*") {
    return refuse(`the role ${role} does not allow everything`);
  }
  if (is(request, "weft.dev", "users")) return refuse("only admins may read or write users");
  if (is(request, "", "secrets")) return refuse("only admins may read or write Secrets");
  const reads = READ_VERBS.includes(request.verb);
  if (!reads && role === "viewer") return refuse("the role viewer only reads");
  if (!reads && is(request, "weft.dev", "meshes")) return refuse("only admins may change the Mesh");
  if (!reads && PEER_RULES.some((resource) => is(request, "weft.dev", resource))) {
    return refuse("only admins may say whom the mesh trusts");
  }
  if (namespaces === null) return ALLOWED;
  if (request.namespace === "") return inNoNamespace(request, namespaces);
  if (namespaces.includes(request.namespace)) return ALLOWED;
  return refuse(describePlaces(role, namespaces));
}

function inNoNamespace(request: AccessRequest, namespaces: readonly string[]): Decision {
  const reads = READ_VERBS.includes(request.verb);
  if (reads && is(request, "weft.dev", "meshes")) return ALLOWED;
  if (request.verb === "get" && is(request, "", "namespaces") && namespaces.includes(request.name)) return ALLOWED;
  const place = isNamespaced(request) ? "in all namespaces" : "outside of namespaces";
  return refuse(`the user is limited to ${listPlaces(namespaces)}, and this is ${place}`);
}

function is(request: AccessRequest, group: string, resource: string): boolean {
  return request.group === group && request.resource === resource;
}

/** Of what is unknown nothing is in a namespace. */
export function isNamespaced({ group, resource }: Pick<AccessRequest, "group" | "resource">): boolean {
  const kind = KINDS.find((known) => known.group === group && known.plural === resource);
  if (group === METRICS_GROUP) return METRICS_KINDS.some(({ plural, namespaced }) => plural === resource && namespaced);
  return kind?.namespaced ?? (group === "weft.dev" && OWN_RESOURCES.get(resource) === true);
}

function describePlaces(role: string, namespaces: readonly string[]): string {
  return `the role ${role} holds in ${listPlaces(namespaces)} only`;
}

function listPlaces(namespaces: readonly string[]): string {
  const shown = namespaces.map((name) => `"${name}"`).join(", ");
  return namespaces.length === 1 ? `the namespace ${shown}` : `the namespaces ${shown}`;
}

function refuse(reason: string): Decision {
  return { allowed: false, reason };
}
