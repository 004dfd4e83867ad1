import type { Log } from "../../lib/log.ts";
import type { Resource } from "../../resources/resource.ts";
import type { User } from "../../resources/user.ts";
import type { Store, WatchEvent } from "../../store/store.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import { parseWallTime } from "../../time/wall-time.ts";
import { createPrincipal, type Principal } from "./principal.ts";

/** A credential and whose it is. */
export interface KnownCredential {
  readonly principal: Principal;
  /** Wall clock; infinite when it does not end. */
  readonly notAfterMs: number;
}

export interface UserDirectoryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** After a user was changed or deleted, or all may have been. */
  readonly onChange: () => void;
}

const USER = { group: "weft.dev", kind: "User" } as const;
const RETRY_MS = 1_000;

/**
 * The users of the store and their credentials by hash, followed as they change. While the store cannot be followed it
 * is what was known last; the followers of a store that is away learn of a deletion when it is back.
 */
export class UserDirectory {
  readonly #options: UserDirectoryOptions;
  readonly #users = new Map<string, User>();
  #tokens: ReadonlyMap<string, KnownCredential> = new Map();
  #certificates: ReadonlyMap<string, KnownCredential> = new Map();
  #stopWatch: () => void = () => undefined;
  #retry: Timer | null = null;
  #isClosed = false;

  constructor(options: UserDirectoryOptions) {
    this.#options = options;
  }

  /** Rejects when the store cannot be read. */
  async start(): Promise<void> {
    const { items, resourceVersion } = await this.#options.store.list(USER);
    if (this.#isClosed) return;
    this.#users.clear();
    for (const item of items) this.#take(item);
    this.#index();
    this.#stopWatch = this.#options.store.watch({
      kind: USER,
      fromVersion: resourceVersion,
      onEvent: (event) => this.#follow(event),
      onError: (error) => {
        this.#options.log.warn("users cannot be followed; reading them again", { error });
        this.#startAgain();
      },
    });
  }

  /** By the SHA-256 of the token, in hexadecimal; null when no user has it. */
  findToken(sha256: string): KnownCredential | null {
    return this.#tokens.get(sha256) ?? null;
  }

  /** By the SHA-256 of the DER certificate. */
  findCertificate(sha256: string): KnownCredential | null {
    return this.#certificates.get(sha256) ?? null;
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWatch();
    this.#retry?.clear();
  }

  #follow({ type, resource }: WatchEvent): void {
    if (type === "DELETED") this.#users.delete(resource.metadata.name);
    else this.#take(resource);
    this.#index();
  }

  /** One that is being deleted has lost its access, whatever it waits for. */
  #take(resource: Resource): void {
    if (resource.metadata.deletionTimestamp === undefined) this.#users.set(resource.metadata.name, resource as User);
    else this.#users.delete(resource.metadata.name);
  }

  /** Users are few and change seldom. */
  #index(): void {
    const tokens = new Map<string, KnownCredential>();
    const certificates = new Map<string, KnownCredential>();
    for (const { metadata, spec } of this.#users.values()) {
      const fields = { name: metadata.name, role: spec.role, namespaces: spec.namespaces ?? null };
      const byToken = createPrincipal({ ...fields, how: "token" });
      const byCertificate = createPrincipal({ ...fields, how: "certificate" });
      for (const { sha256, notAfter } of spec.tokens) {
        tokens.set(sha256, { principal: byToken, notAfterMs: toEnd(notAfter) });
      }
      for (const { sha256, notAfter } of spec.certificates) {
        certificates.set(sha256, { principal: byCertificate, notAfterMs: toEnd(notAfter) });
      }
    }
    this.#tokens = tokens;
    this.#certificates = certificates;
    this.#options.onChange();
  }

  #startAgain(): void {
    this.#stopWatch();
    this.start().catch((error: unknown) => {
      if (this.#isClosed) return;
      this.#options.log.warn("users cannot be read; trying on", { error });
      this.#retry = this.#options.clock.after(RETRY_MS, () => this.#startAgain(), undefined);
    });
  }
}

function toEnd(notAfter: string | undefined): number {
  return notAfter === undefined ? Number.POSITIVE_INFINITY : parseWallTime(notAfter);
}
