import type { envoy } from "#gen/protos.js";
import type { AccessPolicy, AccessRule, RequestMatch } from "../snapshot.ts";
import { ANY_REQUEST, addHeaderMatcher, decodePathMatcher } from "./decode-match.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";

/** A policy whose permissions multiply out to more conjunctions than this is refused: every request would walk them. */
const MAX_MATCHES = 1024;

/** Either the HTTP or the network RBAC filter: both hold rules (enforced) or shadow rules (permissive). */
export interface AccessFilterConfig {
  readonly rules?: envoy.config.rbac.v3.RBAC | null;
  readonly shadowRules?: envoy.config.rbac.v3.RBAC | null;
}

/** Null when the filter is off (neither rules nor shadow rules). Rules that are present but empty deny everything. */
export function decodeAccess(filter: AccessFilterConfig, destination: string, path: string): AccessPolicy | null {
  refuseUnknownFields(filter, ["rules", "shadowRules", "statPrefix", "rulesStatPrefix", "shadowRulesStatPrefix"], path);
  if (filter.rules != null && filter.shadowRules != null) {
    throw new ConfigRefusal(path, "rules and shadow_rules", "one of them");
  }
  const rbac = filter.rules ?? filter.shadowRules ?? null;
  if (rbac === null) return null;
  refuseUnknownFields(rbac, ["policies", "action"], path);
  if ((rbac.action ?? 0) !== 0) throw new ConfigRefusal(`${path}.action`, `action ${rbac.action}`, "ALLOW");
  const rules: AccessRule[] = [];
  // In name order, so that which rule is named in an explanation does not depend on the order of a map on the wire.
  for (const name of Object.keys(rbac.policies ?? {}).sort()) {
    const policy = rbac.policies?.[name];
    if (policy !== undefined) rules.push(decodePolicy(name, policy, `${path}.policies["${name}"]`));
  }
  return { enforced: filter.rules != null, destination, rules };
}

function decodePolicy(name: string, policy: envoy.config.rbac.v3.Policy, path: string): AccessRule {
  refuseUnknownFields(policy, ["permissions", "principals"], path);
  const principals = new Set<string>();
  (policy.principals ?? []).forEach((principal, index) => {
    addPrincipals(principals, principal, `${path}.principals[${index}]`);
  });
  const matches: RequestMatch[] = [];
  let any = false;
  (policy.permissions ?? []).forEach((permission, index) => {
    const decoded = decodePermission(permission, `${path}.permissions[${index}]`);
    if (decoded === null) any = true;
    else matches.push(...decoded);
  });
  return { name, principals, matches: any ? null : matches };
}

function addPrincipals(into: Set<string>, principal: envoy.config.rbac.v3.Principal, path: string): void {
  refuseUnknownFields(principal, ["orIds", "authenticated", "identifier"], path);
  if (principal.orIds != null) {
    (principal.orIds.ids ?? []).forEach((id, index) => addPrincipals(into, id, `${path}.or_ids[${index}]`));
    return;
  }
  const exact = principal.authenticated?.principalName?.exact;
  if (exact == null || exact === "") {
    throw new ConfigRefusal(path, "a principal without an exact name", "authenticated.principal_name.exact");
  }
  refuseUnknownFields(principal.authenticated?.principalName ?? {}, ["exact", "matchPattern"], path);
  into.add(exact);
}

/** The permission as a list of conjunctions; null = any request. */
function decodePermission(permission: envoy.config.rbac.v3.Permission, path: string): readonly RequestMatch[] | null {
  refuseUnknownFields(permission, ["any", "andRules", "orRules", "header", "urlPath", "rule"], path);
  if (permission.any === true) return null;
  if (permission.header != null) return [addHeaderMatcher(ANY_REQUEST, permission.header, `${path}.header`)];
  if (permission.urlPath != null) {
    return [{ ...ANY_REQUEST, path: decodePathMatcher(permission.urlPath, `${path}.url_path`) }];
  }
  if (permission.orRules != null) return decodeAny(permission.orRules.rules ?? [], `${path}.or_rules`);
  if (permission.andRules != null) return decodeAll(permission.andRules.rules ?? [], `${path}.and_rules`);
  throw new ConfigRefusal(path, "an empty permission", "any, and_rules, or_rules, header or url_path");
}

function decodeAny(rules: readonly envoy.config.rbac.v3.Permission[], path: string): readonly RequestMatch[] | null {
  const matches: RequestMatch[] = [];
  for (const [index, rule] of rules.entries()) {
    const decoded = decodePermission(rule, `${path}[${index}]`);
    if (decoded === null) return null;
    matches.push(...decoded);
  }
  return bounded(matches, path);
}

function decodeAll(rules: readonly envoy.config.rbac.v3.Permission[], path: string): readonly RequestMatch[] | null {
  let product: readonly RequestMatch[] | null = null;
  for (const [index, rule] of rules.entries()) {
    const decoded = decodePermission(rule, `${path}[${index}]`);
    if (decoded === null) continue;
    product = product === null ? decoded : bounded(multiply(product, decoded, path), path);
  }
  return product;
}

function multiply(one: readonly RequestMatch[], other: readonly RequestMatch[], path: string): RequestMatch[] {
  const product: RequestMatch[] = [];
  for (const left of one) {
    for (const right of other) {
      if (left.path.kind !== "any" && right.path.kind !== "any") {
        throw new ConfigRefusal(path, "two paths that must both match", "one path per conjunction");
      }
      product.push({
        path: left.path.kind === "any" ? right.path : left.path,
        methods: mergeMethods(left.methods, right.methods),
        headers: [...left.headers, ...right.headers],
      });
    }
  }
  return product;
}

function mergeMethods(one: ReadonlySet<string> | null, other: ReadonlySet<string> | null): ReadonlySet<string> | null {
  if (one === null) return other;
  if (other === null) return one;
  return new Set([...one].filter((method) => other.has(method)));
}

function bounded(matches: readonly RequestMatch[], path: string): readonly RequestMatch[] {
  if (matches.length > MAX_MATCHES) {
    throw new ConfigRefusal(path, `${matches.length} combinations`, `${MAX_MATCHES} or fewer`);
  }
  return matches;
}
