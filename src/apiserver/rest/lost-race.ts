import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import { conflict, type ResourceTarget } from "../resource-target.ts";

/** Many writers of one object get by: each round one of them is through. */
const MAX_ATTEMPTS = 12;
/** The winner's write is seen once it is durable; until then another attempt would lose to it again. */
const MIN_PAUSE_MS = 2;
const MAX_PAUSE_MS = 100;

/** Somebody else wrote between the reading and the writing of an object. */
export function isLostRace(error: unknown): error is WeftError {
  return error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT";
}

/**
 * Runs `attempt`, again from the beginning when a race was lost, with growing pauses, for about half a second. Throws
 * StatusError Conflict then.
 */
export async function retryLostRaces<T>(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  target: ResourceTarget,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLostRace(error)) throw error;
      if (attempts === MAX_ATTEMPTS) throw conflict(target, String(error.details["found"]));
    }
    const pauseMs = Math.min(MIN_PAUSE_MS * 2 ** (attempts - 1), MAX_PAUSE_MS);
    // Spread, so that those who lost together do not meet again.
    await new Promise<void>((resolve) => clock.after(pauseMs * (0.5 + random.next() / 2), resolve, undefined));
  }
}
