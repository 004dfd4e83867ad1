import type { envoy } from "#gen/protos.js";
import { formatWorkloadId } from "../../identity/spiffe-id.ts";
import type { AppProtocol } from "../../proxy-node.ts";
import type { AccessModel, HttpMatchModel, TargetModel } from "../model/mesh-model.ts";
import { toHeaderMatchers, toPathMatcher } from "./request-match.ts";

type Permission = envoy.config.rbac.v3.Permission;
type RBAC = envoy.config.rbac.v3.RBAC;

/** The port of an app that rules are made for. */
export interface GuardedPort {
  /** What a TCPRoute or UDPRoute may call it: the app's own port, and the ports of the Services that lead to it. */
  readonly ports: ReadonlySet<number>;
  /** "detect": for connections that turned out to be opaque, where the Service does not say that they are. */
  readonly protocol: AppProtocol;
}

/**
 * The rules of an ALLOW filter: one policy for each TrafficTarget that can open the port, under the target's
 * "<namespace>/<name>". Without policies nothing is allowed.
 */
export function createRules(access: AccessModel | null, guarded: GuardedPort, trustDomain: string): RBAC {
  const policies: Record<string, envoy.config.rbac.v3.Policy> = {};
  // Targets are in order of key, so the map is too, and equal rules are equal bytes.
  for (const target of access?.targets ?? []) {
    const permissions = listPermissions(target, guarded);
    const principals = target.sources.map((source) => toPrincipal(source, trustDomain));
    // A policy without principals or permissions would not be valid, and would allow nothing.
    if (permissions.length > 0 && principals.length > 0) policies[target.key] = { permissions, principals };
  }
  return { policies };
}

/** The same rules without those whom they allow: enough to say what would have to change for a caller whom none allows. */
export function createAnonymousRules(access: AccessModel | null, guarded: GuardedPort): RBAC {
  const policies: Record<string, envoy.config.rbac.v3.Policy> = {};
  for (const target of access?.targets ?? []) {
    const permissions = listPermissions(target, guarded);
    if (permissions.length > 0 && target.sources.length > 0) policies[target.key] = { permissions };
  }
  return { policies };
}

/** Any of them; empty = the target does not open this port. */
function listPermissions(target: TargetModel, guarded: GuardedPort): Permission[] {
  const { http, tcp, udp, onlyPort } = target;
  if (onlyPort !== null && !guarded.ports.has(onlyPort)) return [];
  if (guarded.protocol === "udp") return listsPort(udp, guarded.ports) ? [{ any: true }] : [];
  const opensPort = listsPort(tcp, guarded.ports);
  // On an opaque port requests cannot be seen: TCP rules alone count.
  if (guarded.protocol === "tcp") return opensPort ? [{ any: true }] : [];
  // A target with rules for requests must not be passed by with bytes that only do not look like one.
  if (guarded.protocol === "detect") return opensPort && http === null ? [{ any: true }] : [];
  if (tcp !== null && !opensPort) return [];
  return http === null ? [{ any: true }] : http.map(toPermission);
}

function listsPort(listed: TargetModel["tcp"], ports: ReadonlySet<number>): boolean {
  return listed === "all" || (listed ?? []).some((port) => ports.has(port));
}

function toPermission(match: HttpMatchModel): Permission {
  const rules: Permission[] = toHeaderMatchers(match).map((header) => ({ header }));
  const path = toPathMatcher(match.pathRegex);
  if (path !== null) rules.unshift({ urlPath: { path } });
  const [first, ...rest] = rules;
  if (first === undefined) return { any: true };
  return rest.length === 0 ? first : { andRules: { rules } };
}

function toPrincipal(source: string, trustDomain: string): envoy.config.rbac.v3.Principal {
  if (source.startsWith("spiffe://")) return { authenticated: { principalName: { exact: source } } };
  const slash = source.indexOf("/");
  const id = { trustDomain, namespace: source.slice(0, slash), serviceAccount: source.slice(slash + 1) };
  return { authenticated: { principalName: { exact: formatWorkloadId(id) } } };
}
