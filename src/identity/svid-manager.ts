import { generateKeyPairSync } from "node:crypto";
import { openPrivateFolder } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Timer } from "../time/clock.ts";
import { formatWallTime } from "../time/wall-time.ts";
import { encodeCertificateRequest } from "./csr.ts";
import { checkIdentity, checkValidity, isOfFirstRoot, leadsTo, loadIdentity, saveIdentity } from "./identity-file.ts";
import type { Identity } from "./identity-file.ts";
import type { JoinOffer, SignedCertificate, SvidManagerOptions, SvidStatus } from "./svid-contract.ts";

/** Renewal starts between these parts of the lifetime, at random, so that workloads started together spread out. */
const RENEW_FROM_RATIO = 0.45;
const RENEW_SPREAD_RATIO = 0.1;

/** Over how long, at most, the workloads of a mesh ask for certificates of a root that is to sign from now on. */
const NEW_ROOT_SPREAD_MS = 60_000;

/** Between attempts: doubling from the first to the last, but at least ten attempts fit before the certificate ends. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;

/** Between two calls of `onWanting`. */
const WANTING_EVERY_MS = 30_000;

/** Longest sleep, so that a wall clock that jumped (a host that was suspended) is noticed. */
const LONGEST_SLEEP_MS = 60_000;

const FINAL_CODES: readonly string[] = [
  "WEFT_IDENTITY_REFUSED",
  "WEFT_IDENTITY_INVALID",
  "WEFT_IDENTITY_CLOCK",
  "WEFT_IDENTITY_EXPIRED",
];

/** Parts of the lifetime left at which a failing renewal is warned about again. */
const WARN_AT_RATIO: readonly number[] = [0.25, 0.1, 0.02];

/**
 * Keeps a workload's identity: joins with the one-time credential, renews with a new key at about half of the lifetime,
 * and survives restarts through the state folder. While a renewal fails the current certificate stays in use and
 * attempts go on; once it has expired that is logged as an error and `status()` says so.
 *
 * ```text
 *            start: stored identity still valid ─────────────┐
 *   none ──── join (retried until answered) ──────────────▶ valid ──┐ renewed (new key)
 *    │ refused: start() rejects                              │ ▲────┘
 *                                                            │ │ joined with an unused credential
 *                                                            ▼ │
 *                                                          expired
 * ```
 */
export class SvidManager {
  readonly #options: SvidManagerOptions;
  readonly #listeners: Set<(identity: Identity) => void> = new Set();
  #joinCredential: string | null;
  #identity: Identity | null = null;
  #nextAttemptWallMs: number = 0;
  #attempting: boolean = false;
  /** The control plane does not know our certificate (its state was lost): an unused join credential may help. */
  #renewalRefused: boolean = false;
  #timer: Timer | null = null;
  #wantedAtMs: number = -Infinity;
  #closed: boolean = false;
  /** One file after the other, so that the newest stays. */
  #saving: Promise<void> = Promise.resolve();
  #cancelStart: ((error: Error) => void) | null = null;
  #renewals: number = 0;
  #failures: number = 0;
  #lastFailure: string | null = null;
  /** How many of WARN_AT_RATIO were passed, one more when expired. */
  #warned: number = 0;

  constructor(options: SvidManagerOptions) {
    this.#options = options;
    this.#joinCredential = options.joinCredential;
  }

  /**
   * Resolves with the first usable identity: at once from the state folder, else when the control plane admitted us,
   * however long it is out of reach. Rejects with WeftError when that cannot come to be: WEFT_IDENTITY_REFUSED,
   * WEFT_IDENTITY_MISSING, WEFT_IDENTITY_EXPIRED, WEFT_IDENTITY_INVALID, WEFT_STATE_…. Call it once.
   */
  async start(): Promise<Identity> {
    const { clock, log, stateDir } = this.#options;
    openPrivateFolder(stateDir);
    const stored = this.#loadStored();
    if (stored !== null) {
      this.#identity = stored;
      this.#nextAttemptWallMs = this.#chooseRenewal(stored);
      this.#hastenForNewRoot(stored);
      this.#tick();
      return stored;
    }
    for (;;) {
      try {
        const identity = await this.#obtain();
        log.info("joined the mesh", { spiffeId: identity.spiffeId, notAfter: formatWallTime(identity.notAfterMs) });
        return identity;
      } catch (error) {
        if (this.#closed || isFinal(error)) throw error;
        const delayMs = this.#noteFailure(error);
        if (this.#failures === 1) log.warn("cannot join yet; trying on", { workload: this.#options.workload, error });
        await new Promise<void>((resolve, reject) => {
          this.#cancelStart = reject;
          this.#timer = clock.after(delayMs, resolve, undefined);
        });
      }
    }
  }

  /** The identity in force, expired or not; null before `start` resolved. */
  current(): Identity | null {
    return this.#identity;
  }

  status(): SvidStatus {
    const notAfterMs = this.#identity?.notAfterMs ?? null;
    const expired = notAfterMs !== null && this.#options.clock.wallMs() >= notAfterMs;
    return {
      state: notAfterMs === null ? "none" : expired ? "expired" : "valid",
      notAfterMs,
      renewals: this.#renewals,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
    };
  }

  /**
   * The mesh's roots as the control plane tells them, the one that signs first. They are stored, so that a restart believes
   * whom the others believe, and listeners get them with the certificate of now. Where that is of another root than the one
   * that signs, it is renewed at random within 60 s, sooner where it would be anyway.
   */
  setTrustBundle(trustBundlePem: string): void {
    const { log } = this.#options;
    const before = this.#identity;
    if (this.#closed || before === null || before.trustBundlePem === trustBundlePem) return;
    if (!leadsTo(before.certificateChainPem, trustBundlePem)) {
      log.warn("the mesh's roots do not include that of the own certificate; joining anew", {
        spiffeId: before.spiffeId,
      });
      this.#renewalRefused = true;
      this.#want();
    }
    const identity: Identity = { ...before, trustBundlePem };
    this.#identity = identity;
    this.#hastenForNewRoot(identity);
    void this.#save(identity);
    this.#publish(identity);
    this.#schedule();
  }

  /** An answer to `onWanting`: the roots of now, and a credential for the case that the certificate will not do any more. */
  offer({ joinCredential, trustBundlePem }: JoinOffer): void {
    if (this.#closed || this.#identity === null) return;
    this.#joinCredential = joinCredential;
    this.setTrustBundle(trustBundlePem);
    if (!this.#renewalRefused && this.status().state === "valid") return;
    this.#nextAttemptWallMs = this.#options.clock.wallMs();
    this.#schedule();
  }

  /** Called with every identity after the first, and when its roots changed. Returns a function that stops. */
  onChange(listener: (identity: Identity) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops renewing. A start that still waits rejects with WEFT_IDENTITY_CLOSED. */
  close(): void {
    this.#closed = true;
    this.#timer?.clear();
    this.#listeners.clear();
    this.#cancelStart?.(
      new WeftError(
        "WEFT_IDENTITY_CLOSED",
        "Cannot join the mesh: the proxy was told to stop before it had an identity",
      ),
    );
  }

  /** Null when there is none that will do and a join credential can get another. */
  #loadStored(): Identity | null {
    const { clock, log, spiffeId, stateDir, trustBundlePem } = this.#options;
    try {
      const stored = loadIdentity(stateDir, spiffeId);
      if (stored === null) {
        if (this.#joinCredential !== null) return null;
        throw new WeftError(
          "WEFT_IDENTITY_MISSING",
          `Cannot start ${spiffeId}: found neither an identity in "${stateDir}" nor a join credential; expected one of them`,
          {
            hint: "Start the proxy through `weft run` or `weft up`, which grant a join credential",
          },
        );
      }
      checkValidity(stored, clock.wallMs());
      // With a credential the roots are news, too; without one the stored ones may be newer.
      const roots = this.#joinCredential === null ? stored.trustBundlePem : trustBundlePem;
      if (leadsTo(stored.certificateChainPem, trustBundlePem)) return { ...stored, trustBundlePem: roots };
      throw new WeftError(
        "WEFT_IDENTITY_INVALID",
        `Cannot use the identity in "${stateDir}": found one signed by another mesh's CA; expected this mesh's`,
        {
          hint: "Start the proxy with a join credential of this mesh",
        },
      );
    } catch (error) {
      if (this.#joinCredential === null) throw error;
      log.warn("the stored identity will not do; joining anew", { error });
      return null;
    }
  }

  /** A new key, a certificate for it, both checked and stored. The credential is used at most once. */
  async #obtain(): Promise<Identity> {
    const { clock, sign, spiffeId, workload } = this.#options;
    const renewing = this.#identity !== null && clock.wallMs() < this.#identity.notAfterMs;
    const credential = renewing && !this.#renewalRefused ? null : this.#joinCredential;
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    let signed: SignedCertificate;
    try {
      signed = await sign(encodeCertificateRequest(privateKey), workload, credential);
    } catch (error) {
      // An answer of no is final for this credential; where there was no answer it may still be unused.
      if (isRefusal(error)) {
        if (credential === null) this.#renewalRefused = true;
        else this.#joinCredential = null;
      }
      throw error;
    }
    if (credential !== null) this.#joinCredential = null;
    const identity = checkIdentity(
      {
        keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        certificateChainPem: signed.certificateChainPem,
        trustBundlePem: signed.trustBundlePem,
      },
      spiffeId,
    );
    checkValidity(identity, clock.wallMs());
    await this.#save(identity);
    this.#adopt(identity);
    return identity;
  }

  #save(identity: Identity): Promise<void> {
    const { log, stateDir } = this.#options;
    this.#saving = this.#saving
      .then(() => saveIdentity(stateDir, identity))
      .catch((error: unknown) => log.warn("cannot store the identity; a restart will have to join anew", { error }));
    return this.#saving;
  }

  #adopt(identity: Identity): void {
    this.#identity = identity;
    this.#failures = 0;
    this.#lastFailure = null;
    this.#warned = 0;
    this.#renewalRefused = false;
    this.#nextAttemptWallMs = this.#chooseRenewal(identity);
    if (!this.#closed) this.#schedule();
  }

  /** Runs at least once a minute; everything is decided by the wall clock, which may have jumped. */
  #tick(): void {
    if (this.#closed) return;
    this.#warnOfExpiry();
    if (this.#options.isCutOff?.() === true) this.#want();
    if (this.#options.clock.wallMs() >= this.#nextAttemptWallMs && !this.#attempting) void this.#renew();
    else this.#schedule();
  }

  #schedule(): void {
    const { clock } = this.#options;
    const nowMs = clock.wallMs();
    const untilEndMs = (this.#identity?.notAfterMs ?? Infinity) - nowMs;
    const untilAttemptMs = this.#attempting ? Infinity : this.#nextAttemptWallMs - nowMs;
    const dueMs = Math.min(untilAttemptMs, untilEndMs > 0 ? untilEndMs : Infinity, LONGEST_SLEEP_MS);
    this.#timer?.clear();
    this.#timer = clock.after(Math.max(dueMs, 0), (manager: SvidManager) => manager.#tick(), this);
  }

  async #renew(): Promise<void> {
    const { log } = this.#options;
    this.#attempting = true;
    try {
      const identity = await this.#obtain();
      this.#renewals += 1;
      log.info("renewed the certificate", {
        spiffeId: identity.spiffeId,
        notAfter: formatWallTime(identity.notAfterMs),
      });
      this.#publish(identity);
    } catch (error) {
      if (this.#renewalRefused || this.status().state === "expired") this.#want();
      const delayMs = this.#noteFailure(error);
      this.#nextAttemptWallMs = this.#options.clock.wallMs() + delayMs;
      const what = "cannot renew the certificate; trying on";
      const fields = { failures: this.#failures, notAfter: formatWallTime(this.#identity?.notAfterMs ?? 0), error };
      if (this.#failures === 1) log.warn(what, fields);
      else log.debug(what, fields);
    } finally {
      this.#attempting = false;
      if (!this.#closed) this.#schedule();
    }
  }

  #want(): void {
    const nowMs = this.#options.clock.nowMs();
    if (this.#joinCredential !== null || nowMs - this.#wantedAtMs < WANTING_EVERY_MS) return;
    this.#wantedAtMs = nowMs;
    this.#options.onWanting?.();
  }

  #publish(identity: Identity): void {
    for (const listener of this.#listeners) {
      try {
        listener(identity);
      } catch (error) {
        this.#options.log.error("a listener failed with the renewed certificate", { error });
      }
    }
  }

  /** Counts the failure and says how long to wait. */
  #noteFailure(error: unknown): number {
    const { clock, random } = this.#options;
    this.#failures += 1;
    this.#lastFailure = error instanceof Error ? error.message : String(error);
    const leftMs = (this.#identity?.notAfterMs ?? Infinity) - clock.wallMs();
    const mostMs = leftMs > 0 ? Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, leftMs / 10)) : LAST_RETRY_MS;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 16), mostMs);
    return delayMs * (0.5 + random.next() / 2);
  }

  #warnOfExpiry(): void {
    const identity = this.#identity;
    if (identity === null || this.#failures === 0) return;
    const leftMs = identity.notAfterMs - this.#options.clock.wallMs();
    const leftRatio = leftMs / (identity.notAfterMs - identity.notBeforeMs);
    const passed = leftMs <= 0 ? WARN_AT_RATIO.length + 1 : WARN_AT_RATIO.filter((ratio) => leftRatio <= ratio).length;
    if (passed <= this.#warned) return;
    this.#warned = passed;
    const fields = {
      spiffeId: identity.spiffeId,
      notAfter: formatWallTime(identity.notAfterMs),
      failures: this.#failures,
      lastFailure: this.#lastFailure,
    };
    if (leftMs > 0)
      this.#options.log.warn(`the certificate ends in ${Math.round(leftMs / 1000)} s and cannot be renewed`, fields);
    else
      this.#options.log.error(
        "the certificate has expired: no peer will accept this proxy until it joins anew",
        fields,
      );
  }

  #hastenForNewRoot(identity: Identity): void {
    if (isOfFirstRoot(identity)) return;
    const { clock, random } = this.#options;
    const dueWallMs = clock.wallMs() + random.next() * NEW_ROOT_SPREAD_MS;
    this.#nextAttemptWallMs = Math.min(this.#nextAttemptWallMs, dueWallMs);
  }

  #chooseRenewal(identity: Identity): number {
    const ratio = RENEW_FROM_RATIO + this.#options.random.next() * RENEW_SPREAD_RATIO;
    return identity.notBeforeMs + (identity.notAfterMs - identity.notBeforeMs) * ratio;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof WeftError && error.code === "WEFT_IDENTITY_REFUSED";
}

/** What trying again cannot change: a refusal, and a certificate that does not fit us (asking again would need another credential). */
function isFinal(error: unknown): boolean {
  return error instanceof WeftError && FINAL_CODES.includes(error.code);
}
