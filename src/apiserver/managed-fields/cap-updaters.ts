import { EMPTY_SET, unionOf } from "./field-set.ts";
import { compareOwners, type Owner, ownerId, type Owners } from "./owners.ts";

/** As in Kubernetes. */
const MAX_UPDATERS = 10;
/** As in Kubernetes: who stands for the oldest updaters when there are too many. */
const OLD_UPDATES = "ancient-changes";

/** At most MAX_UPDATERS owners by update: the oldest of one version become one. Appliers are never touched. */
export function capUpdaters(owners: Owners): Owners {
  const updaters = [...owners.values()].filter((owner) => owner.operation === "Update").sort(compareOwners);
  if (updaters.length <= MAX_UPDATERS) return owners;
  const capped = new Map(owners);
  let count = updaters.length;
  const firsts = new Map<string, Owner>();
  for (const updater of updaters) {
    if (count <= MAX_UPDATERS) break;
    const first = firsts.get(updater.apiVersion);
    if (first === undefined) {
      firsts.set(updater.apiVersion, updater);
      continue;
    }
    const { operation, apiVersion, time } = updater;
    const who = { manager: OLD_UPDATES, operation, apiVersion, subresource: "" };
    const bucket = capped.get(ownerId(who))?.set ?? EMPTY_SET;
    capped.delete(ownerId(first));
    capped.delete(ownerId(updater));
    capped.set(ownerId(who), { ...who, time, set: unionOf(unionOf(first.set, bucket), updater.set) });
    count -= 1;
  }
  return capped;
}
