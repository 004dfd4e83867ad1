import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { WriteBudget } from "./write-budget.ts";

interface Scene {
  readonly clock: FakeClock;
  readonly written: string[];
  readonly done: Map<string, () => void>;
  readonly write: (name: string, bytes: number) => (() => void) | null;
}

function create(): Scene {
  const clock = new FakeClock();
  const budget = new WriteBudget({ clock, maxBytes: 100, smallBytes: 10, stallMs: 1_000 });
  const written: string[] = [];
  const done = new Map<string, () => void>();
  return {
    clock,
    written,
    done,
    write: (name, bytes) =>
      budget.admit(bytes, (left) => {
        written.push(name);
        done.set(name, left);
      }),
  };
}

test("WriteBudget lets large writes pass in order, as many as there is room for", () => {
  const { written, done, write } = create();
  assert.equal(write("a", 60), null);
  assert.equal(write("b", 40), null);
  assert.notEqual(write("c", 50), null);
  assert.notEqual(write("d", 20), null);
  assert.deepEqual(written, ["a", "b"]);
  done.get("b")?.();
  assert.deepEqual(written, ["a", "b"], "there is room for d, but c is first");
  done.get("a")?.();
  assert.deepEqual(written, ["a", "b", "c", "d"]);
});

test("WriteBudget never lets a small write wait, and lets one write pass that is larger than all", () => {
  const { written, write } = create();
  write("huge", 500);
  write("next", 50);
  write("small", 9);
  assert.deepEqual(written, ["huge", "small"]);
});

test("WriteBudget does not wait for ever for a proxy that takes nothing", () => {
  const { clock, written, done, write } = create();
  write("stuck", 90);
  write("next", 50);
  clock.advance(999);
  assert.deepEqual(written, ["stuck"]);
  clock.advance(1);
  assert.deepEqual(written, ["stuck", "next"]);
  // It counts once, however late it leaves.
  done.get("stuck")?.();
  write("more", 60);
  assert.deepEqual(written, ["stuck", "next"]);
});

test("WriteBudget forgets a write that was called off", () => {
  const { written, done, write } = create();
  write("a", 90);
  write("b", 50)?.();
  write("c", 50);
  done.get("a")?.();
  assert.deepEqual(written, ["a", "c"]);
});
