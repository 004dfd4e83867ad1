import { formatAge } from "../lib/format-age.ts";
import type { Log } from "../lib/log.ts";
import { formatWallTime } from "../time/wall-time.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { ExpiryView } from "./views.ts";

export interface ExpiryWarningsOptions {
  readonly expiries: () => readonly ExpiryView[];
  readonly clock: Clock;
  readonly log: Log;
}

const DAY_MS = 86_400_000;
/** How long before an end it is told of; once at each. */
export const WARN_BEFORE_MS: readonly number[] = [30 * DAY_MS, 7 * DAY_MS, DAY_MS, 0];
const LOOK_EVERY_MS = 60_000;

/** Says in the log what is going to end: 30, 7 and 1 days before, and when it has. A restart says once more how it stands. */
export class ExpiryWarnings {
  readonly #options: ExpiryWarningsOptions;
  readonly #timer: Timer;
  /** How many thresholds were passed, by what ends and when. */
  #told: ReadonlyMap<string, number> = new Map();

  constructor(options: ExpiryWarningsOptions) {
    this.#options = options;
    this.#timer = options.clock.every(LOOK_EVERY_MS, (warnings: ExpiryWarnings) => warnings.look(), this);
  }

  close(): void {
    this.#timer.clear();
  }

  /** Runs every minute by itself. */
  look(): void {
    const { clock, expiries, log } = this.#options;
    const told = new Map<string, number>();
    for (const { kind, name, notAfterWallMs } of expiries()) {
      const leftMs = notAfterWallMs - clock.wallMs();
      const passed = WARN_BEFORE_MS.filter((beforeMs) => leftMs <= beforeMs).length;
      const key = `${kind} ${name} ${notAfterWallMs}`;
      if (passed > 0) told.set(key, passed);
      if (passed <= (this.#told.get(key) ?? 0)) continue;
      const fields = { kind, name, notAfter: formatWallTime(notAfterWallMs) };
      if (leftMs <= 0) log.error("a certificate has ended", fields);
      else log.warn(`a certificate ends in ${formatAge(leftMs)}`, fields);
    }
    this.#told = told;
  }
}
