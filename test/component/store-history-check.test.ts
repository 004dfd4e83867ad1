import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHistory } from "../faults/check-history.ts";
import type { ReadRecord, StoreHistory, TruthEvent, WatchSegment, WriteRecord } from "../faults/history.ts";

const TRUTH: readonly TruthEvent[] = [
  { revision: 5, deleted: false, created: true, name: "a", weight: 1 },
  { revision: 7, deleted: false, created: false, name: "a", weight: 2 },
  { revision: 8, deleted: true, created: false, name: "a", weight: -1 },
];

function write(weight: number | null, steps: readonly [number, number], outcome: WriteRecord["outcome"]): WriteRecord {
  return { store: 0, name: "a", weight, ifVersion: null, begunStep: steps[0], endedStep: steps[1], outcome };
}

const WRITES: readonly WriteRecord[] = [
  write(1, [1, 2], { kind: "acknowledged", version: 5 }),
  write(2, [3, 4], { kind: "acknowledged", version: 7 }),
  write(null, [5, 6], { kind: "acknowledged", version: 8 }),
];
const EVENTS: WatchSegment["events"] = [
  { type: "ADDED", name: "a", version: 5, weight: 1 },
  { type: "MODIFIED", name: "a", version: 7, weight: 2 },
  { type: "DELETED", name: "a", version: 8, weight: 2 },
];

function check(change: Partial<StoreHistory>, truth: readonly TruthEvent[] = TRUTH): string {
  const segments = [{ label: "w", fromVersion: 0, events: EVENTS, endedTooOld: false }];
  return checkHistory({ writes: [...WRITES], reads: [], segments, ...change }, truth).join("\n");
}

function replaced(index: number, record: WriteRecord): WriteRecord[] {
  return WRITES.map((old, at) => (at === index ? record : old));
}

function seen(events: WatchSegment["events"]): WatchSegment[] {
  return [{ label: "w", fromVersion: 0, events, endedTooOld: false }];
}

function read(
  steps: readonly [number, number],
  version: number | null,
  items: readonly [string, number, number][],
): ReadRecord[] {
  const found = new Map(items.map(([name, at, weight]) => [name, { version: at, weight }]));
  return [{ store: 0, begunStep: steps[0], endedStep: steps[1], version, name: version === null ? "a" : null, found }];
}

test("checkHistory() finds nothing wrong with what is right", () => {
  assert.equal(check({}), "");
  assert.equal(check({ reads: read([4.1, 4.2], 7, [["a", 7, 2]]) }), "");
  assert.equal(check({ reads: read([4.1, 4.2], null, [["a", 7, 2]]) }), "");
  assert.equal(check({ writes: replaced(1, write(2, [3, 4], { kind: "unknown" })) }), "");
});

test("checkHistory() finds acknowledged writes that are lost, doubled or elsewhere", () => {
  assert.match(check({ segments: [] }, TRUTH.slice(0, 2)), /delete a: acknowledged at 8, but not there/);
  const twice = [...TRUTH, { revision: 9, deleted: false, created: true, name: "a", weight: 2 }];
  assert.match(check({ segments: [] }, twice), /made 2 times, at 7, 9/);
  assert.match(check({ writes: replaced(0, write(3, [1, 2], { kind: "acknowledged", version: 5 })) }), /another write/);
});

test("checkHistory() finds refused writes that were made, and strangers", () => {
  const refused = write(2, [3, 4], { kind: "refused", code: "X" });
  assert.match(check({ writes: replaced(1, refused) }), /refused \(X\), but made/);
  assert.match(check({ writes: WRITES.slice(1) }), /something put a = 1 at 5/);
  assert.match(check({ writes: WRITES.slice(0, 2) }), /1 deletions that nobody was told of/);
});

test("checkHistory() finds a compare-and-swap on something else", () => {
  const wrong = { ...write(2, [3, 4], { kind: "acknowledged", version: 7 }), ifVersion: "4" };
  assert.match(check({ writes: replaced(1, wrong) }), /made on 5 at 7, though it asked for 4/);
});

test("checkHistory() finds writes and reads that are out of order", () => {
  const late = write(1, [4.5, 4.6], { kind: "acknowledged", version: 5 });
  assert.match(check({ writes: replaced(0, late) }), /made at 5, after 7 had been acknowledged/);
  assert.match(check({ reads: read([4.1, 4.2], 5, [["a", 5, 1]]) }), /a list as of 5, after 7/);
  assert.match(check({ reads: read([4.1, 4.2], 7, [["a", 5, 1]]) }), /not the state of that version/);
  assert.match(check({ reads: read([4.1, 4.2], null, [["a", 5, 1]]) }), /read as of 5, after 7/);
  assert.match(check({ reads: read([2.1, 2.2], null, [["a", 6, 1]]) }), /which never was/);
  assert.match(
    check({ reads: read([2.1, 2.2], null, []), writes: WRITES.slice(0, 2) }, TRUTH.slice(0, 2)),
    /nothing found/,
  );
});

test("checkHistory() finds what a watcher missed, saw twice, out of order, or wrongly", () => {
  const [first, second, third] = EVENTS as [EventOf, EventOf, EventOf];
  assert.match(check({ segments: seen([first, third]) }), /event 1 was DELETED a@8; expected MODIFIED a@7=2/);
  assert.match(check({ segments: seen([first, first, second, third]) }), /event 1 was ADDED a@5=1/);
  assert.match(check({ segments: seen([second, first, third]) }), /event 0 was MODIFIED a@7=2/);
  assert.match(
    check({ segments: seen([first, { ...second, weight: 9 }, third]) }),
    /MODIFIED a@7=9; expected MODIFIED a@7=2/,
  );
});

type EventOf = WatchSegment["events"][number];
