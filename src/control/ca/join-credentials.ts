import { createHash } from "node:crypto";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import type { SecretName, SharedSecrets } from "../shared-secrets.ts";

export interface JoinCredentialsOptions {
  readonly secrets: SharedSecrets;
  readonly clock: Pick<Clock, "wallMs">;
  readonly random: Random;
  /** How long a credential can be used. Default 10 minutes. */
  readonly lifetimeMs?: number;
  /** Most credentials granted here that have not expired. Default 10,000. */
  readonly maxCount?: number;
}

/** Whom a credential admits. */
export interface JoinBinding {
  readonly namespace: string;
  readonly workload: string;
  readonly serviceAccount: string;
}

export interface GrantedCredential {
  /** 256 random bits, base64url. The only copy: hand it over and forget it. */
  readonly credential: string;
  readonly expiresWallMs: number;
}

interface JoinRecord extends JoinBinding {
  readonly expiresWallMs: number;
}

/** Long enough for a slow start, short enough that a leaked one is rarely worth anything. */
const DEFAULT_LIFETIME_MS = 600_000;
const DEFAULT_MAX_COUNT = 10_000;
const CREDENTIAL_BYTES = 32;
const CREDENTIAL_FORM = /^[A-Za-z0-9_-]{43}$/;
/** Remembered longer than they can be used, to tell "expired" and "used" from "unknown". */
const REMEMBERED_RATIO = 2;

/**
 * One-time join credentials. Only a SHA-256 hash of each is kept, as the name of a shared secret that says whom it admits,
 * so any control plane of the mesh can admit with it, also after a restart. Using it puts a second secret, which can
 * be put once, before the answer goes out.
 */
export class JoinCredentials {
  readonly #secrets: SharedSecrets;
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #random: Random;
  readonly #lifetimeMs: number;
  readonly #maxCount: number;
  /** When what was granted here expires, in order. */
  readonly #expiries: number[] = [];

  constructor(options: JoinCredentialsOptions) {
    this.#secrets = options.secrets;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#lifetimeMs = options.lifetimeMs ?? DEFAULT_LIFETIME_MS;
    this.#maxCount = options.maxCount ?? DEFAULT_MAX_COUNT;
  }

  /** Resolves when the grant is durable. Throws WEFT_CA_JOIN_LIMIT when too many are open, and as the secrets do. */
  async grant(binding: JoinBinding): Promise<GrantedCredential> {
    const nowMs = this.#clock.wallMs();
    const firstAlive = this.#expiries.findIndex((expiresWallMs) => expiresWallMs > nowMs);
    this.#expiries.splice(0, firstAlive < 0 ? this.#expiries.length : firstAlive);
    if (this.#expiries.length >= this.#maxCount) {
      throw new WeftError(
        "WEFT_CA_JOIN_LIMIT",
        `Cannot grant a join credential to workload "${binding.workload}": found ${this.#expiries.length} open; expected fewer than ${this.#maxCount}`,
        { hint: `Credentials are forgotten ${this.#lifetimeMs / 1000} s after they were granted; try again then` },
      );
    }
    const credential = Buffer.from(this.#random.bytes(CREDENTIAL_BYTES)).toString("base64url");
    const expiresWallMs = nowMs + this.#lifetimeMs;
    // Taken before the write, so that concurrent grants respect the limit.
    this.#expiries.push(expiresWallMs);
    const { namespace, workload, serviceAccount } = binding;
    const record: JoinRecord = { namespace, workload, serviceAccount, expiresWallMs };
    await this.#secrets.putIfAbsent(nameGranted(credential), JSON.stringify(record), {
      forgetAfterMs: this.#lifetimeMs * REMEMBERED_RATIO,
    });
    return { credential, expiresWallMs };
  }

  /** Whom the credential would admit now; does not use it. Throws WEFT_CA_JOIN_… as `redeem` does. */
  async check(credential: string, workload: string): Promise<JoinBinding> {
    // A form that no credential has asks nobody anything.
    const text = CREDENTIAL_FORM.test(credential) ? await this.#secrets.get(nameGranted(credential)) : null;
    const record = text === null ? null : parseRecord(text);
    if (record === null) {
      throw refuse(
        "WEFT_CA_JOIN_UNKNOWN",
        workload,
        "a credential that this control plane did not grant",
        "one it granted",
      );
    }
    if ((await this.#secrets.get(nameUsed(credential))) !== null) throw refuseUsed(workload);
    if (this.#clock.wallMs() >= record.expiresWallMs) {
      throw refuse(
        "WEFT_CA_JOIN_EXPIRED",
        workload,
        "a credential that has expired",
        `one younger than ${this.#lifetimeMs / 1000} s`,
      );
    }
    if (record.workload !== workload) {
      throw refuse(
        "WEFT_CA_JOIN_WORKLOAD",
        workload,
        "a credential of another workload",
        "one granted to this workload",
      );
    }
    return record;
  }

  /**
   * Uses the credential and says whom it admits. Of several calls with one credential, at one control plane or at several,
   * exactly one resolves, also across a crash: it is spent durably before this resolves. Throws WeftError, each with its
   * own code: WEFT_CA_JOIN_UNKNOWN, WEFT_CA_JOIN_USED, WEFT_CA_JOIN_EXPIRED, or WEFT_CA_JOIN_WORKLOAD when it was granted
   * to another workload (it then stays usable); and as the secrets do: whether it is spent is then not known.
   */
  async redeem(credential: string, workload: string): Promise<JoinBinding> {
    const binding = await this.check(credential, workload);
    const isFirst = await this.#secrets.putIfAbsent(nameUsed(credential), workload, {
      // Longer than the grant, which was put before.
      forgetAfterMs: this.#lifetimeMs * REMEMBERED_RATIO,
    });
    if (!isFirst) throw refuseUsed(workload);
    return binding;
  }
}

function nameGranted(credential: string): SecretName {
  return `join/${hashCredential(credential)}`;
}

function nameUsed(credential: string): SecretName {
  return `used/${hashCredential(credential)}`;
}

/** Found by a hash that the caller cannot steer towards another, so there is nothing to compare in equal time. */
function hashCredential(credential: string): string {
  return createHash("sha256").update(credential).digest("hex");
}

function refuseUsed(workload: string): WeftError {
  return refuse("WEFT_CA_JOIN_USED", workload, "a credential that was used before", "an unused one");
}

function refuse(code: string, workload: string, found: string, expected: string): WeftError {
  return new WeftError(
    code,
    `Cannot admit workload ${JSON.stringify(workload)}: found ${found}; expected ${expected}`,
    {
      hint: "Grant the workload a new join credential and start its proxy with it",
    },
  );
}

/** Null for what is damaged: it admits nobody. */
function parseRecord(text: string): JoinRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { namespace, workload, serviceAccount, expiresWallMs } = (value ?? {}) as Record<string, unknown>;
  if (typeof namespace !== "string" || typeof workload !== "string" || typeof serviceAccount !== "string") return null;
  return typeof expiresWallMs === "number" ? { namespace, workload, serviceAccount, expiresWallMs } : null;
}
