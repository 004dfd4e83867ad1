import type { ProxyStatus } from "../views.ts";

const MAX_WORKLOADS = 10_000;

/** The newest certificate of a workload. */
export interface HeldCertificate {
  /** When it ends (wall clock). */
  readonly notAfterMs: number;
  /** Fingerprint of the authority whose certificate the workload last proved itself with; null: none was seen yet. */
  readonly issuer: string | null;
}

/**
 * Which certificates workloads hold, as far as this control plane saw them issued or presented. Bounded: past 10,000 workloads
 * the longest unseen is forgotten.
 */
export class CertificateExpiries {
  /** By "<namespace>/<workload>", the longest unseen first. */
  readonly #held: Map<string, HeldCertificate> = new Map();

  /** `issuer`: of a certificate that was presented; left out for one that was issued, which may never have arrived. */
  note(namespace: string, workload: string, notAfterMs: number, issuer: string | null = null): void {
    const id = `${namespace}/${workload}`;
    const known = this.#held.get(id);
    this.#held.delete(id);
    this.#held.set(id, {
      notAfterMs: Math.max(notAfterMs, known?.notAfterMs ?? 0),
      issuer: issuer ?? known?.issuer ?? null,
    });
    if (this.#held.size <= MAX_WORKLOADS) return;
    const oldest = this.#held.keys().next().value;
    if (oldest !== undefined) this.#held.delete(oldest);
  }

  /** Wall clock; null when nothing is known. */
  find(id: string): number | null {
    return this.#held.get(id)?.notAfterMs ?? null;
  }

  /** Of a proxy, with what is known of its certificate. */
  describe(proxy: ProxyStatus): ProxyStatus {
    const { issuer = null, notAfterMs = null } = this.#held.get(proxy.id) ?? {};
    return { ...proxy, certificateNotAfterWallMs: notAfterMs, certificateIssuer: issuer };
  }

  all(): ReadonlyMap<string, HeldCertificate> {
    return this.#held;
  }
}
