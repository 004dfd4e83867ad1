const MAX_WORKLOADS = 10_000;

/**
 * When each workload's newest certificate ends, as far as this control plane saw it issued or presented. Bounded: past
 * 10,000 workloads the longest unseen is forgotten.
 */
export class CertificateExpiries {
  /** By "<namespace>/<workload>", the longest unseen first. */
  readonly #notAfterMs: Map<string, number> = new Map();

  note(namespace: string, workload: string, notAfterMs: number): void {
    const id = `${namespace}/${workload}`;
    const newest = Math.max(notAfterMs, this.#notAfterMs.get(id) ?? 0);
    this.#notAfterMs.delete(id);
    this.#notAfterMs.set(id, newest);
    if (this.#notAfterMs.size <= MAX_WORKLOADS) return;
    const oldest = this.#notAfterMs.keys().next().value;
    if (oldest !== undefined) this.#notAfterMs.delete(oldest);
  }

  /** Wall clock; null when nothing is known. */
  find(id: string): number | null {
    return this.#notAfterMs.get(id) ?? null;
  }
}
