import type { DownstreamStream, Exchange } from "../exchange.ts";
import { FIELD_REQUEST_TIMEOUT, type Head } from "../head.ts";
import type { StoredResponse } from "./stored-response.ts";

/** After a refresh that failed, the next one waits so long: stale answers are given meanwhile as they were. */
const PAUSE_MS = 1_000;

/**
 * The caller of a request that only refreshes the store (stale-while-revalidate): takes nothing, and hangs up when the response
 * turns out not to be stored.
 */
export class RefreshStream implements DownstreamStream {
  readonly #stored: StoredResponse;
  readonly #owner: RefreshOwner;
  #x: Exchange | null = null;
  #isOver: boolean = false;

  constructor(stored: StoredResponse, owner: RefreshOwner) {
    this.#stored = stored;
    this.#owner = owner;
  }

  /** It is no longer under way. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stored.isRefreshing = false;
    this.#stored.refreshAfterMs = this.#owner.nowMs() + PAUSE_MS;
    this.#owner.onRefreshEnded();
  }

  sendInterim(): void {
    // Nobody waits.
  }

  sendHead(x: Exchange): void {
    this.#x = x;
    this.#hangUpUnlessStored(x);
  }

  sendData(): boolean {
    this.#hangUpUnlessStored(this.#x);
    return true;
  }

  sendEnd(): void {
    this.end();
  }

  sendFailure(): void {
    this.end();
  }

  abort(): void {
    this.end();
  }

  breakOff(): void {
    this.end();
  }

  pauseReads(): void {
    // It sends no body.
  }

  resumeReads(): void {
    // It sends no body.
  }

  /** While an instance sends what is not kept there is no reason to listen. */
  #hangUpUnlessStored(x: Exchange | null): void {
    if (x === null || x.attempt === null || this.#owner.isCollecting(x)) return;
    x.onDownstreamClosed();
    this.end();
  }
}

export interface RefreshOwner {
  nowMs(): number;
  /** The response of `x` is on its way into a store. */
  isCollecting(x: Exchange): boolean;
  onRefreshEnded(): void;
}

/**
 * A request like `request`, of the proxy's own: without what this proxy added to it, the caller's conditions, and the time that the caller
 * gives it.
 */
export function toRefreshRequest(request: Head): Head {
  const copy = request.clone();
  copy.additionCount = 0;
  for (let index = 0; index < copy.count; index += 1) {
    const name = copy.nameText(index).toLowerCase();
    if (copy.ids[index] === FIELD_REQUEST_TIMEOUT || CALLERS_OWN.has(name)) copy.drop(index);
  }
  return copy;
}

/** Cache-Control too: max-stale, say, is the caller's word about its own answer. */
const CALLERS_OWN: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since", "cache-control", "pragma"]);
