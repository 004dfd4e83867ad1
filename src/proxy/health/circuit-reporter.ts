import type { CircuitBreaker, CircuitState, CircuitWatcher } from "../circuit/circuit-breaker.ts";
import type { HealthContext } from "./health-context.ts";
import { formatWallTime } from "../../time/wall-time.ts";

/** Logs and counts what becomes of one circuit. `instance` "" = the whole service. */
export class CircuitReporter implements CircuitWatcher {
  readonly #context: HealthContext;
  readonly #instance: string;
  readonly #onChange: () => void;
  #last: CircuitState = "closed";

  constructor(context: HealthContext, instance: string, onChange: () => void) {
    this.#context = context;
    this.#instance = instance;
    this.#onChange = onChange;
  }

  onCircuit(circuit: CircuitBreaker, reason: string): void {
    const { counters, log, clock, service } = this.#context;
    const who = this.#instance === "" ? { service } : { service, instance: this.#instance };
    switch (circuit.state) {
      case "open": {
        counters.trips += 1;
        if (this.#last === "closed") counters.circuitsOpenNow += 1;
        const until = formatWallTime(clock.wallMs() + circuit.openUntilMs - clock.nowMs());
        log.warn("circuit opened", { ...who, reason, until });
        break;
      }
      case "halfOpen":
        log.info("circuit half open", { ...who, reason });
        break;
      case "closed":
        counters.circuitsOpenNow -= 1;
        log.info("circuit closed", { ...who, reason });
        break;
      default:
        break;
    }
    this.#last = circuit.state;
    this.#onChange();
  }
}
