import { WeftError } from "../../lib/weft-error.ts";
import type { EtcdClient, EtcdTxn } from "../../store/etcd/etcd-client.ts";
import type { Clock } from "../../time/clock.ts";
import type { PutSecretOptions, SecretName, SharedSecrets } from "../shared-secrets.ts";
import type { SealingKey } from "./sealing-key.ts";
import { assertSecretName } from "./secret-name.ts";

export interface EtcdSecretsOptions {
  readonly client: Pick<EtcdClient, "get" | "txn" | "grantLease">;
  /** Where they are in etcd, ending with a slash. */
  readonly prefix: string;
  readonly key: SealingKey;
  readonly clock: Clock;
}

interface SharedLease {
  readonly id: number;
  /** Until then it outlives whatever is put with it for as long as it must. */
  readonly usableUntilMs: number;
}

/** How often a put whose answer was lost is sent again. */
const ATTEMPTS = 5;
const PAUSE_MS = 200;
/** Secrets that are to be forgotten at about the same time share a lease of etcd. */
const LEASE_SHARED_MS = 60_000;

/**
 * Secrets of the control planes on one etcd, each a sealed value. What is sealed differs every time, so a put whose answer
 * was lost can be sent again: finding the very same bytes there means that it was ours.
 */
export class EtcdSecrets implements SharedSecrets {
  readonly #options: EtcdSecretsOptions;
  /** By how long its secrets are kept. */
  readonly #leases: Map<number, SharedLease> = new Map();

  constructor(options: EtcdSecretsOptions) {
    this.#options = options;
  }

  /** Rejects with WEFT_SECRETS_KEY for one sealed with another key, and as EtcdClient does. */
  async get(name: SecretName): Promise<string | null> {
    const found = await this.#options.client.get(this.#path(name));
    return found === null ? null : this.#unseal(name, found.value.toString("utf8"));
  }

  async replace(name: SecretName, expected: string, value: string): Promise<boolean> {
    const { client, clock, key } = this.#options;
    const path = this.#path(name);
    const sealed = key.seal(name, value);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const found = await client.get(path);
        const before = found?.value.toString("utf8");
        if (found === null || before === undefined) return false;
        if (before === sealed) return true;
        if (this.#unseal(name, before) !== expected) return false;
        const { succeeded } = await client.txn({
          compare: [{ key: path, modRevision: found.modRevision }],
          success: [{ put: path, value: sealed }],
        });
        // Another was faster; what it put decides.
        if (succeeded) return true;
        if (attempt >= ATTEMPTS) return false;
      } catch (error) {
        const isLost = error instanceof WeftError && error.code === "WEFT_STORE_UNKNOWN_OUTCOME";
        if (!isLost || attempt >= ATTEMPTS) throw error;
      }
      await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve, undefined));
    }
  }

  async putIfAbsent(name: SecretName, value: string, { forgetAfterMs }: PutSecretOptions = {}): Promise<boolean> {
    const { clock, key } = this.#options;
    const path = this.#path(name);
    const sealed = key.seal(name, value);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const leaseId = forgetAfterMs === undefined ? null : await this.#lease(forgetAfterMs);
        return await this.#put(path, sealed, leaseId);
      } catch (error) {
        if (!(error instanceof WeftError) || attempt >= ATTEMPTS) throw error;
        if (isLeaseLost(error)) this.#leases.clear();
        else if (error.code !== "WEFT_STORE_UNKNOWN_OUTCOME") throw error;
      }
      await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve, undefined));
    }
  }

  describe(name: SecretName): string {
    return `etcd's ${this.#path(name)}`;
  }

  #unseal(name: SecretName, sealed: string): string {
    const { key } = this.#options;
    const secret = key.open(name, sealed);
    if (secret !== null) return secret;
    throw new WeftError(
      "WEFT_SECRETS_KEY",
      `Cannot open the mesh's secret ${this.describe(name)}: found it sealed with another key; expected the key that this control plane was given`,
      {
        hint: "Every control plane of a mesh needs the same key file: copy secrets.key from the home of one that runs, or name it: --secrets-key, or the store's secretsKey in weft.yaml",
      },
    );
  }

  async #put(path: string, sealed: string, leaseId: number | null): Promise<boolean> {
    const txn: EtcdTxn = {
      compare: [{ key: path, createRevision: 0 }],
      success: [{ put: path, value: sealed, ...(leaseId === null ? {} : { leaseId }) }],
      failure: [{ get: path }],
    };
    const { succeeded, results } = await this.#options.client.txn(txn);
    return succeeded || results[0]?.[0]?.value.toString("utf8") === sealed;
  }

  async #lease(forgetAfterMs: number): Promise<number> {
    const { client, clock } = this.#options;
    const known = this.#leases.get(forgetAfterMs);
    if (known !== undefined && clock.nowMs() < known.usableUntilMs) return known.id;
    const usableUntilMs = clock.nowMs() + LEASE_SHARED_MS;
    const id = await client.grantLease(Math.ceil((forgetAfterMs + LEASE_SHARED_MS) / 1000));
    this.#leases.set(forgetAfterMs, { id, usableUntilMs });
    return id;
  }

  #path(name: SecretName): string {
    assertSecretName(name);
    return `${this.#options.prefix}${name}`;
  }
}

/** etcd has lost it, e.g. because it was restored from a backup. */
function isLeaseLost(error: WeftError): boolean {
  return error.code === "WEFT_STORE_ETCD" && /lease not found/i.test(String(error.details["text"]));
}
