import { envoy } from "#gen/protos.js";
import type { RevokedSubject } from "../identity/revocation-list.ts";

/** What a proxy is told about peers, beside its own mesh's roots. */
export interface PeerRules {
  /** PEM roots of other trust domains, by domain. */
  readonly bundles: ReadonlyMap<string, string>;
  readonly revoked: readonly RevokedSubject[];
}

export const NO_PEER_RULES: PeerRules = { bundles: new Map(), revoked: [] };

const { Secret } = envoy.extensions.transport_sockets.tls.v3;

/** A generic secret (Envoy's for what a filter reads itself), as no field of Envoy's revokes by identity. */
export function encodePeerRules(name: string, { bundles, revoked }: PeerRules): Uint8Array {
  const text = JSON.stringify({ bundles: Object.fromEntries(bundles), revoked });
  return Secret.encode({ name, genericSecret: { secret: { inlineString: text } } }).finish();
}

/** Null for what is no such thing: whoever asks then refuses the resource. */
export function decodePeerRules(secret: envoy.extensions.transport_sockets.tls.v3.Secret): PeerRules | null {
  let value: unknown;
  try {
    value = JSON.parse(secret.genericSecret?.secret?.inlineString ?? "");
  } catch {
    return null;
  }
  const { bundles, revoked } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (typeof bundles !== "object" || bundles === null || !Array.isArray(revoked)) return null;
  const entries = Object.entries(bundles as Record<string, unknown>);
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === "string")) return null;
  return revoked.every(isSubject) ? { bundles: new Map(entries), revoked } : null;
}

function isSubject(value: unknown): value is RevokedSubject {
  if (typeof value !== "object" || value === null) return false;
  const { spiffeId, workload, serialNumber } = value as Record<string, unknown>;
  return [spiffeId, workload, serialNumber].every((part) => part === null || typeof part === "string");
}
