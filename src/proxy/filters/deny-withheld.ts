import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { AccessPolicy, ClusterConfig } from "../snapshot.ts";
import { ACCESS_DENIED } from "../failures.ts";
import { explainDenial } from "./explain-denial.ts";

/**
 * Answers a request to instances that the control plane keeps from this proxy, as no policy lets its identity call them: with
 * what their own proxies would have said. They go on to decide for themselves about whatever reaches them.
 */
export function denyWithheld(withheld: AccessPolicy, cluster: ClusterConfig, x: Exchange, runtime: ProxyRuntime): void {
  runtime.counters.accessWithheld += 1;
  x.fail(ACCESS_DENIED, explainDenial(withheld, formatOwnId(cluster, runtime.self), x));
}

/** This proxy's SPIFFE ID, in the trust domain that it expects of the instances: there is one in a mesh. */
function formatOwnId({ peerIdentities }: ClusterConfig, self: string): string | null {
  const [peer] = peerIdentities ?? [];
  const end = peer?.indexOf("/ns/") ?? -1;
  if (peer === undefined || end < 0) return null;
  const slash = self.indexOf("/");
  return `${peer.slice(0, end)}/ns/${self.slice(0, slash)}/sa/${self.slice(slash + 1)}`;
}
