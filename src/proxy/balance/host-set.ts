import type { Host } from "./host.ts";

/** The instances that one picker chooses among, with the weights that count now. Two at least. */
export class HostSet<H extends Host> {
  readonly hosts: readonly H[];
  /** Configured weight, less what slow start keeps back for now. */
  readonly weights: Float64Array;
  /** `weights` relative to the mean of the configured ones, so that equal instances have 1: load is divided by it. */
  readonly capacities: Float64Array;
  /** All weights are the same. */
  equal: boolean = true;

  constructor(hosts: readonly H[]) {
    this.hosts = hosts;
    this.weights = new Float64Array(hosts.length);
    this.capacities = new Float64Array(hosts.length);
    for (const [index, host] of hosts.entries()) this.weights[index] = host.config.weight;
    this.refresh();
  }

  /** `weights` changed. */
  refresh(): void {
    const { hosts, weights, capacities } = this;
    const count = hosts.length;
    let sum = 0;
    for (let i = 0; i < count; i += 1) sum += (hosts[i] as H).config.weight; // i is below the length
    const mean = sum / count;
    this.equal = true;
    for (let i = 0; i < count; i += 1) {
      const weight = weights[i] as number;
      capacities[i] = weight / mean;
      if (weight !== weights[0]) this.equal = false;
    }
  }

  at(index: number): H {
    return this.hosts[index] as H; // pickers keep below the length
  }
}
