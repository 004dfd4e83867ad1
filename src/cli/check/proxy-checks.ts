import type { ProxyStatus } from "../../control/views.ts";
import { WEFT_VERSION } from "../../version.ts";
import { formatAge } from "../../lib/format-age.ts";
import { type CheckResult, toResult } from "./check-result.ts";

const SECTION = "proxies";

/**
 * Without clients that have ended (`weft run … -- curl`): they are remembered for a while, and nothing misses them.
 * `instances` holds "<namespace>/<workload>" of whatever is an endpoint of some service.
 */
export function dropEndedClients(
  proxies: readonly ProxyStatus[],
  instances: ReadonlySet<string>,
): readonly ProxyStatus[] {
  return proxies.filter((proxy) => proxy.connected || proxy.role === "ingress" || instances.has(proxy.id));
}

export function checkProxies(proxies: readonly ProxyStatus[], wallMs: number): readonly CheckResult[] {
  const none = {
    outcome: "warning",
    found: ["no proxy has joined"],
    hint: "Run a service: `weft up`, or `weft run SERVICE -- COMMAND`",
  } as const;
  if (proxies.length === 0) return [toResult(SECTION, "workloads have joined the mesh", none)];
  return [
    toResult(SECTION, `every proxy is connected (${proxies.length} known)`, {
      found: proxies
        .filter((proxy) => !proxy.connected)
        .map((proxy) => `${proxy.id}: not connected for ${formatAge(wallMs - proxy.sinceWallMs)}`),
      hint: "It serves on with its last configuration. If its process has ended, start the workload again; else read the proxy's log",
    }),
    toResult(SECTION, "no proxy rejects its configuration", {
      found: proxies.flatMap(listRejections),
      hint: "The last good configuration stays in force. Look at the resource that the reason names; `weft proxy config PROXY` shows what is in force",
    }),
    toResult(SECTION, "every proxy has the newest configuration", {
      outcome: "warning",
      found: proxies
        .filter((proxy) => proxy.connected && proxy.state === "STALE")
        .map((proxy) => `${proxy.id}: ${listStale(proxy)} sent, not acknowledged yet`),
      hint: "Normal for a moment after a change: run `weft check` again; if it stays, the proxy is overloaded or stopped",
    }),
    toResult(SECTION, `every proxy has the version of this program, ${WEFT_VERSION}`, {
      outcome: "warning",
      found: proxies
        .filter((proxy) => proxy.weftVersion !== WEFT_VERSION)
        .map((proxy) => `${proxy.id}: weft ${proxy.weftVersion}`),
      hint: "Restart these workloads when it suits",
    }),
  ];
}

function listRejections(proxy: ProxyStatus): readonly string[] {
  return proxy.types
    .filter((type) => type.state === "REJECTED")
    .map((type) => `${proxy.id}: ${type.type}: ${type.reason ?? "no reason given"}`);
}

function listStale(proxy: ProxyStatus): string {
  const stale = proxy.types.filter((type) => type.state === "STALE").map((type) => `${type.type}s`);
  return stale.length === 0 ? "configuration" : stale.join(", ");
}
