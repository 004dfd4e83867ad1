/** One thing that is revoked. Exactly one of the three is not null. */
export interface RevokedSubject {
  /** Every certificate with this SPIFFE ID. */
  readonly spiffeId: string | null;
  /** Every certificate of one instance: "<namespace>/<workload>" of the own trust domain. */
  readonly workload: string | null;
  /** One certificate: hexadecimal, lower case, without leading zeros. */
  readonly serialNumber: string | null;
}

/** Whom a certificate names, as far as revocation goes. */
export interface CertificateSubject {
  readonly spiffeId: string;
  /** Of the own trust domain only; null for others. */
  readonly workload: string | null;
  readonly serialNumber: string;
}

/** Most that are kept; a resource beyond it is refused. */
export const MAX_REVOCATIONS = 10_000;

/** Who is cut off. Frozen; another list replaces it as a whole. */
export class RevocationList {
  readonly #spiffeIds: ReadonlySet<string>;
  readonly #workloads: ReadonlySet<string>;
  readonly #serialNumbers: ReadonlySet<string>;

  constructor(revoked: Iterable<RevokedSubject>) {
    const all = [...revoked];
    this.#spiffeIds = new Set(all.flatMap(({ spiffeId }) => spiffeId ?? []));
    this.#workloads = new Set(all.flatMap(({ workload }) => workload ?? []));
    this.#serialNumbers = new Set(all.flatMap(({ serialNumber }) => serialNumber ?? []));
  }

  has(subject: CertificateSubject): boolean {
    return (
      this.#spiffeIds.has(subject.spiffeId) ||
      (subject.workload !== null && this.#workloads.has(subject.workload)) ||
      this.#serialNumbers.has(subject.serialNumber)
    );
  }
}

export const NO_REVOCATIONS: RevocationList = new RevocationList([]);

/** The one form in which serial numbers are compared. */
export function normaliseSerialNumber(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(":", "")
    .replace(/^0+(?=.)/, "");
}
