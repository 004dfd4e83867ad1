import { WeftError } from "../../lib/weft-error.ts";
import { conflict, type ResourceTarget } from "../resource-target.ts";

/** As often as Kubernetes' API server tries a patch again. */
const MAX_ATTEMPTS = 6;

/** Somebody else wrote between the reading and the writing of an object. */
export function isLostRace(error: unknown): error is WeftError {
  return error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT";
}

/** Runs `attempt`, again from the beginning when a race was lost, six times at most. Throws StatusError Conflict then. */
export async function retryLostRaces<T>(target: ResourceTarget, attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLostRace(error)) throw error;
      if (attempts === MAX_ATTEMPTS) throw conflict(target, String(error.details["found"]));
    }
  }
}
