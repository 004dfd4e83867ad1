import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import { ConnectionRecorder } from "../testing/connection-recorder.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryTransport } from "./memory.ts";
import { TransportBench } from "./transport-bench.ts";

test("MemoryTransport delivers after its latency, in order", async () => {
  const clock = new FakeClock();
  const transport = new MemoryTransport(clock);
  const bench = new TransportBench(transport);
  const { caller, called } = await bench.openPair();
  transport.conditions.latencyMs = 50;
  caller.connection?.write(Buffer.from("slow"));
  await clock.elapse(20);
  transport.conditions.latencyMs = 0;
  caller.connection?.write(Buffer.from(" fast"));
  await clock.elapse(29);
  assert.equal(called.text(), "");
  await clock.elapse(1);
  assert.equal(called.text(), "slow fast");
});

test("MemoryTransport needs a round trip to connect", async () => {
  const clock = new FakeClock();
  const transport = new MemoryTransport(clock);
  const bench = new TransportBench(transport);
  transport.conditions.latencyMs = 10;
  await bench.listen();
  const caller = new ConnectionRecorder("caller");
  bench.connect(caller);
  await clock.elapse(19);
  assert.deepEqual(caller.events, []);
  await clock.elapse(1);
  assert.deepEqual(caller.events, ["open"]);
});

test("MemoryTransport cuts bytes into pieces that the seed decides", async () => {
  const lengths = async (seed: number): Promise<number[]> => {
    const clock = new FakeClock();
    const transport = new MemoryTransport(clock, createSeededRandom(seed));
    const { caller, called } = await new TransportBench(transport).openPair();
    transport.conditions.chunkBytes = 5;
    caller.connection?.write(Buffer.from("abcdefghijklmnopqrstuvwxyz"));
    await clock.runUntilIdle();
    assert.equal(called.text(), "abcdefghijklmnopqrstuvwxyz");
    return called.chunks.map((chunk) => chunk.length);
  };
  const first = await lengths(1);
  assert.ok(first.every((length) => length >= 1 && length <= 5));
  assert.deepEqual(await lengths(1), first);
  assert.notDeepEqual(await lengths(2), first);
});

test("MemoryTransport delivers nothing through a cut cable, and all of it when healed", async () => {
  const clock = new FakeClock();
  const transport = new MemoryTransport(clock);
  const bench = new TransportBench(transport);
  const { caller, called } = await bench.openPair();
  transport.conditions.cut = true;
  caller.connection?.write(Buffer.from("patience"));
  const late = new ConnectionRecorder("late caller");
  bench.connect(late, { timeoutMs: 500 });
  await clock.elapse(500);
  assert.equal(called.text(), "");
  assert.equal(late.failure?.kind, "timeout");
  transport.heal();
  await clock.runUntilIdle();
  assert.equal(called.text(), "patience");
});

test("MemoryTransport breaks a connection for both sides on demand", async () => {
  const transport = new MemoryTransport(new FakeClock());
  const { caller, called } = await new TransportBench(transport).openPair();
  assert.equal(transport.openConnections().length, 2);
  transport.openConnections()[0]?.injectReset();
  assert.equal((await caller.closed())?.kind, "reset");
  assert.equal((await called.closed())?.kind, "reset");
  assert.equal(transport.openConnections().length, 0);
});
