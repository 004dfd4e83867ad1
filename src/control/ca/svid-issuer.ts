import type { CertificateExpiries } from "./certificate-expiries.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { readProvenKey } from "./certificate-request.ts";
import type { GrantedCredential, JoinBinding, JoinCredentials } from "./join-credentials.ts";
import { formatWorkloadId } from "../../identity/spiffe-id.ts";
import type { RevocationList } from "../../identity/revocation-list.ts";
import type { PeerIdentity } from "./peer-verifier.ts";

export interface SvidIssuerOptions {
  readonly authority: CertificateAuthority;
  readonly credentials: JoinCredentials;
  /** Of the SVIDs issued next; read at every request, so that the setting is followed live. */
  readonly lifetimeMs: () => number;
  /** Who gets no certificate; read at every request. Default: none. */
  readonly revocations?: () => RevocationList;
  /** Told of every certificate. */
  readonly expiries: CertificateExpiries;
}

export interface SignRequest {
  /** PKCS#10, DER. */
  readonly requestDer: Uint8Array;
  readonly workload: string;
  /** Null at a renewal. */
  readonly joinCredential: string | null;
  /** Whom mutual TLS proved the caller to be; null when nobody. */
  readonly peer: PeerIdentity | null;
}

export interface SignedSvid {
  readonly spiffeId: string;
  readonly certificateChainPem: string;
  readonly trustBundlePem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly serialNumber: string;
  readonly renewal: boolean;
}

/** The control plane's own identity. No workload can be granted it: whoever has it commands the proxies. */
export const CONTROL_PLANE_NAMESPACE = "weft";
export const CONTROL_PLANE_SERVICE_ACCOUNT = "control-plane";

/** Kubernetes' rule for names (RFC 1123 subdomain): what every store accepts and no certificate has to escape. */
const NAME_FORM = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Decides who gets which SVID. */
export class SvidIssuer {
  readonly #options: SvidIssuerOptions;

  constructor(options: SvidIssuerOptions) {
    this.#options = options;
  }

  /** Grants a one-time credential. Throws WEFT_CA_JOIN_NAME for names that no SVID can carry. */
  async grant(binding: JoinBinding): Promise<GrantedCredential> {
    for (const part of ["namespace", "workload", "serviceAccount"] as const) {
      if (NAME_FORM.test(binding[part])) continue;
      throw new WeftError(
        "WEFT_CA_JOIN_NAME",
        `Cannot grant a join credential: found ${part} ${JSON.stringify(binding[part])}; expected lower-case letters, digits, "-" and ".", at most 253`,
      );
    }
    if (binding.namespace === CONTROL_PLANE_NAMESPACE && binding.serviceAccount === CONTROL_PLANE_SERVICE_ACCOUNT) {
      throw new WeftError(
        "WEFT_CA_JOIN_NAME",
        `Cannot grant a join credential to workload "${binding.workload}": found the control plane's own service account; expected another one`,
      );
    }
    return this.#options.credentials.grant(binding);
  }

  /**
   * A first certificate for a one-time credential, or the next one for the holder of the current one (same workload, same
   * SPIFFE ID). Throws WeftError: WEFT_CA_JOIN_…, WEFT_CA_REQUEST, WEFT_CA_UNAUTHENTICATED, WEFT_CA_WORKLOAD. A request
   * that is refused for anything but its credential does not use the credential up.
   */
  async sign(request: SignRequest): Promise<SignedSvid> {
    const { authority, credentials } = this.#options;
    const { joinCredential, peer, workload } = request;
    if (joinCredential === null) assertSameWorkload(peer, workload);
    // First the cheap questions, so that strangers cannot make us check signatures.
    else this.#assertNotRevoked(await credentials.check(joinCredential, workload));
    const publicKeyDer = await readProvenKey(request.requestDer);
    const who =
      joinCredential === null ? assertSameWorkload(peer, workload) : await credentials.redeem(joinCredential, workload);
    const issued = await authority.issue({
      namespace: who.namespace,
      serviceAccount: who.serviceAccount,
      workload,
      publicKeyDer,
      lifetimeMs: this.#options.lifetimeMs(),
    });
    this.#options.expiries.note(who.namespace, workload, issued.notAfterMs);
    return { ...issued, trustBundlePem: authority.trustBundlePem, renewal: joinCredential === null };
  }

  /** Whoever renews was asked for by its certificate already. */
  #assertNotRevoked({ namespace, serviceAccount, workload }: JoinBinding): void {
    const spiffeId = formatWorkloadId({ trustDomain: this.#options.authority.trustDomain, namespace, serviceAccount });
    const subject = { spiffeId, workload: `${namespace}/${workload}`, serialNumber: "" };
    if (this.#options.revocations?.().has(subject) !== true) return;
    throw new WeftError(
      "WEFT_CA_REVOKED",
      `Cannot admit workload "${workload}": found it or its identity ${spiffeId} revoked; expected one that is not`,
      { hint: "`kubectl get revocations` shows why; `weft identity unrevoke` takes it back" },
    );
  }
}

function assertSameWorkload(peer: PeerIdentity | null, workload: string): PeerIdentity {
  if (peer === null) {
    throw new WeftError(
      "WEFT_CA_UNAUTHENTICATED",
      `Cannot sign a certificate for workload ${JSON.stringify(workload)}: found neither a join credential nor a valid client certificate; expected one of them`,
      {
        hint: "A certificate that has expired cannot be renewed: grant the workload a new join credential and start its proxy with it",
      },
    );
  }
  if (peer.workload !== workload) {
    throw new WeftError(
      "WEFT_CA_WORKLOAD",
      `Cannot renew the certificate of workload ${JSON.stringify(workload)}: found the certificate of "${peer.workload}"; expected its own`,
    );
  }
  return peer;
}
