import type { Snapshot } from "./snapshot.ts";

/** Every name that an app beside this proxy may dial to reach a service: sorted, lower-case, without ports. */
export function collectMeshNames(snapshot: Snapshot): readonly string[] {
  const names = new Set<string>();
  for (const listener of snapshot.listeners.values()) {
    if (listener.direction !== "outbound") continue;
    for (const chain of listener.chains) for (const name of chain.serverNames) names.add(name);
    const handler = listener.defaultChain?.handler;
    if (handler === undefined || handler.kind !== "http") continue;
    const table = handler.inlineRoutes ?? (handler.routeName === null ? null : snapshot.routes.get(handler.routeName));
    for (const domain of table?.exact.keys() ?? []) names.add(domain.replace(/:\d+$/, ""));
  }
  return [...names].sort();
}
