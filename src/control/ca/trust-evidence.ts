/** What one control plane knows of the roots: its own, and those of the proxies that it sees. */
export interface TrustEvidence {
  /** Name of the control plane. */
  readonly replica: string;
  /** Fingerprints of the roots that it believes; the one that signs first. */
  readonly roots: readonly string[];
  /** Since it takes proxies. */
  readonly upMs: number;
  readonly proxies: readonly ProxyTrust[];
}

export interface ProxyTrust {
  /** "<namespace>/<workload>". */
  readonly id: string;
  readonly connected: boolean;
  /** It acknowledged the roots as the control plane has them now. */
  readonly hasRoots: boolean;
  /** Fingerprint of the root of the certificate that it last proved itself with; null when none was seen. */
  readonly certificateRoot: string | null;
  /** When its newest certificate ends (wall clock); null when unknown. */
  readonly notAfterMs: number | null;
}

/** Somebody or something that a step of a rotation waits for. */
export interface Awaited {
  /** A proxy's id, or `control plane <name>`. */
  readonly who: string;
  readonly why: string;
  /** When it is no longer waited for (wall clock); null: only proof will do. */
  readonly untilWallMs: number | null;
}

/** Of one proxy that several control planes know, what the one says that it is connected to, or that saw it last. */
export function mergeProxyTrust(all: readonly TrustEvidence[]): ReadonlyMap<string, ProxyTrust> {
  const merged = new Map<string, ProxyTrust>();
  for (const { proxies } of all) {
    for (const proxy of proxies) {
      const known = merged.get(proxy.id);
      merged.set(proxy.id, known === undefined ? proxy : combine(known, proxy));
    }
  }
  return merged;
}

function combine(one: ProxyTrust, other: ProxyTrust): ProxyTrust {
  const newer = isNewer(other, one) ? other : one;
  const ends = [one.notAfterMs, other.notAfterMs].filter((ms) => ms !== null);
  return { ...newer, notAfterMs: ends.length === 0 ? null : Math.max(...ends) };
}

function isNewer(one: ProxyTrust, other: ProxyTrust): boolean {
  if (one.connected !== other.connected) return one.connected;
  return (one.notAfterMs ?? 0) > (other.notAfterMs ?? 0);
}
