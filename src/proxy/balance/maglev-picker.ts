import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { PickRandom } from "./pick-random.ts";
import type { Picker, Strategy, StrategyContext } from "./picker.ts";
import { hashText, mixHash } from "./hash-text.ts";

/**
 * Maglev's table (Eisenbud et al., NSDI 2016): every instance has its own order of all entries, and they take turns in
 * taking the first free one. Instances get their shares nearly exactly, and finding one is a single look; when an instance
 * comes or leaves a few more keys move than on a ring. Requests without a hash go anywhere by weight.
 */
export function createMaglevPicker<H extends Host>({ policy, random }: StrategyContext): Strategy<H> {
  return {
    observes: false,
    startsSlowly: false,
    createPicker: (set) => new MaglevPicker(set, policy.tableSize, random),
  };
}

class MaglevPicker<H extends Host> implements Picker<H> {
  readonly #set: HostSet<H>;
  readonly #random: PickRandom;
  readonly #table: Uint32Array;

  constructor(set: HostSet<H>, tableSize: number, random: PickRandom) {
    this.#set = set;
    this.#random = random;
    this.#table = new Uint32Array(tableSize);
    this.reweigh();
  }

  pick(hash: number, avoided: H | null): H {
    const table = this.#table;
    let at = mixHash(hash === 0 ? this.#random.next() : hash) % table.length;
    for (let steps = 0; steps < table.length; steps += 1) {
      const host = this.#set.at(table[at] as number); // below the length
      if (host !== avoided) return host;
      at = at + 1 === table.length ? 0 : at + 1;
    }
    // More instances than entries: the table may hold only the one to avoid.
    return this.#set.at(this.#set.at(0) === avoided ? 1 : 0);
  }

  reweigh(): void {
    const { hosts, weights } = this.#set;
    const table = this.#table;
    const size = table.length;
    const heaviest = weights.reduce((one, other) => Math.max(one, other), 0);
    const positions = new Float64Array(hosts.length);
    const skips = new Float64Array(hosts.length);
    const turns = new Float64Array(hosts.length);
    // By name, so that proxies agree in whatever order they know the instances.
    const order = [...hosts.keys()].sort((one, other) => (nameOf(hosts[one]) < nameOf(hosts[other]) ? -1 : 1));
    for (const index of order) {
      const name = nameOf(hosts[index]);
      positions[index] = hashText(name) % size;
      skips[index] = size > 1 ? (hashText(name, 1) % (size - 1)) + 1 : 1;
    }
    table.fill(FREE);
    let filled = 0;
    while (filled < size) {
      for (const index of order) {
        // A whole turn's worth of weight is needed to take an entry.
        turns[index] = (turns[index] as number) + (weights[index] as number) / heaviest;
        if ((turns[index] as number) < 1) continue;
        turns[index] = (turns[index] as number) - 1;
        let at = positions[index] as number;
        while (table[at] !== FREE) at = (at + (skips[index] as number)) % size;
        table[at] = index;
        positions[index] = (at + (skips[index] as number)) % size;
        filled += 1;
        if (filled === size) return;
      }
    }
  }
}

const FREE = 0xffff_ffff;

function nameOf(host: Host | undefined): string {
  return host === undefined ? "" : `${host.config.address}:${host.config.port}`;
}
