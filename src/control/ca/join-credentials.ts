import { createHash, timingSafeEqual } from "node:crypto";
import { readdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { openPrivateFolder, readPrivateFile, syncFolder, writePrivateFile } from "../../lib/private-files.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";

export interface JoinCredentialsOptions {
  /** Private folder with one file per credential; made when missing. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a credential can be used. Default 10 minutes. */
  readonly lifetimeMs?: number;
  /** Most credentials remembered, used ones that have not expired included. Default 10,000. */
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

interface CredentialRecord extends JoinBinding {
  readonly hash: Buffer;
  readonly expiresWallMs: number;
  used: boolean;
}

/** Long enough for a slow start, short enough that a leaked one is rarely worth anything. */
const DEFAULT_LIFETIME_MS = 600_000;
const DEFAULT_MAX_COUNT = 10_000;
const CREDENTIAL_BYTES = 32;
const CREDENTIAL_FORM = /^[A-Za-z0-9_-]{43}$/;
const FILE_FORM = /^([0-9a-f]{64})\.(granted|used)$/;

/**
 * One-time join credentials. Only a SHA-256 hash of each is kept, as the name of a file that says whom it admits, so
 * that a credential outlives a restart of the control plane and is still good for one use: using it renames the file
 * before the answer goes out. Used ones are remembered until they expire, to tell "used" from "unknown".
 */
export class JoinCredentials {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lifetimeMs: number;
  readonly #maxCount: number;
  /** By hash in hex. */
  readonly #records: Map<string, CredentialRecord>;

  constructor(options: JoinCredentialsOptions) {
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#lifetimeMs = options.lifetimeMs ?? DEFAULT_LIFETIME_MS;
    this.#maxCount = options.maxCount ?? DEFAULT_MAX_COUNT;
    openPrivateFolder(this.#folder);
    this.#records = loadRecords(this.#folder);
  }

  /** Resolves when the grant is on the disk. Throws WEFT_CA_JOIN_LIMIT when too many are open. */
  async grant(binding: JoinBinding): Promise<GrantedCredential> {
    this.#forgetExpired();
    if (this.#records.size >= this.#maxCount) {
      throw new WeftError(
        "WEFT_CA_JOIN_LIMIT",
        `Cannot grant a join credential to workload "${binding.workload}": found ${this.#records.size} remembered; expected fewer than ${this.#maxCount}`,
        { hint: `Credentials are forgotten ${this.#lifetimeMs / 1000} s after they were granted; try again then` },
      );
    }
    const credential = Buffer.from(this.#random.bytes(CREDENTIAL_BYTES)).toString("base64url");
    const hash = hashCredential(credential);
    const name = hash.toString("hex");
    const expiresWallMs = this.#clock.wallMs() + this.#lifetimeMs;
    const { namespace, workload, serviceAccount } = binding;
    // Taken before the write, so that concurrent grants respect the limit.
    this.#records.set(name, { hash, namespace, workload, serviceAccount, expiresWallMs, used: false });
    try {
      const file = { namespace, workload, serviceAccount, expiresWallMs };
      await writePrivateFile(this.#path(name, "granted"), JSON.stringify(file));
    } catch (error) {
      this.#records.delete(name);
      throw error;
    }
    return { credential, expiresWallMs };
  }

  /** Whom the credential would admit now; does not use it. Throws WEFT_CA_JOIN_… as `redeem` does. */
  check(credential: string, workload: string): JoinBinding {
    return this.#find(credential, workload);
  }

  /**
   * Uses the credential and says whom it admits. Of several calls with one credential, exactly one resolves, also across
   * a crash: it is spent on the disk before this resolves. Throws WeftError, each with its own code:
   * WEFT_CA_JOIN_UNKNOWN, WEFT_CA_JOIN_USED, WEFT_CA_JOIN_EXPIRED, or WEFT_CA_JOIN_WORKLOAD when it was granted to
   * another workload (it then stays usable). When the disk fails the credential is spent and WEFT_STATE_WRITE thrown.
   */
  async redeem(credential: string, workload: string): Promise<JoinBinding> {
    const record = this.#find(credential, workload);
    // Before anything is awaited: a concurrent call finds it used.
    record.used = true;
    const name = record.hash.toString("hex");
    try {
      await rename(this.#path(name, "granted"), this.#path(name, "used"));
      await syncFolder(this.#folder);
    } catch (error) {
      throw new WeftError(
        "WEFT_STATE_WRITE",
        `Cannot mark a join credential of workload "${workload}" as used in "${this.#folder}"; expected room and permission there`,
        {
          hint: "Ask for a new credential once the folder can be written",
          cause: error,
        },
      );
    }
    return record;
  }

  /** Credentials remembered, for metrics and tests. */
  count(): number {
    return this.#records.size;
  }

  #find(credential: string, workload: string): CredentialRecord {
    const hash = hashCredential(credential);
    const record = CREDENTIAL_FORM.test(credential) ? this.#records.get(hash.toString("hex")) : undefined;
    // The map finds by a hash the caller cannot steer towards another; the full comparison takes equal time.
    if (record === undefined || !timingSafeEqual(record.hash, hash)) {
      throw refuse(
        "WEFT_CA_JOIN_UNKNOWN",
        workload,
        "a credential that this control plane did not grant",
        "one it granted",
      );
    }
    if (record.used) throw refuse("WEFT_CA_JOIN_USED", workload, "a credential that was used before", "an unused one");
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

  #forgetExpired(): void {
    const nowMs = this.#clock.wallMs();
    for (const [name, record] of this.#records) {
      if (nowMs < record.expiresWallMs) continue;
      this.#records.delete(name);
      // A file that stays is read and forgotten again after the next start; it admits nobody.
      rm(this.#path(name, record.used ? "used" : "granted"), { force: true }).catch(() => undefined);
    }
  }

  #path(name: string, state: "granted" | "used"): string {
    return join(this.#folder, `${name}.${state}`);
  }
}

function hashCredential(credential: string): Buffer {
  return createHash("sha256").update(credential).digest();
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

function loadRecords(folder: string): Map<string, CredentialRecord> {
  const records = new Map<string, CredentialRecord>();
  for (const file of readdirSync(folder)) {
    const [, name, state] = FILE_FORM.exec(file) ?? [];
    if (name === undefined) continue; // Half-written files of a crash; nobody was told of their credentials.
    const binding = parseBinding(readPrivateFile(join(folder, file)) ?? "");
    if (binding === null) continue;
    records.set(name, { hash: Buffer.from(name, "hex"), ...binding, used: state === "used" });
  }
  return records;
}

function parseBinding(text: string): (JoinBinding & { expiresWallMs: number }) | null {
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
