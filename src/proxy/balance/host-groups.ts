import type { Host } from "./host.ts";
import { OVERPROVISIONING_FACTOR, computePriorityLoads } from "./priority-loads.ts";

/** Instances among which one strategy chooses, and how much of the traffic goes to them. */
export interface GroupPlan<H extends Host> {
  readonly hosts: readonly H[];
  /** 0..1; 0 = only when there is no other instance for a request that was to avoid one. */
  readonly share: number;
}

export interface GroupOptions {
  /** The caller's; "" = unknown, no preference. */
  readonly zone: string;
  readonly preferZone: boolean;
  readonly panicPercent: number;
}

/**
 * Who is used for how much: first by priority (`computePriorityLoads`), then by zone within each priority. The groups'
 * shares sum to 1, or there are none.
 *
 * Zones: each zone that has instances is taken to have an equal part of the callers. The caller's own zone can then carry
 * min(1, 1.4 * its available weight / (all available weight / number of zones)) of what its callers ask; the rest goes to
 * the other zones by weight. So with instances spread evenly everything stays near, even with one in four out, and a
 * single instance near with ten far away is not drowned by its neighbours.
 */
export function planGroups<H extends Host>(hosts: readonly H[], options: GroupOptions): GroupPlan<H>[] {
  const priorities = splitByPriority(hosts);
  const available = priorities.map((members) => sumWeights(members.filter(isAvailable)));
  const total = priorities.map(sumWeights);
  const loads = computePriorityLoads(available, total, options.panicPercent);
  const groups: GroupPlan<H>[] = [];
  for (const [index, members] of priorities.entries()) {
    const found = loads[index];
    if (found === undefined) continue;
    if (found.panic) groups.push({ hosts: members, share: found.load });
    else groups.push(...planZones(members.filter(isAvailable), found.load, options));
  }
  return groups;
}

function planZones<H extends Host>(hosts: readonly H[], load: number, options: GroupOptions): GroupPlan<H>[] {
  if (hosts.length === 0) return [];
  const whole = [{ hosts, share: load }];
  if (!options.preferZone || options.zone === "") return whole;
  const near = hosts.filter((host) => host.config.zone === options.zone);
  if (near.length === 0 || near.length === hosts.length) return whole;
  const zones = new Set(hosts.map((host) => host.config.zone)).size;
  const fairWeight = sumWeights(hosts) / zones;
  const nearShare = Math.min(1, (OVERPROVISIONING_FACTOR * sumWeights(near)) / fairWeight);
  return [
    { hosts: near, share: load * nearShare },
    { hosts: hosts.filter((host) => host.config.zone !== options.zone), share: load * (1 - nearShare) },
  ];
}

/** Lowest number first. */
function splitByPriority<H extends Host>(hosts: readonly H[]): H[][] {
  const found = new Map<number, H[]>();
  for (const host of hosts) {
    const members = found.get(host.config.priority);
    if (members === undefined) found.set(host.config.priority, [host]);
    else members.push(host);
  }
  return [...found.entries()].sort(([one], [other]) => one - other).map(([, members]) => members);
}

function isAvailable(host: Host): boolean {
  return host.health.available;
}

function sumWeights(hosts: readonly Host[]): number {
  return hosts.reduce((sum, host) => sum + host.config.weight, 0);
}
