import { X509Certificate } from "node:crypto";
import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import { parseWallTime } from "../../time/wall-time.ts";
import type { JobLease } from "../replicas/job-lease.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { findKey, formatFingerprint, formatRootSecret, readRootSecret, type RotationRecord } from "./root-secret.ts";
import { proveStep, type StepProof } from "./rotation-steps.ts";
import type { TrustEvidence } from "./trust-evidence.ts";

export interface RootRotationOptions {
  readonly authority: CertificateAuthority;
  /** One for each control plane of the mesh; the name of each that did not answer. */
  readonly evidence: () => Promise<readonly (TrustEvidence | string)[]>;
  readonly isRevoked: (workload: string) => boolean;
  /** With several control planes one drives the rotation. */
  readonly lease: JobLease;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RotationRequest {
  readonly reason: RotationRecord["reason"];
  /** Default false. */
  readonly leavesOffline?: boolean;
  /** The root to change to: key, its certificate, and those above it if any, PEM. Default: one that is made. */
  readonly given?: string;
}

/** As it was when it was last looked at. */
export interface RotationStatus {
  readonly record: RotationRecord;
  readonly awaited: StepProof["awaited"];
}

const LOOK_EVERY_MS = 2_000;
/** A root that has less than this part of its life left is changed for another. */
const DUE_RATIO = 0.1;
/** No certificate of a mesh lives longer. */
const LONGEST_LIFE_MS = 366 * 86_400_000;

/**
 * Changes the mesh's root for another while the mesh runs: see `RotationRecord` for the steps. All state is in the roots'
 * secret, which is changed by compare-and-swap, so a control plane that is killed at any point leaves a whole step behind,
 * and whichever holds the jobs goes on. Begins by itself when a tenth of the root's life is left.
 */
export class RootRotation {
  readonly #options: RootRotationOptions;
  readonly #timer: Timer;
  #isLooking = false;
  #failure = "";

  constructor(options: RootRotationOptions) {
    this.#options = options;
    this.#timer = options.clock.every(LOOK_EVERY_MS, (rotation: RootRotation) => void rotation.#look(), this);
  }

  close(): void {
    this.#timer.clear();
  }

  /** Null before the first rotation. */
  async status(): Promise<RotationStatus | null> {
    const record = this.#options.authority.rotation();
    if (record === null) return null;
    return { record, awaited: record.step === "done" ? [] : (await this.#prove(record)).awaited };
  }

  /**
   * Resolves when the rotation has begun. An emergency withdraws the old root in the same moment, also while a rotation runs.
   * Throws WEFT_CA_ROTATING while one runs, WEFT_CA_IMPORT for a root that cannot be used, and as the secrets do.
   */
  async begin(request: RotationRequest): Promise<RotationRecord> {
    const { authority, clock, log } = this.#options;
    await authority.refresh();
    const running = authority.rotation();
    if (running !== null && running.step !== "done" && request.reason !== "emergency") throw createRunning(running);
    if (request.given !== undefined) await authority.assertUsable(request.given);
    const made = readRootSecret(request.given ?? (await authority.createRoot()));
    const [key = "", [certificate = ""]] = [made.keys[0], made.certificates];
    const nowMs = clock.wallMs();
    const record: RotationRecord = {
      step: request.reason === "emergency" ? "withdrawing" : "adding",
      reason: request.reason,
      from: formatFingerprint(authority.root),
      to: formatFingerprint(new X509Certificate(certificate)),
      begunWallMs: nowMs,
      stepWallMs: nowMs,
      leavesOffline: request.leavesOffline ?? false,
      offline: {},
      left: [],
    };
    const begun = await authority.replaceRoots((text) => {
      if (request.reason === "emergency") return formatRootSecret({ ...made, rotation: record });
      const { certificates, keys } = readRootSecret(text);
      return formatRootSecret({
        rotation: record,
        keys: [...keys.slice(0, 1), key],
        certificates: [...certificates, ...made.certificates],
      });
    });
    if (!begun) throw createRunning(authority.rotation());
    log.info("a rotation of the mesh's root has begun", { reason: record.reason, from: record.from, to: record.to });
    return record;
  }

  /** Does what can be done now. Runs every 2 s by itself. */
  async advance(): Promise<void> {
    const { authority, lease } = this.#options;
    if (!lease.held()) return;
    const record = authority.rotation();
    if (record === null || record.step === "done") {
      if (this.#isDue()) await this.begin({ reason: "due" });
      return;
    }
    const proof = await this.#prove(record);
    if (!lease.held()) return;
    if (proof.awaited.length === 0) await this.#step(record, proof);
    else if (Object.keys(proof.offline).join() !== Object.keys(record.offline).join()) {
      await authority.replaceRoots((text) => {
        return formatRootSecret({ ...readRootSecret(text), rotation: { ...record, offline: proof.offline } });
      });
    }
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.advance();
      this.#failure = "";
    } catch (error) {
      const text = String(error);
      if (text !== this.#failure)
        this.#options.log.error("the rotation of the root does not go on; trying on", { error });
      this.#failure = text;
    } finally {
      this.#isLooking = false;
    }
  }

  async #prove(record: RotationRecord): Promise<StepProof> {
    const { authority, clock, evidence, isRevoked } = this.#options;
    return proveStep({
      record,
      roots: listRoots(authority),
      evidence: await evidence(),
      isRevoked,
      longestLifeMs: LONGEST_LIFE_MS,
      nowWallMs: clock.wallMs(),
    });
  }

  async #step(record: RotationRecord, proof: StepProof): Promise<void> {
    const { authority, clock, log } = this.#options;
    const left = record.step === "signing" ? Object.keys(proof.offline) : record.left;
    const base: RotationRecord = { ...record, stepWallMs: clock.wallMs(), offline: proof.offline, left };
    const stepped = await authority.replaceRoots((text) => takeStep(text, base));
    const step = authority.rotation()?.step;
    if (stepped) log.info("the rotation of the mesh's root goes on", { step, from: record.from, to: record.to });
    if (stepped && step === "withdrawing" && left.length > 0) {
      log.warn("proxies were away while the root was changed; they have to join anew", { proxies: left });
    }
  }

  #isDue(): boolean {
    const { authority, clock } = this.#options;
    // A root that was given is its operator's to change.
    if (authority.root.issuer !== authority.root.subject) return false;
    const [fromMs, endMs] = [parseWallTime(authority.root.validFrom), parseWallTime(authority.root.validTo)];
    return endMs - clock.wallMs() < (endMs - fromMs) * DUE_RATIO;
  }
}

/** Fingerprints, the one that signs first; equal where two control planes know the same. */
export function listRoots(authority: Pick<CertificateAuthority, "root" | "roots">): readonly string[] {
  const [signing, ...roots] = [authority.root, ...authority.roots()].map(formatFingerprint);
  return signing === undefined ? [] : [signing, ...roots.filter((root) => root !== signing)];
}

/** The secret with the next step in force. */
function takeStep(text: string, record: RotationRecord): string {
  const { certificates, keys } = readRootSecret(text);
  if (record.step === "withdrawing") {
    return formatRootSecret({ rotation: { ...record, step: "done", offline: {} }, keys, certificates });
  }
  const parsed = certificates.map((pem) => ({ pem, certificate: new X509Certificate(pem) }));
  const fingerprint = record.step === "adding" ? record.to : record.from;
  const found = parsed.find(({ certificate }) => formatFingerprint(certificate) === fingerprint);
  if (record.step === "adding") {
    const key = found === undefined ? null : findKey(found.certificate, keys);
    if (found === undefined || key === null) throw new Error("the secret has lost the root that is to sign");
    // The old key signs no more, and nobody can steal what is not there.
    const others = certificates.filter((pem) => pem !== found.pem);
    return formatRootSecret({
      rotation: { ...record, step: "signing" },
      keys: [key],
      certificates: [found.pem, ...others],
    });
  }
  const rotation: RotationRecord = { ...record, step: "withdrawing", offline: {} };
  return formatRootSecret({ rotation, keys, certificates: dropUnused(parsed, found?.certificate) });
}

interface Parsed {
  readonly pem: string;
  readonly certificate: X509Certificate;
}

/** Without the old authority, and without what stood above it alone. */
function dropUnused(all: readonly Parsed[], old: X509Certificate | undefined): readonly string[] {
  const kept = listUpwards(all, all[0]?.certificate);
  const dropped = listUpwards(all, old);
  return all.map(({ pem }) => pem).filter((pem) => kept.has(pem) || !dropped.has(pem));
}

/** An authority and all above it. */
function listUpwards(all: readonly Parsed[], first: X509Certificate | undefined): ReadonlySet<string> {
  const found = new Set<string>();
  let last = all.find(({ certificate }) => certificate.fingerprint256 === first?.fingerprint256);
  while (last !== undefined) {
    found.add(last.pem);
    const { certificate } = last;
    const isIssuer = (one: X509Certificate): boolean =>
      certificate.checkIssued(one) && certificate.verify(one.publicKey);
    last = all.find((one) => !found.has(one.pem) && isIssuer(one.certificate));
  }
  return found;
}

function createRunning(record: RotationRecord | null): WeftError {
  const found = record === null ? "another change of the roots at the same moment" : `one in the step "${record.step}"`;
  return new WeftError("WEFT_CA_ROTATING", `Cannot begin a rotation of the root: found ${found}; expected none`, {
    hint: "`weft identity status` shows whom it waits for; `weft identity rotate --wait` follows it",
  });
}
