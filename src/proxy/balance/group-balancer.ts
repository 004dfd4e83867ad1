import type { BalancingPolicy } from "../policy/cluster-policy.ts";
import type { Balancer, Host } from "./host.ts";
import type { PickRandom } from "./pick-random.ts";
import type { Picker, Strategy, StrategyContext } from "./picker.ts";
import { HASH_END, mixHash } from "./hash-text.ts";
import { planGroups } from "./host-groups.ts";
import { HostSet } from "./host-set.ts";
import { slowStartShare } from "./slow-start.ts";

/** How many steps the weight of a new instance takes to grow. */
const SLOW_START_STEPS = 50;
/** Tells the draw among groups apart from the place on a ring, for which the same hash is used. */
const GROUP_SEED = 0x5bd1e995;

/** One part of the instances and how to choose among them. */
interface Group<H extends Host> {
  readonly set: HostSet<H>;
  /** Null where there is only one instance. */
  readonly picker: Picker<H> | null;
  /** Shares of this group and those before it, 0..1. */
  readonly until: number;
}

/**
 * What all strategies have in common: which instances are used for how much (priorities, zones, panic: `host-groups.ts`)
 * and slow start. Groups are planned anew when instances or their health change, at the first pick after it, so that many
 * changes at once cost one plan.
 */
export class GroupBalancer<H extends Host> implements Balancer<H> {
  readonly #policy: BalancingPolicy;
  readonly #random: PickRandom;
  readonly #zone: string;
  readonly #strategy: Strategy<H>;
  #hosts: readonly H[] = [];
  #groups: readonly Group<H>[] = [];
  /** Since when each instance has been there, or has been available again. */
  readonly #startedMs: Map<H, number> = new Map();
  /** Those that were not available at the last plan. */
  readonly #out: Set<H> = new Set();
  #stale: boolean = false;
  /** When weights change next; Infinity while none is new. */
  #reweighMs: number = Number.POSITIVE_INFINITY;

  constructor({ policy, random }: StrategyContext, zone: string, strategy: Strategy<H>) {
    this.#policy = policy;
    this.#random = random;
    this.#zone = zone;
    this.#strategy = strategy;
  }

  update(hosts: readonly H[]): void {
    this.#hosts = hosts;
    this.#stale = true;
  }

  healthChanged(): void {
    this.#stale = true;
  }

  pick(hash: number, avoided: H | null, nowMs: number): H | null {
    if (this.#stale) this.#plan(nowMs);
    else if (nowMs >= this.#reweighMs) this.#reweigh(nowMs);
    const groups = this.#groups;
    if (groups.length === 0) return null;
    const group = groups.length === 1 ? groups[0] : this.#chooseGroup(hash);
    if (group === undefined) return null;
    if (group.picker !== null) return group.picker.pick(hash, avoided, nowMs);
    const only = group.set.at(0);
    return only === avoided ? this.#pickElsewhere(hash, only, nowMs) : only;
  }

  observe(host: H, outcome: number, latencyMs: number, nowMs: number): void {
    if (this.#strategy.observes) host.stats.observe(outcome, latencyMs, nowMs);
  }

  #chooseGroup(hash: number): Group<H> | undefined {
    const groups = this.#groups;
    // A key stays in its group for as long as the shares do.
    const draw = (hash === 0 ? this.#random.next() : mixHash(hash ^ GROUP_SEED)) / HASH_END;
    for (let i = 0; i < groups.length; i += 1) {
      const group = groups[i];
      if (group !== undefined && draw < group.until) return group;
    }
    return groups[0];
  }

  /** The group's only instance was to be avoided: the nearest other one, or that one if there is no other. */
  #pickElsewhere(hash: number, avoided: H, nowMs: number): H {
    const groups = this.#groups;
    for (let i = 0; i < groups.length; i += 1) {
      const group = groups[i];
      if (group === undefined) continue;
      if (group.picker !== null) return group.picker.pick(hash, avoided, nowMs);
      const only = group.set.at(0);
      if (only !== avoided) return only;
    }
    return avoided;
  }

  #plan(nowMs: number): void {
    this.#stale = false;
    this.#noteStarts(nowMs);
    const { preferZone, panicPercent } = this.#policy;
    const plans = planGroups(this.#hosts, { zone: this.#zone, preferZone, panicPercent });
    let until = 0;
    this.#groups = plans.map(({ hosts, share }, index) => {
      const set = new HostSet(hosts);
      until += share;
      // Sums of fractions: the last that has a share takes what is missing to one.
      const isLast = plans.slice(index + 1).every((plan) => plan.share === 0);
      const picker = hosts.length === 1 ? null : this.#strategy.createPicker(set);
      return { set, picker, until: isLast ? 1 : until };
    });
    this.#reweigh(nowMs);
  }

  #noteStarts(nowMs: number): void {
    const present = new Set(this.#hosts);
    for (const host of this.#startedMs.keys()) if (!present.has(host)) this.#startedMs.delete(host);
    for (const host of this.#out) if (!present.has(host)) this.#out.delete(host);
    for (const host of this.#hosts) {
      if (!this.#startedMs.has(host)) this.#startedMs.set(host, host.addedMs);
      if (!host.health.available) this.#out.add(host);
      else if (this.#out.delete(host)) this.#startedMs.set(host, nowMs);
    }
  }

  /** Sets the weights as slow start has them now. */
  #reweigh(nowMs: number): void {
    this.#reweighMs = Number.POSITIVE_INFINITY;
    const windowMs = this.#policy.slowStartMs;
    if (windowMs === 0 || !this.#strategy.startsSlowly) return;
    for (const { set, picker } of this.#groups) {
      if (picker === null) continue;
      let changed = false;
      for (let i = 0; i < set.hosts.length; i += 1) {
        const host = set.at(i);
        const ageMs = nowMs - (this.#startedMs.get(host) ?? nowMs);
        if (ageMs < windowMs) this.#reweighMs = nowMs + windowMs / SLOW_START_STEPS;
        const weight = host.config.weight * slowStartShare(ageMs, windowMs);
        if (weight === set.weights[i]) continue;
        set.weights[i] = weight;
        changed = true;
      }
      if (!changed) continue;
      set.refresh();
      picker.reweigh();
    }
  }
}
