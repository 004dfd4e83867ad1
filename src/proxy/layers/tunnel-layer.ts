import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import { checkAccess } from "../filters/access-filter.ts";
import { DRAINED, TUNNEL_IDLE } from "../failures.ts";

/**
 * A tunnel through which nothing passes for an hour is closed: its peers are gone without a word, or have forgotten it.
 * nginx closes after 60 s and Envoy after 5 min, which breaks WebSockets that wait for rare news; who wants to keep one
 * for longer sends a ping an hour. The hour is looked at in quarters, so that bytes need not touch a timer.
 */
export const TUNNEL_IDLE_MS: number = 60 * 60 * 1000;
const CHECKS = 4;
const CHECK_MS: number = TUNNEL_IDLE_MS / CHECKS;

/** What tunnels need beside other exchanges, whatever protocol carries them: they may outlive policies and timeouts. */
export class TunnelLayer {
  readonly #runtime: ProxyRuntime;
  readonly #open: Set<Exchange> = new Set();

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /** The answer to `x` is 101. The route's timeout was for getting here. */
  opened(x: Exchange): void {
    this.#open.add(x);
    this.#runtime.wheel.arm(x.deadline, CHECK_MS);
  }

  /** Its deadline passed: counts the quarters in which nothing came, and ends it after the last. */
  check(x: Exchange): void {
    const bytes = x.requestBytes + x.responseBytes;
    x.quietChecks = bytes === x.tunnelBytes ? x.quietChecks + 1 : 0;
    x.tunnelBytes = bytes;
    // The first quarter counts as soon as nothing came in it: a tunnel begins with zero bytes.
    if (x.quietChecks >= CHECKS) x.endTunnel(TUNNEL_IDLE);
    else this.#runtime.wheel.arm(x.deadline, CHECK_MS);
  }

  ended(x: Exchange): void {
    this.#open.delete(x);
  }

  /** A policy may have changed: tunnels that it no longer allows are cut. */
  recheck(): void {
    const { snapshot, counters } = this.#runtime;
    for (const x of this.#open) {
      const handler = snapshot?.listeners.get(x.origin?.listener ?? "")?.defaultChain?.handler;
      const access = handler?.kind === "http" ? handler.access : null;
      if (access !== null && access.enforced) checkAccess(access, x, counters);
    }
  }

  /** The time to drain is over. */
  endAll(): void {
    for (const x of this.#open) x.endTunnel(DRAINED);
  }
}
