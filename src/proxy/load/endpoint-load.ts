import type { Clock } from "../../time/clock.ts";
import { FIELD_LOAD_METRICS, type Head } from "../head.ts";

/** Weight of a new report in what is known: the state of one moment, some tens of milliseconds ago, is mostly noise. */
const IN_FLIGHT_WEIGHT = 0.3;
const LATENCY_WEIGHT = 0.2;
/** What was before a gap of so long says nothing about now. */
const MAX_GAP_MS = 1_000;

/** What an instance's proxy said about its load. */
export class EndpointLoad {
  readonly #clock: Clock;
  readonly #own: { readonly inFlight: number };
  /** Requests that the instance was working on at the last report; -1 before the first. */
  inFlight: number = -1;
  /** Of these, other callers' requests, smoothed. */
  othersInFlight: number = 0;
  /** How long answers take with as many requests in flight as there are, smoothed; -1 = unknown. */
  latencyMs: number = -1;
  requestsPerSecond: number = 0;
  reports: number = 0;
  /** Clock milliseconds of the last report. */
  reportedMs: number = 0;

  /** `own` is what this proxy has in flight to the same instance. */
  constructor(clock: Clock, own: { readonly inFlight: number }) {
    this.#clock = clock;
    this.#own = own;
  }

  /** Reads a report off a response head, if there is one. It is meant for this proxy, so the caller does not see it. */
  takeFrom(head: Head): void {
    const index = head.find(FIELD_LOAD_METRICS);
    if (index < 0) return;
    const text = head.valueText(index);
    head.drop(index);
    if (!text.startsWith("TEXT ")) return;
    let inFlight = -1;
    let latencyMs = -1;
    for (const pair of text.slice(5).split(",")) {
      const equals = pair.indexOf("=");
      const value = Number(pair.slice(equals + 1));
      if (equals < 0 || !Number.isFinite(value) || value < 0) continue;
      switch (pair.slice(0, equals)) {
        case "named_metrics.in_flight":
          inFlight = value;
          break;
        case "named_metrics.latency_ms":
          latencyMs = value;
          break;
        case "rps_fractional":
          this.requestsPerSecond = value;
          break;
        default:
          break;
      }
    }
    // An app that reports other things about itself says nothing that steers.
    if (inFlight >= 0) this.accept(inFlight, latencyMs, this.#clock.nowMs());
  }

  /** A report came at `nowMs`; `latencyMs` -1 = it does not say. */
  accept(inFlight: number, latencyMs: number, nowMs: number): void {
    const isFirst = this.inFlight < 0 || nowMs - this.reportedMs > MAX_GAP_MS;
    this.reports += 1;
    this.reportedMs = nowMs;
    this.inFlight = inFlight;
    const others = Math.max(0, inFlight - this.#own.inFlight);
    this.othersInFlight = isFirst ? others : this.othersInFlight + (others - this.othersInFlight) * IN_FLIGHT_WEIGHT;
    if (isFirst || this.latencyMs < 0 || latencyMs < 0) this.latencyMs = latencyMs;
    else this.latencyMs += (latencyMs - this.latencyMs) * LATENCY_WEIGHT;
  }
}
