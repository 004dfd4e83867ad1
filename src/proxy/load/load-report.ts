import type { Clock } from "../../time/clock.ts";
import type { FieldLines } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";

/** How often one caller is told: often enough to steer by, seldom enough to cost nothing. */
export const REPORT_MS = 50;
/** Weight of the newest answer in the mean. */
const LATENCY_WEIGHT = 0.1;

/**
 * How busy the app beside this proxy is, told to callers on responses as an ORCA load report in its text form
 * (https://github.com/envoyproxy/envoy/issues/6614, gRFC A51): requests in flight, answers per second, mean time to answer.
 */
export class LoadReport {
  #inFlight: number = 0;
  #latencyMs: number = 0;
  #answered: number = 0;
  #answeredBefore: number = 0;
  #countedMs: number;
  #perSecond: number = 0;
  #lines: FieldLines | null = null;
  #renderedMs: number = -REPORT_MS;

  constructor(clock: Clock) {
    this.#countedMs = clock.nowMs();
  }

  begin(): void {
    this.#inFlight += 1;
  }

  end(durationMs: number): void {
    this.#inFlight -= 1;
    this.#answered += 1;
    this.#latencyMs += (durationMs - this.#latencyMs) * LATENCY_WEIGHT;
  }

  /** The line for a response at `nowMs`; one rendering serves all callers for a while. */
  lines(nowMs: number): FieldLines {
    if (this.#lines !== null && nowMs - this.#renderedMs < REPORT_MS / 2) return this.#lines;
    this.#renderedMs = nowMs;
    const elapsedMs = nowMs - this.#countedMs;
    if (elapsedMs >= 1_000) {
      this.#perSecond = ((this.#answered - this.#answeredBefore) * 1_000) / elapsedMs;
      this.#answeredBefore = this.#answered;
      this.#countedMs = nowMs;
    }
    const text =
      `endpoint-load-metrics: TEXT rps_fractional=${this.#perSecond.toFixed(1)},` +
      `named_metrics.in_flight=${this.#inFlight},named_metrics.latency_ms=${this.#latencyMs.toFixed(2)}\r\n`;
    this.#lines = toFieldLines(Buffer.from(text, "latin1"));
    return this.#lines;
  }
}
