import type { Clock } from "../../time/clock.ts";
import type { FieldLines } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import { RecentLatency } from "./recent-latency.ts";

/** How often one caller is told: often enough to steer by, seldom enough to cost nothing. */
export const REPORT_MS = 50;
/** One rendering serves all callers for so long. */
const RENDER_MS = 5;

/**
 * How busy the app beside this proxy is, told to callers on responses as an ORCA load report in its text form
 * (https://github.com/envoyproxy/envoy/issues/6614, gRFC A51): requests in flight, answers per second, and how long answers
 * take with so many in flight (left out while nothing is known).
 */
export class LoadReport {
  readonly #clock: Clock;
  readonly #latency: RecentLatency = new RecentLatency();
  #inFlight: number = 0;
  #answered: number = 0;
  #answeredBefore: number = 0;
  #countedMs: number;
  #perSecond: number = 0;
  #lines: FieldLines | null = null;
  #renderedMs: number = -REPORT_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedMs = clock.nowMs();
  }

  /** A request came: how many others were in flight. */
  begin(): number {
    this.#inFlight += 1;
    return this.#inFlight - 1;
  }

  /** It is over. `met` is what `begin` said; `durationMs` -1 = it says nothing about the next (a failure, a tunnel). */
  end(durationMs: number, met: number): void {
    this.#inFlight -= 1;
    this.#answered += 1;
    if (durationMs >= 0) this.#latency.add(met, durationMs, this.#clock.nowMs());
  }

  inFlight(): number {
    return this.#inFlight;
  }

  /** How long a request that came now would probably take; -1 = unknown. */
  latencyMs(nowMs: number): number {
    return this.#latency.median(this.#inFlight, nowMs);
  }

  /** The line for a response at `nowMs`. */
  lines(nowMs: number): FieldLines {
    if (this.#lines !== null && nowMs - this.#renderedMs < RENDER_MS) return this.#lines;
    this.#renderedMs = nowMs;
    const elapsedMs = nowMs - this.#countedMs;
    if (elapsedMs >= 1_000) {
      this.#perSecond = ((this.#answered - this.#answeredBefore) * 1_000) / elapsedMs;
      this.#answeredBefore = this.#answered;
      this.#countedMs = nowMs;
    }
    const latencyMs = this.latencyMs(nowMs);
    const latency = latencyMs < 0 ? "" : `,named_metrics.latency_ms=${latencyMs.toFixed(2)}`;
    const text =
      `endpoint-load-metrics: TEXT rps_fractional=${this.#perSecond.toFixed(1)},` +
      `named_metrics.in_flight=${this.#inFlight}${latency}\r\n`;
    this.#lines = toFieldLines(Buffer.from(text, "latin1"));
    return this.#lines;
  }
}
