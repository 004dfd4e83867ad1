import type { Proxy } from "../proxy/proxy.ts";
import type { RoutePolicy } from "../proxy/policy/route-policy.ts";
import type { Route, VirtualHost } from "../proxy/snapshot.ts";

/** Gives every route of a running proxy other policies, as a new snapshot would. The next resource undoes it. */
export function setRoutePolicy(proxy: Proxy, change: (policy: RoutePolicy) => RoutePolicy): void {
  const { runtime } = proxy;
  const snapshot = runtime.snapshot;
  if (snapshot === null) throw new Error("The proxy has no configuration yet");
  const route = (old: Route): Route => ({ ...old, policy: change(old.policy) });
  const host = (old: VirtualHost): VirtualHost => ({ ...old, routes: old.routes.map(route) });
  const routes = new Map(
    [...snapshot.routes].map(([name, table]) => {
      const exact = new Map([...table.exact].map(([domain, old]) => [domain, host(old)]));
      const suffixes = table.suffixes.map(([suffix, old]) => [suffix, host(old)] as const);
      return [name, { ...table, exact, suffixes, fallback: table.fallback === null ? null : host(table.fallback) }];
    }),
  );
  runtime.snapshot = { ...snapshot, routes };
}
