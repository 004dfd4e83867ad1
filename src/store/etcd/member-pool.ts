import { WeftError } from "../../lib/weft-error.ts";
import type { EtcdClientOptions } from "./etcd-client.ts";
import { type EtcdEndpoint, parseEtcdEndpoints } from "./etcd-endpoints.ts";
import {
  closedError,
  deniedError,
  type FailureMeaning,
  type MemberFailure,
  meaningOf,
  noteFailure,
  unansweredError,
  unreachableError,
} from "./etcd-failure.ts";
import { EtcdMember, MemberError } from "./etcd-member.ts";
import { AUTHENTICATE, type MessageCodec } from "./etcd-messages.ts";
import { createTlsSetting, invalidTlsError, TlsCredentials } from "./tls-credentials.ts";

const REQUEST_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** An election takes one to three seconds; who asks meanwhile waits instead of failing. Clients of the API wait 10 s. */
const GIVE_UP_MS = 6_000;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_000;

export interface PoolCallOptions {
  /** Changes something, so it is sent once; see EtcdClient's WEFT_STORE_UNKNOWN_OUTCOME. */
  readonly change: boolean;
}

/** The members of one etcd, and which of them is asked. */
export class MemberPool {
  readonly #options: EtcdClientOptions;
  readonly #members: readonly EtcdMember[];
  #current: number;
  #token: Promise<string> | null = null;
  #closed: boolean = false;

  constructor(options: EtcdClientOptions) {
    this.#options = options;
    const endpoints = parseEtcdEndpoints(options.endpoints);
    const createCredentials = prepareCredentials(options, endpoints[0]?.secure === true);
    this.#members = endpoints.map((endpoint) => new EtcdMember(endpoint, createCredentials(endpoint), options.clock));
    // Several control planes do not all ask the first member.
    this.#current = options.random.below(this.#members.length);
  }

  size(): number {
    return this.#members.length;
  }

  closed(): boolean {
    return this.#closed;
  }

  /** The member to ask now. */
  current(): EtcdMember {
    // There is at least one, and the index is kept in range.
    return this.#members[this.#current] as EtcdMember;
  }

  /** `failed` did not answer: the next one is asked from now on, unless somebody has moved on already. */
  moveOn(failed: EtcdMember): void {
    if (this.current() === failed) this.#current = (this.#current + 1) % this.#members.length;
  }

  async call<Request, Response>(
    method: MessageCodec<Request, Response>,
    request: Request,
    options: PoolCallOptions,
  ): Promise<Response> {
    const { clock } = this.#options;
    const giveUpAtMs = clock.nowMs() + (this.#options.giveUpMs ?? GIVE_UP_MS);
    const tried = new Map<string, MemberFailure>();
    let pauseMs = FIRST_PAUSE_MS;
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw closedError();
      const member = this.current();
      try {
        return await this.#callMember(member, method, request);
      } catch (error) {
        if (!(error instanceof MemberError)) throw error;
        if (this.#closed)
          throw options.change && !error.failure.unsent ? unansweredError(error.failure) : closedError();
        const meaning = this.#judge(error, options);
        noteFailure(tried, error.failure);
        if (meaning !== "token") this.moveOn(member);
        if (clock.nowMs() >= giveUpAtMs) throw unreachableError(tried);
        const isFirstToken: boolean = meaning === "token" && !renewed;
        renewed = renewed || isFirstToken;
        if (isFirstToken || (meaning !== "token" && attempt % this.#members.length !== 0)) continue;
      }
      await this.pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }

  /** Null without a user. Rejects with MemberError or WEFT_STORE_DENIED. */
  async token(member: EtcdMember): Promise<string | null> {
    const { user } = this.#options;
    if (user === undefined) return null;
    if (this.#token === null) {
      const asking = member
        .unary(AUTHENTICATE, user, { timeoutMs: this.#requestTimeoutMs(), token: null })
        .then((response) => response.token ?? "");
      this.#token = asking;
      asking.catch(() => {
        if (this.#token === asking) this.#token = null;
      });
    }
    return await this.#token;
  }

  dropToken(): void {
    this.#token = null;
  }

  connectTimeoutMs(): number {
    return this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  }

  /** A random part keeps control planes from asking in step. */
  pause(ms: number): Promise<void> {
    const { clock, random } = this.#options;
    return new Promise((resolve) => clock.after(ms / 2 + random.next() * ms, resolve, undefined));
  }

  close(): void {
    this.#closed = true;
    for (const member of this.#members) member.close();
  }

  async #callMember<Request, Response>(
    member: EtcdMember,
    method: MessageCodec<Request, Response>,
    request: Request,
  ): Promise<Response> {
    await member.connect(this.connectTimeoutMs());
    let token: string | null;
    try {
      token = await this.token(member);
    } catch (error) {
      // The request itself was not sent, whatever became of the question for a token.
      throw error instanceof MemberError && meaningOf(error.failure) === "unknown"
        ? new MemberError({ ...error.failure, unsent: true })
        : error;
    }
    return await member.unary(method, request, { timeoutMs: this.#requestTimeoutMs(), token });
  }

  /** Throws what is the caller's to know; returns when another attempt is right. */
  #judge(error: MemberError, options: PoolCallOptions): Exclude<FailureMeaning, WeftError> {
    const meaning = meaningOf(error.failure);
    if (meaning instanceof WeftError) throw meaning;
    if (meaning === "token") {
      if (this.#options.user === undefined) throw deniedError(error.failure);
      this.dropToken();
    }
    if (meaning === "unknown" && options.change) {
      this.moveOn(this.#members.find((member) => member.name === error.failure.endpoint) ?? this.current());
      throw unansweredError(error.failure);
    }
    return meaning;
  }

  #requestTimeoutMs(): number {
    return this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }
}

/** Null = in the clear. */
function prepareCredentials(
  { clock, tls }: EtcdClientOptions,
  secure: boolean,
): (endpoint: EtcdEndpoint) => TlsCredentials | null {
  if (!secure) {
    if (tls === undefined) return () => null;
    throw invalidTlsError("certificates and endpoints without https", "https endpoints (etcds:// in a store)");
  }
  const setting = createTlsSetting(tls ?? {}, clock.wallMs());
  return ({ host }) => new TlsCredentials(setting, host, clock);
}
