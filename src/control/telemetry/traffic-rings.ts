import type { Log } from "../../lib/log.ts";
import type { Clock } from "../../time/clock.ts";
import { TrafficRing } from "./traffic-ring.ts";

/** The same traffic twice, so that many instances cost the figures of services none of their history. */
export interface TrafficRings {
  /** By service accounts. */
  readonly ring: TrafficRing;
  /** With the reporting instance in place of its service account. */
  readonly instances: TrafficRing;
  close(): void;
}

const PRUNE_MS = 5_000;

export function openTrafficRings({ clock, log }: { readonly clock: Clock; readonly log: Log }): TrafficRings {
  const create = (what: string): TrafficRing =>
    new TrafficRing({ onLimit: (message) => log.warn(`${what}: ${message}`) }, clock.nowMs());
  const ring = create("traffic figures");
  const instances = create("traffic figures of instances");
  const pruning = clock.every(
    PRUNE_MS,
    () => {
      for (const each of [ring, instances]) each.prune(clock.nowMs());
    },
    undefined,
  );
  return { ring, instances, close: () => pruning.clear() };
}
