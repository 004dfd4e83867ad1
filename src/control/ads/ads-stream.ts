import type { envoy } from "#gen/protos.js";
import type { Log } from "../../lib/log.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import {
  GRPC_DEADLINE_EXCEEDED,
  GRPC_INTERNAL,
  GRPC_INVALID_ARGUMENT,
  GRPC_OK,
  formatGrpcStatus,
  type GrpcStatus,
} from "../../xds/grpc-status.ts";
import { countBytes, type DeltaResponse, encodeDeltaResponse } from "./delta-response.ts";
import { type DeltaRequest, readDeltaRequest } from "./read-delta-request.ts";
import type { StreamSession } from "./stream-session.ts";
import type { Turn, Turns } from "./turns.ts";

/** The part of a grpc-js ServerDuplexStream that a stream needs. */
export interface AdsCall {
  write(message: Buffer): boolean;
  end(): void;
  emit(event: "error", status: { readonly code: number; readonly details: string }): boolean;
  on(event: "data", listener: (message: Buffer) => void): unknown;
  on(event: "end" | "drain" | "cancelled" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface AdsStreamOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Called with the node of the first request; a status ends the stream. */
  readonly open: (
    node: envoy.config.core.v3.Node,
  ) => { readonly session: StreamSession } | { readonly failure: GrpcStatus };
  /** Called once, after the last use of the session. */
  readonly onClose: () => void;
  /** Shared by all streams. */
  readonly turns: Turns;
  /** How long the first request may take, and how long a subscription is waited for before delivery goes on. */
  readonly patienceMs: number;
}

/** A change of endpoints is smaller, and never waits for anybody. */
const SMALL_BYTES = 64 * 1024;

/**
 * Carries one ADS stream: requests from the call to its session, responses from the session to the call as fast as the
 * call takes them. While the call is full nothing is made, so a slow proxy gets fewer and later responses, not a queue.
 */
export class AdsStream {
  readonly #call: AdsCall;
  readonly #options: AdsStreamOptions;
  #session: StreamSession | null = null;
  #timer: Timer | null;
  #isFull = false;
  /** Calls a large response off that waits for the stream's turn. */
  #callOff: (() => void) | null = null;
  #turn: Turn | null = null;
  #isClosed = false;

  constructor(call: AdsCall, options: AdsStreamOptions) {
    this.#call = call;
    this.#options = options;
    this.#timer = options.clock.after(options.patienceMs, expireOpening, this);
    call.on("data", (message) => this.#onMessage(message));
    call.on("drain", () => {
      this.#isFull = false;
      this.push();
    });
    call.on("end", () => this.close({ code: GRPC_OK, message: "" }));
    call.on("cancelled", () => this.#dispose());
    call.on("error", () => this.#dispose());
    call.on("close", () => this.#dispose());
  }

  session(): StreamSession | null {
    return this.#session;
  }

  /** Writes what is owed and may be sent. */
  push(): void {
    const session = this.#session;
    if (session === null || this.#isClosed) return;
    try {
      while (!this.#isFull && this.#callOff === null) {
        const response = session.nextResponse();
        if (response === null) break;
        this.#write(response);
        this.#options.log.debug("ads response", {
          proxy: session.node.id,
          type: response.typeUrl,
          upserts: response.upserts.length,
          removals: response.removals.length,
        });
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#turn?.touch(session.awaitsAnswer());
    this.#watchHolds(session);
  }

  /** A large response waits for the stream's turn; until then nothing else is made. */
  #write(response: DeltaResponse): void {
    if (countBytes(response) < SMALL_BYTES || this.#turn?.isOver() === false) {
      this.#isFull = !this.#call.write(encodeDeltaResponse(response));
      return;
    }
    this.#turn = null;
    let isLater = false;
    const callOff = this.#options.turns.request((turn) => {
      this.#callOff = null;
      this.#turn = turn;
      this.#isFull = !this.#call.write(encodeDeltaResponse(response));
      if (isLater) this.push();
    });
    isLater = true;
    if (this.#turn === null) this.#callOff = callOff;
  }

  close(status: GrpcStatus): void {
    if (this.#isClosed) return;
    this.#dispose();
    if (status.code === GRPC_OK) this.#call.end();
    else this.#call.emit("error", { code: status.code, details: status.message });
  }

  #onMessage(message: Buffer): void {
    if (this.#isClosed) return;
    let request: DeltaRequest;
    try {
      request = readDeltaRequest(message);
    } catch (error) {
      this.close({ code: GRPC_INVALID_ARGUMENT, message: `Cannot decode a DeltaDiscoveryRequest: ${String(error)}` });
      return;
    }
    try {
      this.#onRequest(request);
    } catch (error) {
      this.#fail(error);
    }
  }

  #onRequest(request: DeltaRequest): void {
    const session = this.#session ?? this.#open(request.node ?? {});
    if (session === null) return;
    const { outcome, failure } = session.onRequest(request);
    if (failure !== null) {
      this.close(failure);
      return;
    }
    if (outcome === "nack") {
      this.#options.log.warn("A proxy rejected configuration", {
        proxy: session.node.id,
        type: request.typeUrl,
        reason: request.errorDetail?.message,
      });
    }
    this.push();
  }

  #open(node: envoy.config.core.v3.Node): StreamSession | null {
    const opened = this.#options.open(node);
    if ("failure" in opened) {
      this.#options.log.warn("An ADS stream was refused", { node: node.id, reason: formatGrpcStatus(opened.failure) });
      this.close(opened.failure);
      return null;
    }
    this.#timer?.clear();
    this.#timer = null;
    this.#session = opened.session;
    return opened.session;
  }

  /** A subscription that the proxy should make is waited for, but not for ever. */
  #watchHolds(session: StreamSession): void {
    if (!session.waitsForProxy()) {
      this.#timer?.clear();
      this.#timer = null;
    } else if (this.#timer === null) {
      this.#timer = this.#options.clock.after(this.#options.patienceMs, expireHold, this);
    }
  }

  expireOpening(): void {
    this.close({ code: GRPC_DEADLINE_EXCEEDED, message: `No request came within ${this.#options.patienceMs} ms` });
  }

  expireHold(): void {
    this.#timer = null;
    const session = this.#session;
    if (session === null || this.#isClosed) return;
    this.#options.log.warn("A proxy did not ask for what its configuration names; delivery goes on without it", {
      proxy: session.node.id,
    });
    session.release();
    this.push();
  }

  #fail(error: unknown): void {
    this.#options.log.error("An ADS stream failed", { proxy: this.#session?.node.id, error });
    this.close({ code: GRPC_INTERNAL, message: "The control plane failed; its log says why" });
  }

  #dispose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#callOff?.();
    this.#turn?.end();
    this.#timer?.clear();
    this.#timer = null;
    this.#options.onClose();
  }
}

function expireOpening(stream: AdsStream): void {
  stream.expireOpening();
}

function expireHold(stream: AdsStream): void {
  stream.expireHold();
}
