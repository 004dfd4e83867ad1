import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { Picker, Strategy, StrategyContext } from "./picker.ts";
import type { Random } from "../../random/random.ts";
import { hashText, mixHash } from "./hash-text.ts";

/** However many instances there are; Envoy allows 8 million, which is 60 MB a cluster. */
const MAX_POINTS = 1_048_576;
/** Points of an instance are derived from its name by counting in steps that are odd, so that none comes twice. */
const POINT_STEP = 0x9e3779b1;

/**
 * A consistent hash ring: each instance has many points on a circle, and a key belongs to the next point. When an instance
 * comes or leaves only its own part of the keys moves. Requests without a hash go anywhere by weight of points.
 */
export function createRingHashPicker<H extends Host>({ policy, random }: StrategyContext): Strategy<H> {
  return {
    observes: false,
    startsSlowly: false,
    createPicker: (set) => new RingHashPicker(set, policy.minimumRingSize, random),
  };
}

class RingHashPicker<H extends Host> implements Picker<H> {
  readonly #set: HostSet<H>;
  readonly #random: Random;
  readonly #minimumRingSize: number;
  /** Ascending. */
  #points: Uint32Array = new Uint32Array(0);
  /** Whose point it is, by index in the set. */
  #owners: Uint32Array = new Uint32Array(0);

  constructor(set: HostSet<H>, minimumRingSize: number, random: Random) {
    this.#set = set;
    this.#random = random;
    this.#minimumRingSize = minimumRingSize;
    this.reweigh();
  }

  pick(hash: number, avoided: H | null): H {
    const points = this.#points;
    const wanted = hash === 0 ? this.#random.below(0x1_0000_0000) : mixHash(hash);
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    for (;;) {
      if (low === points.length) low = 0;
      const host = this.#set.at(this.#owners[low] as number); // as many as points
      if (host !== avoided) return host;
      low += 1;
    }
  }

  reweigh(): void {
    const { hosts, weights } = this.#set;
    const counts = countPoints(weights, this.#minimumRingSize);
    // A point and its owner in one number that sorts by the point.
    const marks = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
    let at = 0;
    for (const [index, host] of hosts.entries()) {
      const start = hashText(`${host.config.address}:${host.config.port}`);
      for (let i = 0; i < (counts[index] ?? 0); i += 1, at += 1) {
        marks[at] = mixHash(start ^ mixHash(Math.imul(i + 1, POINT_STEP) ^ start)) * hosts.length + index;
      }
    }
    marks.sort();
    this.#points = new Uint32Array(marks.length);
    this.#owners = new Uint32Array(marks.length);
    for (let i = 0; i < marks.length; i += 1) {
      const mark = marks[i] as number;
      this.#points[i] = Math.floor(mark / hosts.length);
      this.#owners[i] = mark % hosts.length;
    }
  }
}

/**
 * By weight, and half of `minimum` for the heaviest: with two instances there are that many. The points of one instance do
 * not depend on how many others there are (unless there are thousands): otherwise all of them would gain some points
 * whenever one leaves, and take keys from each other.
 */
function countPoints(weights: Float64Array, minimum: number): number[] {
  const heaviest = weights.reduce((one, other) => Math.max(one, other), 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const most = Math.min(minimum / 2, (MAX_POINTS * heaviest) / total);
  return Array.from(weights, (weight) => Math.max(1, Math.round((weight / heaviest) * most)));
}
