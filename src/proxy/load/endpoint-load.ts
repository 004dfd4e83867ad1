import type { Clock } from "../../time/clock.ts";
import { FIELD_LOAD_METRICS, type Head } from "../head.ts";

/** What an instance's proxy last said about its load. */
export class EndpointLoad {
  readonly #clock: Clock;
  readonly #own: { readonly inFlight: number };
  /** Requests that the instance is working on; -1 before the first report. */
  inFlight: number = -1;
  /** Of recent answers that met about as many other requests as there are now: their median. */
  latencyMs: number = 0;
  requestsPerSecond: number = 0;
  reports: number = 0;
  /** Clock milliseconds when it said so. */
  reportedMs: number = 0;
  /** How many of `inFlight` were this proxy's. */
  ownInFlight: number = 0;

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
    this.reports += 1;
    this.reportedMs = this.#clock.nowMs();
    this.ownInFlight = this.#own.inFlight;
    for (const pair of text.slice(5).split(",")) {
      const equals = pair.indexOf("=");
      const value = Number(pair.slice(equals + 1));
      if (equals < 0 || !Number.isFinite(value) || value < 0) continue;
      switch (pair.slice(0, equals)) {
        case "named_metrics.in_flight":
          this.inFlight = value;
          break;
        case "named_metrics.latency_ms":
          this.latencyMs = value;
          break;
        case "rps_fractional":
          this.requestsPerSecond = value;
          break;
        default:
          break;
      }
    }
  }
}
