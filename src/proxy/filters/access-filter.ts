import { formatDeniedCall } from "../../observe/would-deny.ts";
import type { Exchange, HttpOrigin } from "../exchange.ts";
import type { AccessPolicy } from "../snapshot.ts";
import type { ProxyCounters } from "../counters.ts";
import { ACCESS_DENIED } from "../failures.ts";
import { pathOf } from "../route/match-request.ts";
import { acceptsRequest } from "./accepts-request.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { explainDenial } from "./explain-denial.ts";

/** Decides by the caller's proved identity: allowed when any rule allows it (SMI access control is OR over targets). */
export function checkAccess(policy: AccessPolicy, x: Exchange, counters: ProxyCounters): number {
  const origin = x.origin;
  if (origin === null) return CONTINUE;
  if (isAllowed(policy, origin.peerId, x)) return CONTINUE;
  if (!policy.enforced) {
    counters.accessShadowDenied += 1;
    x.shadowDenied = true;
    // Now, as what comes after may rewrite the path.
    x.deniedCall = describeCall(x, origin);
    return CONTINUE;
  }
  counters.accessDenied += 1;
  x.fail(ACCESS_DENIED, explainDenial(policy, origin.peerId, x));
  return ANSWERED;
}

function describeCall(x: Exchange, { listener }: HttpOrigin): string {
  const port = x.snapshot?.listeners.get(listener)?.port ?? 0;
  return formatDeniedCall({ port, method: x.request?.methodText() ?? "?", path: pathOf(x) });
}

/** For opaque connections: only rules that do not look at requests count, as there is none to look at. */
export function isConnectionAllowed(policy: AccessPolicy, peerId: string | null): boolean {
  if (peerId === null) return false;
  for (let i = 0; i < policy.rules.length; i += 1) {
    const rule = policy.rules[i];
    if (rule !== undefined && rule.matches === null && rule.principals.has(peerId)) return true;
  }
  return false;
}

function isAllowed(policy: AccessPolicy, peerId: string | null, x: Exchange): boolean {
  if (peerId === null) return false;
  for (let i = 0; i < policy.rules.length; i += 1) {
    const rule = policy.rules[i];
    if (rule !== undefined && rule.principals.has(peerId) && acceptsRequest(rule, x)) return true;
  }
  return false;
}
