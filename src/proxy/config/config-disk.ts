import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { envoy } from "#gen/protos.js";

/** One accepted resource as it came. */
export interface HeldResource {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
  /** The inner resource, without its Any. */
  readonly bytes: Uint8Array;
}

const FILE = "config.bin";

/** Replaces the last configuration on disk: whole or not at all, readable by the owner only. */
export function saveConfig(stateDir: string, resources: Iterable<HeldResource>): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const message = {
    resources: Array.from(resources, (held) => ({
      name: held.name,
      version: held.version,
      resource: { typeUrl: held.typeUrl, value: held.bytes },
    })),
  };
  const path = join(stateDir, FILE);
  writeFileSync(`${path}.new`, envoy.service.discovery.v3.DeltaDiscoveryResponse.encode(message).finish(), {
    mode: 0o600,
  });
  renameSync(`${path}.new`, path);
}

/** What `saveConfig` kept; empty when there is nothing or it cannot be read (the reason then goes to `warn`). */
export function loadConfig(stateDir: string, warn: (reason: string) => void): readonly HeldResource[] {
  const path = join(stateDir, FILE);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch {
    return []; // The first start.
  }
  try {
    const message = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes);
    return (message.resources ?? []).map((resource) => ({
      typeUrl: resource.resource?.typeUrl ?? "",
      name: resource.name ?? "",
      version: resource.version ?? "",
      bytes: resource.resource?.value ?? new Uint8Array(),
    }));
  } catch (error) {
    warn(`${path} is not a saved configuration: ${error instanceof Error ? error.message : String(error)}`);
    rmSync(path, { force: true });
    return [];
  }
}
