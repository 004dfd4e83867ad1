/**
 * Instances can carry so much more than their share before others must help: with 1.4, up to 28 % of a group may be out
 * before any of its load goes elsewhere. Envoy's default, for priorities and for zones.
 */
export const OVERPROVISIONING_FACTOR = 1.4;

export interface PriorityLoad {
  /** Share of all requests, 0..1; the shares of all priorities sum to 1, or to 0 when nothing may be used. */
  load: number;
  /** Too few are available to trust that: all are used, available or not. */
  panic: boolean;
}

/**
 * How much of the traffic each priority gets, by how much weight of it is available, as Envoy has it: a priority can carry
 * min(1, 1.4 * available / total); the first takes what it can, the next what is left. Where all together cannot carry
 * everything, the loads are scaled up, and a priority with less than `panicPercent` of its weight available uses all of its
 * instances. When nothing at all is available, all are used by weight, or none if `panicPercent` is 0.
 */
export function computePriorityLoads(
  available: readonly number[],
  total: readonly number[],
  panicPercent: number,
): PriorityLoad[] {
  const shares = total.map((weight, index) => (weight > 0 ? (available[index] ?? 0) / weight : 0));
  const capacities = shares.map((share) => Math.min(1, OVERPROVISIONING_FACTOR * share));
  const sum = Math.min(
    1,
    capacities.reduce((one, other) => one + other, 0),
  );
  if (sum === 0) {
    const all = total.reduce((one, other) => one + other, 0);
    const canPanic = panicPercent > 0 && all > 0;
    return total.map((weight) => ({ load: canPanic ? weight / all : 0, panic: canPanic }));
  }
  let rest = 1;
  return capacities.map((capacity, index) => {
    const load = Math.min(rest, capacity / sum);
    // What is left by rounding is nothing.
    rest = rest - load < 1e-9 ? 0 : rest - load;
    return { load, panic: sum < 1 && (shares[index] ?? 0) * 100 < panicPercent };
  });
}
