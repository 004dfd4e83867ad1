import type { Log } from "../lib/log.ts";
import type { Random } from "../random/random.ts";
import type { Timer } from "../time/clock.ts";
import type { GrpcStream, GrpcStreamHandlers } from "./grpc-call.ts";
import {
  type GrpcChannel,
  GrpcClient,
  type GrpcClientOptions,
  type GrpcStreamOptions,
  type GrpcUnaryOptions,
} from "./grpc-client.ts";
import { GRPC_DEADLINE_EXCEEDED, GRPC_UNAVAILABLE, GrpcError } from "./grpc-status.ts";

export interface ControlPlaneAddress {
  readonly host: string;
  readonly port: number;
}

export interface ControlPlaneChannelOptions extends Pick<
  GrpcClientOptions,
  "serverSpiffeId" | "credentials" | "clock" | "connectTimeoutMs"
> {
  /** At least one; `learn` replaces them. */
  readonly addresses: readonly ControlPlaneAddress[];
  readonly random: Random;
  readonly log: Log;
}

/** With several control planes the next one is tried sooner, and one that hangs is noticed sooner, than when there is no other. */
const CONNECT_TIMEOUT_MS = 2_000;
const KEEPALIVE_MS = 5_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
/** Proxies that fled to one control plane spread out again when the others are back: each chooses anew this often, */
const CHOOSE_ANEW_MS = 240_000;
/** and up to this much later. */
const CHOOSE_ANEW_SPREAD_MS = 240_000;

interface Chosen {
  readonly key: string;
  readonly client: GrpcClient;
}

/**
 * The way to a control plane of the mesh, whichever answers. One is chosen at random, so that proxies spread evenly, and all
 * calls go to it until a call to it fails; then another one is, at random among those that have not failed since. A call
 * whose connection cannot be made tries each control plane once; one that was sent is never sent again.
 */
export class ControlPlaneChannel implements GrpcChannel {
  readonly #options: ControlPlaneChannelOptions;
  #addresses: ReadonlyMap<string, ControlPlaneAddress>;
  readonly #clients: Map<string, GrpcClient> = new Map();
  #chosen: Chosen | null = null;
  /** Failed since a connection was last made. */
  readonly #failed: Set<string> = new Set();
  readonly #listeners: Set<() => void> = new Set();
  #timer: Timer | null = null;
  #closed: boolean = false;

  constructor(options: ControlPlaneChannelOptions) {
    this.#options = options;
    this.#addresses = toMap(options.addresses);
    this.#scheduleChoice();
  }

  /** Replaces the list. Calls go on where they are; an empty list changes nothing. */
  learn(addresses: readonly ControlPlaneAddress[]): void {
    if (addresses.length === 0) return;
    this.#addresses = toMap(addresses);
    for (const [key, client] of this.#clients) {
      if (this.#addresses.has(key) || this.#chosen?.key === key) continue;
      client.refresh();
      this.#clients.delete(key);
    }
  }

  /** Called when another control plane was chosen although the one before answers: long-lived calls should move. */
  onMove(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async unary(path: string, request: Uint8Array, options: GrpcUnaryOptions): Promise<Uint8Array> {
    const chosen = await this.#connect();
    try {
      return await chosen.client.unary(path, request, options);
    } catch (error) {
      if (error instanceof GrpcError && isLost(error.code)) this.#moveOn(chosen);
      throw error;
    }
  }

  async openStream(path: string, handlers: GrpcStreamHandlers, options: GrpcStreamOptions = {}): Promise<GrpcStream> {
    const chosen = await this.#connect();
    const following: GrpcStreamHandlers = {
      ...handlers,
      onEnd: (status) => {
        if (isLost(status.code)) this.#moveOn(chosen);
        handlers.onEnd(status);
      },
    };
    try {
      return await chosen.client.openStream(path, following, options);
    } catch (error) {
      this.#moveOn(chosen);
      throw error;
    }
  }

  /** As `GrpcClient.refresh`. */
  refresh(): void {
    for (const client of this.#clients.values()) client.refresh();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
    for (const client of this.#clients.values()) client.close();
  }

  /** Rejects with UNAVAILABLE when none answers. */
  async #connect(): Promise<Chosen> {
    for (let attempt = 1; ; attempt += 1) {
      const chosen = this.#choose();
      try {
        await chosen.client.connect();
        this.#failed.clear();
        return chosen;
      } catch (error) {
        this.#moveOn(chosen);
        if (attempt >= this.#addresses.size || this.#closed) throw error;
      }
    }
  }

  #choose(): Chosen {
    if (this.#chosen !== null) return this.#chosen;
    const keys = [...this.#addresses.keys()];
    const untried = keys.filter((key) => !this.#failed.has(key));
    if (untried.length === 0) this.#failed.clear();
    const candidates = untried.length === 0 ? keys : untried;
    // There is at least one address, and the index is below their number.
    const key = candidates[this.#options.random.below(candidates.length)] as string;
    this.#chosen = { key, client: this.#clientOf(key) };
    return this.#chosen;
  }

  #moveOn({ key, client }: Chosen): void {
    this.#failed.add(key);
    if (this.#chosen?.key !== key || this.#addresses.size === 1) return;
    this.#chosen = null;
    // Other calls to it may still get their answers.
    client.refresh();
  }

  #clientOf(key: string): GrpcClient {
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const { serverSpiffeId, credentials, clock, connectTimeoutMs } = this.#options;
    const isAlone = this.#addresses.size === 1;
    const client = new GrpcClient({
      // Keys are those of the map.
      ...(this.#addresses.get(key) as ControlPlaneAddress),
      serverSpiffeId,
      credentials,
      clock,
      ...(isAlone ? {} : { connectTimeoutMs: CONNECT_TIMEOUT_MS, keepaliveMs: KEEPALIVE_MS }),
      ...(isAlone ? {} : { keepaliveTimeoutMs: KEEPALIVE_TIMEOUT_MS }),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    });
    this.#clients.set(key, client);
    return client;
  }

  #scheduleChoice(): void {
    const { clock, random } = this.#options;
    const delayMs = CHOOSE_ANEW_MS + random.next() * CHOOSE_ANEW_SPREAD_MS;
    this.#timer = clock.after(delayMs, (channel: ControlPlaneChannel) => void channel.#chooseAnew(), this);
  }

  async #chooseAnew(): Promise<void> {
    this.#scheduleChoice();
    const before = this.#chosen;
    const keys = [...this.#addresses.keys()];
    const key = keys[this.#options.random.below(keys.length)];
    if (before === null || key === undefined || key === before.key) return;
    const next: Chosen = { key, client: this.#clientOf(key) };
    try {
      // First see that it is there: the one before is.
      await next.client.connect();
    } catch (error) {
      this.#options.log.debug("a control plane does not answer; staying with another", { controlPlane: key, error });
      return;
    }
    if (this.#closed || this.#chosen !== before) return;
    this.#chosen = next;
    before.client.refresh();
    this.#options.log.info("moving to another control plane, to share them evenly", { controlPlane: key });
    for (const listener of this.#listeners) listener();
  }
}

function toMap(addresses: readonly ControlPlaneAddress[]): ReadonlyMap<string, ControlPlaneAddress> {
  return new Map(addresses.map((address) => [`${address.host}|${address.port}`, address]));
}

function isLost(code: number): boolean {
  return code === GRPC_UNAVAILABLE || code === GRPC_DEADLINE_EXCEEDED;
}
