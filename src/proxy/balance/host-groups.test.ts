import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { planGroups } from "./host-groups.ts";
import { computePriorityLoads } from "./priority-loads.ts";
import { TestHost } from "../../testing/balanced-hosts.ts";

interface LoadRow {
  readonly what: string;
  /** Percent of 100 instances of each priority that are available. */
  readonly available: readonly number[];
  readonly panicPercent?: number;
  readonly loads: readonly number[];
  readonly panics?: readonly number[];
}

/** The first rows are those of Envoy's documentation of priority levels and of panic. */
const LOADS: readonly LoadRow[] = [
  { what: "a whole first priority carries all", available: [100, 100], loads: [100, 0] },
  { what: "72 % of the first carry all", available: [72, 72], loads: [100, 0] },
  { what: "71 % of the first carry nearly all", available: [71, 71], loads: [99.4, 0.6] },
  { what: "half of the first carry 70 %", available: [50, 50], loads: [70, 30] },
  { what: "a quarter of the first carries 35 %", available: [25, 100], loads: [35, 65] },
  { what: "a quarter of each: 35 % each, scaled up", available: [25, 25], loads: [50, 50], panics: [0, 1] },
  { what: "an empty first priority carries nothing", available: [0, 100], loads: [0, 100] },
  { what: "three share", available: [25, 50, 100], loads: [35, 65, 0] },
  { what: "three share what is left", available: [20, 20, 100], loads: [28, 28, 44] },
  { what: "what is left is too little for all", available: [5, 0, 0], loads: [100, 0, 0], panics: [0, 1, 2] },
  { what: "no panic while the sum suffices", available: [10, 72], loads: [14, 86] },
  { what: "one priority below the threshold", available: [30], loads: [100], panics: [0] },
  { what: "one priority at the threshold", available: [50], loads: [100] },
  { what: "another threshold", available: [50], panicPercent: 60, loads: [100], panics: [0] },
  { what: "no panic when it is off", available: [1, 0], panicPercent: 0, loads: [100, 0] },
  { what: "nothing available: all by weight", available: [0, 0], loads: [50, 50], panics: [0, 1] },
  { what: "nothing available and no panic: nothing", available: [0, 0], panicPercent: 0, loads: [0, 0] },
];

describe("computePriorityLoads()", () => {
  for (const { what, available, panicPercent = 50, loads, panics = [] } of LOADS) {
    it(what, () => {
      const found = computePriorityLoads(
        available,
        available.map(() => 100),
        panicPercent,
      );
      assert.deepEqual(
        found.map(({ load }) => Math.round(load * 1_000) / 10),
        loads,
      );
      assert.deepEqual(
        found.flatMap(({ panic }, index) => (panic ? [index] : [])),
        panics,
      );
    });
  }

  it("gives a priority without instances nothing", () => {
    const loads = computePriorityLoads([0, 3], [0, 3], 50);
    assert.deepEqual(loads, [
      { load: 0, panic: false },
      { load: 1, panic: false },
    ]);
  });
});

interface GroupRow {
  readonly what: string;
  /** One word for each: zone, "/" and the priority if it is not 0, "*" and the weight, "-" behind it when not available. */
  readonly hosts: string;
  readonly zone?: string;
  readonly preferZone?: boolean;
  /** Groups as "share: zone names" in percent. */
  readonly groups: readonly string[];
}

const GROUPS: readonly GroupRow[] = [
  { what: "one zone needs no groups", hosts: "a a a", groups: ["100: a a a"] },
  { what: "an unknown zone prefers none", hosts: "a b c", zone: "", groups: ["100: a b c"] },
  { what: "no preference where it is off", hosts: "a b c", preferZone: false, groups: ["100: a b c"] },
  { what: "no preference without near instances", hosts: "b c", groups: ["100: b c"] },
  { what: "even zones stay near", hosts: "a a b b c c", groups: ["100: a a", "0: b b c c"] },
  { what: "two zones of one stay near", hosts: "a b", groups: ["100: a", "0: b"] },
  { what: "one of four near out stays near", hosts: "a a a a- b b b b", groups: ["100: a a a", "0: b b b b"] },
  // 1.4 * 2 / (6 / 2)
  { what: "half of the near out spills over", hosts: "a a a- a- b b b b", groups: ["93.3: a a", "6.7: b b b b"] },
  // 1.4 * 1 / (5 / 2)
  { what: "three of four near out", hosts: "a a- a- a- b b b b", groups: ["56: a", "44: b b b b"] },
  // 1.4 * 1 / (10 / 2)
  { what: "one near and nine far", hosts: "a b b b b b b b b b", groups: ["28: a", "72: b b b b b b b b b"] },
  { what: "weights count", hosts: "a*3 b b b", groups: ["100: a", "0: b b b"] },
  { what: "all near out", hosts: "a- a- b b b", groups: ["100: b b b"] },
  { what: "all far out", hosts: "a a b- b-", groups: ["100: a a"] },
  { what: "unknown zones are a zone", hosts: "a ? ?", groups: ["93.3: a", "6.7: ? ?"] },
  { what: "panic forgets zones", hosts: "a a- a- b- b-", groups: ["100: a a a b b"] },
  { what: "priorities come before zones", hosts: "b a/1", groups: ["100: b", "0: a"] },
  { what: "zones within each priority", hosts: "a b b- b- a/1 b/1", groups: ["70: a", "0: b", "30: a", "0: b"] },
];

describe("planGroups()", () => {
  for (const { what, hosts, zone = "a", preferZone = true, groups } of GROUPS) {
    it(what, () => {
      const found = planGroups(hosts.split(" ").map(parseHost), { zone, preferZone, panicPercent: 50 });
      const text = found.map(({ hosts: members, share }) => {
        const names = members.map(({ config }) => (config.zone === "" ? "?" : config.zone)).join(" ");
        return `${Math.round(share * 1_000) / 10}: ${names}`;
      });
      assert.deepEqual(text, groups);
    });
  }

  it("has no groups without instances", () => {
    assert.deepEqual(planGroups([], { zone: "a", preferZone: true, panicPercent: 50 }), []);
  });
});

function parseHost(word: string): TestHost {
  const [, zone = "", priority = "0", weight = "1", out = ""] = /^(\w|\?)(?:\/(\d))?(?:\*(\d))?(-?)$/.exec(word) ?? [];
  const host = new TestHost(new FakeClock(), {
    zone: zone === "?" ? "" : zone,
    priority: Number(priority),
    weight: Number(weight),
  });
  host.health.available = out === "";
  return host;
}
