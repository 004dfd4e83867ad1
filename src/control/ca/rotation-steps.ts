import { formatWallTime } from "../../time/wall-time.ts";
import type { RotationRecord } from "./root-secret.ts";
import { type Awaited, mergeProxyTrust, type ProxyTrust, type TrustEvidence } from "./trust-evidence.ts";

export interface StepFacts {
  readonly record: RotationRecord;
  /** Fingerprints of the roots as the secret has them; the one that signs first. */
  readonly roots: readonly string[];
  /** One for each control plane; null for one that did not answer, by its name. */
  readonly evidence: readonly (TrustEvidence | string)[];
  /** Whether the workload "<namespace>/<workload>" is revoked: nobody waits for it. */
  readonly isRevoked: (id: string) => boolean;
  /** Longest life of a certificate that a proxy may hold of which nothing is known. */
  readonly longestLifeMs: number;
  readonly nowWallMs: number;
}

export interface StepProof {
  /** Empty: the step is proved, the next may begin. */
  readonly awaited: readonly Awaited[];
  /** Proxies that are not connected and lack what this step gives, and when their certificates end. */
  readonly offline: Readonly<Record<string, number>>;
}

/** A control plane that has just started knows nobody yet: proxies find it again within this time. */
export const SETTLE_MS = 20_000;
/** More proxies that are away are waited for as well, but not remembered over a restart. */
const MAX_REMEMBERED = 1_000;

/**
 * What a step of a rotation still waits for. A proxy proves that it has the roots by acknowledging them on its ADS stream, and
 * that it uses a certificate of the new root by opening a stream with it. Whoever is away is waited for until its
 * certificate ends, as it can do nothing with it afterwards; in the last step nobody away is, as all it lacks is a removal.
 */
export function proveStep(facts: StepFacts): StepProof {
  const { record, evidence, roots } = facts;
  const present = evidence.filter((one) => typeof one !== "string");
  const awaited: Awaited[] = evidence
    .filter((one) => typeof one === "string")
    .map((name) => ({ who: `control plane ${name}`, why: "it does not answer", untilWallMs: null }));
  for (const { replica, roots: known, upMs } of present) {
    const who = `control plane ${replica}`;
    if (known.join() !== roots.join()) awaited.push({ who, why: "it has yet to read the roots", untilWallMs: null });
    else if (upMs < SETTLE_MS) {
      const untilWallMs = facts.nowWallMs + SETTLE_MS - upMs;
      awaited.push({ who, why: "it has just started and waits for its proxies", untilWallMs });
    }
  }
  const proxies = mergeProxyTrust(present);
  const offline: Record<string, number> = {};
  const ids = new Set([...proxies.keys(), ...Object.keys(record.offline)]);
  for (const id of [...ids].sort()) {
    if (facts.isRevoked(id)) continue;
    const proxy = proxies.get(id) ?? toForgotten(id, record);
    const why = findLack(proxy, record);
    if (why === null) continue;
    if (proxy.connected) {
      awaited.push({ who: id, why, untilWallMs: null });
      continue;
    }
    const endWallMs = proxy.notAfterMs ?? record.begunWallMs + facts.longestLifeMs;
    if (record.step === "withdrawing" || endWallMs <= facts.nowWallMs) continue;
    if (Object.keys(offline).length < MAX_REMEMBERED) offline[id] = endWallMs;
    if (record.leavesOffline) continue;
    const until = `its certificate ends at ${formatWallTime(endWallMs)}`;
    awaited.push({ who: id, why: `it is not connected; ${until}`, untilWallMs: endWallMs });
  }
  return { awaited, offline };
}

/** Null: the proxy has what this step gives. */
function findLack(proxy: ProxyTrust, { step, to }: RotationRecord): string | null {
  if (step === "signing") {
    return proxy.certificateRoot === to ? null : "it has yet to use a certificate of the new root";
  }
  return proxy.hasRoots ? null : "it has yet to acknowledge the roots";
}

/** Seen by a control plane that is gone. */
function toForgotten(id: string, record: RotationRecord): ProxyTrust {
  const notAfterMs = record.offline[id] ?? null;
  return { id, connected: false, hasRoots: false, certificateRoot: null, notAfterMs };
}
