import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { createSeededRandom } from "../../../random/seeded-random.ts";
import { DynamicLines } from "./dynamic-lines.ts";

/** Newest first, as RFC 7541 numbers them. */
function listLines(table: DynamicLines): string[] {
  return Array.from({ length: table.count }, (_, index) => {
    const slot = (table.inserted - 1 - index) & table.mask;
    const start = table.lineAt[slot] ?? 0;
    const end = start + (table.nameBytes[slot] ?? 0) + (table.valueBytes[slot] ?? 0) + 4;
    return `${Buffer.from(table.bytes.subarray(start, end)).toString("latin1")}#${table.tags[slot]}`;
  });
}

function insert(table: DynamicLines, name: string, value: string, tag: number): boolean {
  const line = Buffer.from(`--${name}: ${value}\r\n--`, "latin1");
  return table.insert(line, 2, name.length, value.length, tag);
}

test("DynamicLines is what a list of lines would be, through inserts, evictions and other sizes", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = createSeededRandom(seed);
    const table = new DynamicLines(4_096);
    let model: { line: string; size: number }[] = [];
    const evict = (size: number): void => {
      while (model.reduce((sum, entry) => sum + entry.size, 0) > size) model = model.slice(0, -1);
    };
    let maxSize = 4_096;
    for (let step = 0; step < 600; step += 1) {
      if (random.below(60) === 0) {
        maxSize = random.below([100, 1_000, 8_000, 65_536][random.below(4)] ?? 0);
        table.resize(maxSize);
        evict(maxSize);
      }
      const name = `n${random.below(50)}`;
      const value = "v".repeat(random.below([3, 40, 400, 3_000][random.below(4)] ?? 0));
      const size = name.length + value.length + 32;
      assert.equal(insert(table, name, value, step & 255), size <= maxSize);
      evict(Math.max(0, maxSize - size));
      if (size <= maxSize) model.unshift({ line: `${name}: ${value}\r\n#${step & 255}`, size });
      assert.equal(
        table.size,
        model.reduce((sum, entry) => sum + entry.size, 0),
      );
      assert.deepEqual(
        listLines(table),
        model.map((entry) => entry.line),
      );
    }
    assert.ok(table.bytes.length <= 2 * 65_536);
  }
});

test("DynamicLines.insert() of a line larger than the table empties it (RFC 7541 section 4.4)", () => {
  const table = new DynamicLines(100);
  assert.ok(insert(table, "a", "b", 0));
  assert.ok(!insert(table, "a", "b".repeat(100), 0));
  assert.equal(table.count, 0);
  assert.equal(table.size, 0);
});

test("DynamicLines holds little memory before it is used", () => {
  const table = new DynamicLines(65_536);
  assert.equal(table.bytes.length, 0);
  insert(table, "name", "value", 0);
  assert.ok(table.bytes.length <= 4_096);
});
