import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { Deadline, TimerWheel } from "./timer-wheel.ts";

const TICK_MS = 20;

class Bench {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel(this.clock);
  readonly fired: string[] = [];

  /** A deadline that notes its name and the time, and then does `act`. */
  deadline(name: string, act: () => void = () => {}): Deadline {
    const onDeadline = (): void => {
      this.fired.push(`${name}@${this.clock.nowMs()}`);
      act();
    };
    return new Deadline({ onDeadline }, 0);
  }
}

test("TimerWheel.arm() fires once, at or up to a tick after its time", () => {
  const { clock, wheel, fired, ...bench } = create();
  wheel.arm(bench.deadline("a"), 30);
  clock.advance(29);
  assert.deepEqual(fired, []);
  clock.advance(21);
  assert.deepEqual(fired, ["a@40"]);
  clock.advance(60_000);
  assert.deepEqual(fired, ["a@40"]);
  assert.equal(wheel.armedCount(), 0);
  assert.equal(clock.pendingTimers(), 0);
});

test("TimerWheel.arm() takes the time that its caller knows", () => {
  const { clock, wheel, fired, ...bench } = create();
  wheel.arm(bench.deadline("keeps the wheel going"), 90_000);
  clock.advance(500);
  wheel.arm(bench.deadline("a"), 100, 460);
  clock.advance(59);
  assert.deepEqual(fired, []);
  clock.advance(1);
  assert.deepEqual(fired, ["a@560"]);
});

test("TimerWheel.arm() again moves a deadline to an earlier or a later time", () => {
  const { clock, wheel, fired, ...bench } = create();
  const earlier = bench.deadline("earlier");
  const later = bench.deadline("later");
  wheel.arm(earlier, 500);
  wheel.arm(later, 100);
  wheel.arm(earlier, 100);
  wheel.arm(later, 500);
  clock.advance(1000);
  assert.deepEqual(fired, ["earlier@100", "later@500"]);
});

test("TimerWheel waits longer than one round of its slots", () => {
  const { clock, wheel, fired, ...bench } = create();
  wheel.arm(bench.deadline("hour"), 3_600_000);
  clock.advance(3_599_999);
  assert.deepEqual(fired, []);
  clock.advance(TICK_MS);
  assert.deepEqual(fired, ["hour@3600000"]);
});

test("TimerWheel.renew() puts a deadline off without ever firing early", () => {
  const { clock, wheel, fired, ...bench } = create();
  const idle = bench.deadline("idle");
  for (let use = 0; use < 50; use += 1) {
    wheel.renew(idle, 4000);
    clock.advance(370);
  }
  assert.deepEqual(fired, []);
  clock.advance(4000 - 370);
  assert.deepEqual(fired, []);
  clock.advance(2 * TICK_MS);
  assert.equal(fired.length, 1);
});

test("TimerWheel.renew() with a shorter wait moves a deadline forward", () => {
  const { clock, wheel, fired, ...bench } = create();
  const idle = bench.deadline("idle");
  wheel.renew(idle, 60_000);
  wheel.renew(idle, 1000);
  clock.advance(1040);
  assert.equal(fired.length, 1);
});

test("a deadline at rest does not fire, and can be renewed", () => {
  const { clock, wheel, fired, ...bench } = create();
  const idle = bench.deadline("idle");
  wheel.renew(idle, 1000);
  wheel.rest(idle);
  assert.equal(idle.isArmed(), false);
  clock.advance(500);
  wheel.renew(idle, 1000);
  clock.advance(600);
  assert.deepEqual(fired, []);
  wheel.rest(idle);
  clock.advance(10_000);
  assert.deepEqual(fired, []);
  // The wheel has come by and let it go.
  assert.equal(wheel.armedCount(), 0);
  wheel.renew(idle, 1000);
  clock.advance(1040);
  assert.equal(fired.length, 1);
});

test("owners may clear, rest, renew and arm what is due in the same tick", () => {
  const { clock, wheel, fired, ...bench } = create();
  const cleared = bench.deadline("cleared");
  const rested = bench.deadline("rested");
  const renewed = bench.deadline("renewed");
  const again: Deadline = bench.deadline("again", () => {
    if (fired.length < 3) wheel.arm(again, 100);
  });
  wheel.arm(
    bench.deadline("first", () => {
      wheel.clear(cleared);
      wheel.rest(rested);
      wheel.renew(renewed, 1000);
    }),
    100,
  );
  for (const deadline of [cleared, rested, renewed, again]) wheel.arm(deadline, 100);
  clock.advance(100);
  assert.deepEqual(fired, ["first@100", "again@100"]);
  clock.advance(2000);
  assert.deepEqual(fired, ["first@100", "again@100", "again@200", "renewed@1120"]);
  assert.equal(wheel.armedCount(), 0);
});

test("TimerWheel agrees with a list of times, whatever is armed, renewed, rested and cleared", () => {
  const step = fc.record({
    which: fc.nat(4),
    act: fc.constantFrom("arm", "arm", "renew", "rest", "clear", "pass"),
    ms: fc.oneof(fc.nat(300), fc.nat(60_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, wheel, fired, ...bench } = create();
      const due = new Map<string, number>();
      const deadlines = Array.from({ length: 5 }, (_, index) => {
        const name = String(index);
        return bench.deadline(name, () => {
          const dueAtMs = due.get(name);
          assert.ok(dueAtMs !== undefined, `${name} fired although it was not armed`);
          const lateMs = clock.nowMs() - dueAtMs;
          assert.ok(lateMs >= 0 && lateMs <= 2 * TICK_MS, `${name} fired ${lateMs} ms late`);
          due.delete(name);
        });
      });
      for (const { which, act, ms } of steps) {
        const deadline = deadlines[which] as Deadline;
        if (act === "pass") clock.advance(ms);
        else if (act === "arm" || act === "renew") {
          wheel[act](deadline, ms);
          due.set(String(which), clock.nowMs() + ms);
        } else {
          wheel[act](deadline);
          due.delete(String(which));
        }
      }
      clock.advance(120_000);
      assert.equal(due.size, 0);
      assert.equal(wheel.armedCount(), 0);
      assert.ok(fired.length <= steps.length);
    }),
    { seed: 20261123, numRuns: 500 },
  );
});

function create(): Pick<Bench, "clock" | "wheel" | "fired"> & { deadline: Bench["deadline"] } {
  const bench = new Bench();
  return { clock: bench.clock, wheel: bench.wheel, fired: bench.fired, deadline: bench.deadline.bind(bench) };
}
