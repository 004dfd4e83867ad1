import assert from "node:assert/strict";
import { test } from "node:test";
import { type Flushable, Flusher } from "./flusher.ts";

class Probe implements Flushable {
  readonly log: string[];
  readonly name: string;
  act: () => void = () => {};
  onTurn: () => void = () => {};

  constructor(name: string, log: string[]) {
    this.name = name;
    this.log = log;
  }

  endTurn(): void {
    this.onTurn();
  }

  flush(): void {
    this.log.push(this.name);
    const { act } = this;
    this.act = () => {};
    act();
  }
}

test("Flusher flushes when the outermost callback returns, and not before", () => {
  const log: string[] = [];
  const flusher = new Flusher();
  flusher.enter();
  flusher.enter();
  flusher.add(new Probe("a", log));
  flusher.leave();
  log.push("still inside");
  flusher.leave();
  assert.deepEqual(log, ["still inside", "a"]);
});

test("Flusher flushes at the end of the microtasks when nothing called", async () => {
  const log: string[] = [];
  const flusher = new Flusher();
  flusher.add(new Probe("a", log));
  flusher.add(new Probe("b", log));
  assert.deepEqual(log, []);
  await Promise.resolve();
  assert.deepEqual(log, ["a", "b"]);
});

test("Flusher flushes what a flush adds, in the same go", () => {
  const log: string[] = [];
  const flusher = new Flusher();
  const first = new Probe("first", log);
  first.act = () => {
    flusher.enter();
    flusher.add(new Probe("second", log));
    flusher.leave();
  };
  flusher.enter();
  flusher.add(first);
  flusher.leave();
  assert.deepEqual(log, ["first", "second"]);
});

test("Flusher loses nothing when a callback throws", async () => {
  const log: string[] = [];
  const flusher = new Flusher();
  const first = new Probe("first", log);
  first.act = () => {
    throw new Error("of the callback");
  };
  flusher.enter();
  flusher.add(first);
  flusher.add(new Probe("second", log));
  assert.throws(() => flusher.leave(), /of the callback/);
  await Promise.resolve();
  assert.deepEqual(log, ["first", "second"]);
  flusher.enter();
  flusher.add(new Probe("third", log));
  flusher.leave();
  assert.deepEqual(log, ["first", "second", "third"]);
});

test("Flusher ends a turn once for all that was added, and flushes what adds itself", () => {
  const log: string[] = [];
  const turns: (() => void)[] = [];
  const flusher = new Flusher((run) => turns.push(run));
  for (const name of ["a", "b"]) {
    const probe = new Probe(name, log);
    probe.onTurn = () => flusher.add(probe);
    flusher.enter();
    flusher.addToTurn(probe);
    flusher.leave();
  }
  assert.deepEqual(log, []);
  assert.equal(turns.length, 1);
  turns.pop()?.();
  assert.deepEqual(log, ["a", "b"]);
  flusher.addToTurn(new Probe("c", log));
  assert.equal(turns.length, 1);
});
