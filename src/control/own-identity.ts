import { generateKeyPairSync } from "node:crypto";
import { checkIdentity, checkValidity, loadIdentity, saveIdentity } from "../identity/identity-file.ts";
import type { Identity } from "../identity/identity-file.ts";
import { formatWorkloadId } from "../identity/spiffe-id.ts";
import type { Log } from "../lib/log.ts";
import { openPrivateFolder } from "../lib/private-files.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";
import { CONTROL_PLANE_NAMESPACE, CONTROL_PLANE_SERVICE_ACCOUNT } from "./ca/svid-issuer.ts";

export interface OwnIdentityOptions {
  readonly authority: CertificateAuthority;
  /** Private folder, so that a restart need not make a certificate first. */
  readonly folder: string;
  readonly lifetimeMs: () => number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each identity after the first. */
  readonly onChange: (identity: Identity) => void;
}

const RETRY_MS = 1_000;
/** Half of the life is left to notice and repair what keeps it from renewing. */
const RENEW_AT_RATIO = 0.5;
/** Longest sleep, so that a wall clock that jumped is noticed. */
const LONGEST_SLEEP_MS = 60_000;

/** The control plane's own SVID, `spiffe://<trust domain>/ns/weft/sa/control-plane`, which it issues and renews itself. */
export class OwnIdentity {
  readonly #options: OwnIdentityOptions;
  readonly #spiffeId: string;
  #identity: Identity | null = null;
  #timer: Timer | null = null;
  #closed: boolean = false;

  constructor(options: OwnIdentityOptions) {
    this.#options = options;
    this.#spiffeId = formatWorkloadId({
      trustDomain: options.authority.trustDomain,
      namespace: CONTROL_PLANE_NAMESPACE,
      serviceAccount: CONTROL_PLANE_SERVICE_ACCOUNT,
    });
  }

  async start(): Promise<Identity> {
    openPrivateFolder(this.#options.folder);
    this.#identity = this.#loadStored() ?? (await this.#issue());
    this.#schedule();
    // What presents the old root's certificate has to show the new roots' one.
    this.#options.authority.onChange(() => void this.#renew());
    return this.#identity;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
  }

  /** Null unless it is of this CA, valid, and in the first half of its life. */
  #loadStored(): Identity | null {
    const { authority, clock, folder, log } = this.#options;
    try {
      const stored = loadIdentity(folder, this.#spiffeId);
      if (stored === null || stored.trustBundlePem !== authority.trustBundlePem) return null;
      checkValidity(stored, clock.wallMs());
      return clock.wallMs() < renewAtMs(stored) ? stored : null;
    } catch (error) {
      log.debug("the stored certificate of the control plane will not do; making another", { error });
      return null;
    }
  }

  async #issue(): Promise<Identity> {
    const { authority, folder, lifetimeMs, log } = this.#options;
    const { trustBundlePem } = authority;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { certificateChainPem } = await authority.issue({
      namespace: CONTROL_PLANE_NAMESPACE,
      serviceAccount: CONTROL_PLANE_SERVICE_ACCOUNT,
      workload: CONTROL_PLANE_SERVICE_ACCOUNT,
      publicKeyDer: publicKey.export({ type: "spki", format: "der" }),
      lifetimeMs: lifetimeMs(),
    });
    const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const identity = checkIdentity({ keyPem, certificateChainPem, trustBundlePem }, this.#spiffeId);
    await saveIdentity(folder, identity).catch((error: unknown) =>
      log.warn("cannot store the control plane's certificate", { error }),
    );
    return identity;
  }

  #schedule(retryMs: number | null = null): void {
    if (this.#closed || this.#identity === null) return;
    const delayMs =
      retryMs ?? Math.min(LONGEST_SLEEP_MS, Math.max(0, renewAtMs(this.#identity) - this.#options.clock.wallMs()));
    this.#timer = this.#options.clock.after(delayMs, (own: OwnIdentity) => void own.#tick(), this);
  }

  async #tick(): Promise<void> {
    if (this.#identity !== null && this.#options.clock.wallMs() < renewAtMs(this.#identity)) this.#schedule();
    else await this.#renew();
  }

  async #renew(): Promise<void> {
    const { log, onChange } = this.#options;
    this.#timer?.clear();
    try {
      const identity = await this.#issue();
      // Roots that changed meanwhile have begun another renewal.
      if (this.#closed || identity.trustBundlePem !== this.#options.authority.trustBundlePem) return;
      this.#timer?.clear();
      this.#identity = identity;
      onChange(identity);
      this.#schedule();
    } catch (error) {
      log.error("cannot renew the control plane's certificate; trying on", { error });
      this.#schedule(RETRY_MS);
    }
  }
}

function renewAtMs(identity: Identity): number {
  return identity.notBeforeMs + (identity.notAfterMs - identity.notBeforeMs) * RENEW_AT_RATIO;
}
