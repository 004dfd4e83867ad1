import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { type Turn, Turns } from "./turns.ts";

interface Scene {
  readonly clock: FakeClock;
  /** Who had a turn, in order. */
  readonly begun: string[];
  readonly turns: Map<string, Turn>;
  readonly request: (name: string) => () => void;
}

function create(): Scene {
  const clock = new FakeClock();
  const all = new Turns({ clock, count: 2, stallMs: 100, lingerMs: 10 });
  const begun: string[] = [];
  const turns = new Map<string, Turn>();
  return {
    clock,
    begun,
    turns,
    request: (name) =>
      all.request((turn) => {
        begun.push(name);
        turns.set(name, turn);
      }),
  };
}

test("Turns lets a few begin, and the others in order as turns end", () => {
  const { begun, turns, request } = create();
  for (const name of ["a", "b", "c", "d"]) request(name);
  assert.deepEqual(begun, ["a", "b"]);
  turns.get("b")?.end();
  turns.get("b")?.end();
  assert.deepEqual(begun, ["a", "b", "c"]);
  turns.get("a")?.end();
  assert.deepEqual(begun, ["a", "b", "c", "d"]);
  assert.deepEqual(
    ["a", "b", "c"].map((name) => turns.get(name)?.isOver()),
    [true, true, false],
  );
});

test("Turns ends the turn of a proxy that does not answer, and soon that of one to which nothing is owed", () => {
  const { clock, begun, turns, request } = create();
  for (const name of ["a", "b", "c", "d"]) request(name);
  clock.advance(99);
  turns.get("b")?.touch(true);
  assert.deepEqual(begun, ["a", "b"]);
  clock.advance(1);
  assert.deepEqual(begun, ["a", "b", "c"]);
  turns.get("b")?.touch(false);
  clock.advance(9);
  assert.deepEqual(begun, ["a", "b", "c"]);
  clock.advance(1);
  assert.deepEqual(begun, ["a", "b", "c", "d"]);
});

test("Turns forgets who called it off", () => {
  const { begun, turns, request } = create();
  for (const name of ["a", "b"]) request(name);
  request("c")();
  request("d");
  turns.get("a")?.end();
  assert.deepEqual(begun, ["a", "b", "d"]);
});
