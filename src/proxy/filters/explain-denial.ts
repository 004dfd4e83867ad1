import type { Exchange } from "../exchange.ts";
import type { AccessPolicy } from "../snapshot.ts";
import { pathOf } from "../route/match-request.ts";
import { acceptsRequest } from "./accepts-request.ts";

/**
 * Says which policy would allow a denied request, to a caller whose identity is proved: the rule that accepts the request
 * from others, or the one that lists the caller for other requests, or what to write when there is neither.
 */
export function explainDenial(policy: AccessPolicy, peerId: string | null, x: Exchange): string {
  if (peerId === null) return "The caller proved no identity; only workloads of the mesh may call.";
  const method = x.request?.methodText() ?? "";
  const path = pathOf(x);
  const caller = parseCaller(peerId);
  const request = `${method} ${printable(path)} on ${policy.destination} by ${caller.label} (${peerId})`;
  const byRequest = policy.rules.find((rule) => acceptsRequest(rule, x));
  if (byRequest !== undefined) {
    return (
      `${request} is not allowed: TrafficTarget "${byRequest.name}" allows this request from other callers. ` +
      `To allow it, add { kind: ServiceAccount, name: ${caller.name}, namespace: ${caller.namespace} } to its spec.sources` +
      `${allowHint(policy.destination, caller.name)}.`
    );
  }
  const byCaller = policy.rules.find((rule) => rule.principals.has(peerId));
  if (byCaller !== undefined) {
    return (
      `${request} is not allowed: TrafficTarget "${byCaller.name}" allows this caller other requests only. ` +
      `To allow it, add a rule to its spec.rules whose HTTPRouteGroup matches ${method} ${printable(path)}.`
    );
  }
  const [namespace = "", name = ""] = policy.destination.split("/");
  return (
    `${request} is not allowed: no TrafficTarget for ServiceAccount "${policy.destination}" matches. To allow it, apply a ` +
    `TrafficTarget in namespace ${namespace} with spec.destination { kind: ServiceAccount, name: ${name} }, spec.sources ` +
    `[{ kind: ServiceAccount, name: ${caller.name}, namespace: ${caller.namespace} }] and spec.rules naming an ` +
    `HTTPRouteGroup that matches ${method} ${printable(path)}${allowHint(policy.destination, caller.name)}.`
  );
}

interface Caller {
  readonly label: string;
  readonly namespace: string;
  readonly name: string;
}

/** The caller's SPIFFE ID has been verified, so its path has the form that the mesh's CA gives. */
function parseCaller(peerId: string): Caller {
  const parts = peerId.split("/");
  const namespace = parts[4] ?? "";
  const name = parts[6] ?? "";
  return { label: `${namespace}/${name}`, namespace, name };
}

function allowHint(destination: string, caller: string): string {
  const name = destination.split("/")[1] ?? "";
  return ` (in weft.yaml: add ${caller} to services.${name}.allow)`;
}

/** Paths come from callers: only what is harmless in a terminal, and not too much of it. */
function printable(path: string): string {
  const cut = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return cut.replace(/[^\x21-\x7e…]/g, "?");
}
