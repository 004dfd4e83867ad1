import type { Log } from "../lib/log.ts";
import type { Random } from "../random/random.ts";
import type { Clock } from "../time/clock.ts";

export interface SignedCertificate {
  readonly certificateChainPem: string;
  readonly trustBundlePem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * Has the control plane sign a request, within a deadline of its own. Rejects with WeftError WEFT_IDENTITY_REFUSED when
 * the answer was no; every other rejection counts as passing trouble.
 */
export type SignCertificate = (
  requestDer: Uint8Array,
  workload: string,
  joinCredential: string | null,
) => Promise<SignedCertificate>;

export interface SvidManagerOptions {
  readonly workload: string;
  /** Whom the certificate must name. */
  readonly spiffeId: string;
  /** The mesh's roots as the runner knows them. A stored identity that does not lead to them is of another mesh. */
  readonly trustBundlePem: string;
  /** Private folder, for a restart while the control plane is down. */
  readonly stateDir: string;
  /** One-time; null when the state folder holds an identity. */
  readonly joinCredential: string | null;
  readonly sign: SignCertificate;
  /**
   * Only another join credential can help: the certificate has expired, or whoever could renew it does not know it. Or the
   * control plane has been out of reach, and may have other roots by now. Called at most every 30 s; the answer, if there is
   * any, comes by `offer`. Default: nobody is asked.
   */
  readonly onWanting?: () => void;
  /** Whether the control plane is out of reach; default: never. */
  readonly isCutOff?: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What the runner got from the control plane's API for this workload. */
export interface JoinOffer {
  readonly joinCredential: string;
  readonly trustBundlePem: string;
}

export interface SvidStatus {
  /** "expired": no peer accepts us any more until the workload joins anew. */
  readonly state: "none" | "valid" | "expired";
  /** Wall clock; null without an identity. */
  readonly notAfterMs: number | null;
  readonly renewals: number;
  /** Failed attempts since the last success. */
  readonly failures: number;
  readonly lastFailure: string | null;
}
