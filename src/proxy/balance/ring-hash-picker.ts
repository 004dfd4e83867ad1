import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { PickRandom } from "./pick-random.ts";
import type { Picker, Strategy, StrategyContext } from "./picker.ts";
import { hashText, mixHash } from "./hash-text.ts";

/** However many instances there are; Envoy allows 8 million, which is 60 MB a cluster. */
const MAX_POINTS = 1_048_576;
/** Points of an instance are derived from its name by counting in steps that are odd, so that none comes twice. */
const POINT_STEP = 0x9e3779b1;

/** See `mixHash`. */
const HASH_BITS = 31;

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
  readonly #random: PickRandom;
  readonly #minimumRingSize: number;
  /** Ascending. */
  #points: Int32Array = new Int32Array(0);
  /** Whose point it is, by index in the set. */
  #owners: Int32Array = new Int32Array(0);
  /** The ring in as many equal arcs as it has points, or a few more: the first point in or after each. */
  #arcs: Int32Array = new Int32Array(0);
  /** Bits of a place within its arc. */
  #arcBits: number = 0;

  constructor(set: HostSet<H>, minimumRingSize: number, random: PickRandom) {
    this.#set = set;
    this.#random = random;
    this.#minimumRingSize = minimumRingSize;
    this.reweigh();
  }

  pick(hash: number, avoided: H | null): H {
    const points = this.#points;
    const { length } = points;
    const wanted = mixHash(hash === 0 ? this.#random.next() : hash);
    let at = this.#arcs[wanted >>> this.#arcBits] as number; // one for each arc
    while (at < length && (points[at] as number) < wanted) at += 1;
    for (;;) {
      if (at === length) at = 0;
      const host = this.#set.at(this.#owners[at] as number); // as many as points
      if (host !== avoided) return host;
      at += 1;
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
    this.#points = new Int32Array(marks.length);
    this.#owners = new Int32Array(marks.length);
    for (let i = 0; i < marks.length; i += 1) {
      const mark = marks[i] as number;
      this.#points[i] = Math.floor(mark / hosts.length);
      this.#owners[i] = mark % hosts.length;
    }
    this.#divide();
  }

  #divide(): void {
    const points = this.#points;
    this.#arcBits = HASH_BITS - Math.ceil(Math.log2(points.length));
    this.#arcs = new Int32Array(2 ** (HASH_BITS - this.#arcBits));
    let at = 0;
    for (let arc = 0; arc < this.#arcs.length; arc += 1) {
      while (at < points.length && (points[at] as number) >>> this.#arcBits < arc) at += 1;
      this.#arcs[arc] = at;
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
