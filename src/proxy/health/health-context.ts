import type { Log } from "../../lib/log.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import type { TimerWheel } from "../../time/timer-wheel.ts";
import type { ProxyCounters } from "../counters.ts";
import type { HealthHost } from "./host-health.ts";

/** What the parts of one cluster's health share. */
export interface HealthContext {
  /** For the log: "<namespace>/<service>:<port>". */
  readonly service: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly counters: ProxyCounters;
  /** Something that decides whether `host` is available changed. */
  refresh(host: HealthHost): void;
}

/** Which instance, for the log. */
export function nameHost({ config }: HealthHost): string {
  const address = `${config.address}:${config.port}`;
  return config.workload === "" ? address : `${config.workload} (${address})`;
}
