import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_NAMESPACE } from "../resources/object-meta-schema.ts";

/** Kept by the proxy in its state folder; read by the capture preload. */
export function formatNamesPath(stateDir: string): string {
  return join(stateDir, "names.json");
}

/**
 * Writes the names a proxy is going to learn, when it has written none itself yet: an app that calls others while it
 * starts then reaches its sidecar (which lets the call wait for its configuration) instead of a name server.
 */
export function seedNames(stateDir: string, services: readonly string[]): void {
  const path = formatNamesPath(stateDir);
  if (existsSync(path)) return;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const names = services.flatMap((service) => {
    const qualified = `${service}.${DEFAULT_NAMESPACE}`;
    return [service, qualified, `${qualified}.svc`, `${qualified}.svc.cluster.local`];
  });
  writeFileSync(path, JSON.stringify({ names }), { mode: 0o600 });
}
