import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COPIED_BYTES, WriteArena, WriteQueue } from "./write-queue.ts";

/** Empties a queue as Bun does: in parts of at most `most` bytes. */
function consumeAll(queue: WriteQueue, most: number): Buffer {
  const parts: Buffer[] = [];
  while (queue.bytes > 0) {
    const count = Math.min(most, queue.frontLength());
    const start = queue.frontStart();
    parts.push(Buffer.from(queue.frontBuffer().subarray(start, start + count)));
    queue.consume(count);
  }
  return Buffer.concat(parts);
}

/** Empties a queue as Node does. The views are read at the end, as late as the platform may. */
function takeAll(queue: WriteQueue): Uint8Array[] {
  const parts: Uint8Array[] = [];
  while (queue.bytes > 0) parts.push(queue.take());
  return parts;
}

/** Empties a queue as Node does when the kernel is fast (`atOnce`) or not, one write at a time where there is one. */
function sendAll(queue: WriteQueue, atOnce: boolean): Uint8Array[] {
  const only = queue.bytes === 0 ? null : queue.onlyBuffer();
  if (only === null) return takeAll(queue);
  if (!atOnce) {
    queue.detach();
    return [only];
  }
  const sent = Buffer.from(only);
  queue.consume(only.length);
  return [sent];
}

test("WriteQueue joins small writes into one buffer", () => {
  const queue = new WriteQueue(new WriteArena());
  for (const text of ["GET / HTTP/1.1\r\n", "host: a\r\n", "\r\n"]) queue.append(Buffer.from(text));
  const parts = takeAll(queue);
  assert.equal(parts.length, 1);
  assert.equal(Buffer.from(parts[0] ?? []).toString(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
});

test("WriteQueue keeps large writes by reference", () => {
  const queue = new WriteQueue(new WriteArena());
  const large = new Uint8Array(COPIED_BYTES + 1);
  queue.append(large);
  assert.equal(queue.take(), large);
});

test("WriteQueue fills its slab again from the start when all is consumed, so that nothing is allocated", () => {
  const arena = new WriteArena();
  const queue = new WriteQueue(arena);
  const slab = arena.slab;
  for (let round = 0; round < 1000; round += 1) {
    queue.append(new Uint8Array(1000));
    consumeAll(queue, 1_000_000);
  }
  assert.equal(arena.slab, slab);
});

test("WriteQueue never fills again what was taken", () => {
  const arena = new WriteArena();
  const queue = new WriteQueue(arena);
  const taken: Uint8Array[] = [];
  for (let round = 0; round < 300; round += 1) {
    queue.append(new Uint8Array(900).fill(round % 251));
    taken.push(queue.take());
  }
  for (const [round, bytes] of taken.entries())
    assert.ok(
      bytes.every((byte) => byte === round % 251),
      `round ${round}`,
    );
});

test("WriteQueues of one arena keep their bytes apart, whatever is written, consumed, taken or dropped", () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: COPIED_BYTES - 2, max: COPIED_BYTES + 2 }));
  const step = fc.record({ queue: fc.integer({ min: 0, max: 2 }), size, act: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const arena = new WriteArena();
      const queues = [0, 1, 2].map(() => ({
        queue: new WriteQueue(arena),
        expected: [] as Buffer[],
        seen: [] as Uint8Array[],
      }));
      let fill = 0;
      for (const { queue: index, size: count, act } of steps) {
        const one = queues[index] ?? assert.fail();
        fill = (fill + 1) % 256;
        const bytes = Buffer.alloc(count, fill);
        if (act % 2 === 1) one.queue.gather();
        one.queue.append(bytes);
        one.expected.push(bytes);
        // Bun consumes, Node takes; no transport does both, so a queue of ours keeps to one.
        if (act < 3 && index !== 0) one.seen.push(consumeAll(one.queue, 1 + ((act * 7919) % 5000)));
        if (act < 3 && index === 0) one.seen.push(...sendAll(one.queue, act < 2));
        if (act === 9) {
          const kept = one.queue.bytes;
          one.queue.clear();
          assert.equal(one.queue.bytes, 0);
          const all = Buffer.concat(one.expected);
          one.expected = [all.subarray(0, all.length - kept)];
        }
      }
      for (const one of queues) {
        if (one === queues[0]) one.seen.push(...takeAll(one.queue));
        else one.seen.push(consumeAll(one.queue, 777));
        assert.ok(Buffer.concat(one.seen).equals(Buffer.concat(one.expected)));
      }
    }),
    { seed: 20261122, numRuns: 300 },
  );
});

test("WriteQueue that gathers stays one buffer while others append, until it is empty", () => {
  const arena = new WriteArena();
  const gathering = new WriteQueue(arena);
  const other = new WriteQueue(arena);
  const lent = new Set<Uint8Array>();
  for (let round = 0; round < 3; round += 1) {
    for (const text of ["one ", "two ", "three"]) {
      gathering.gather();
      gathering.append(Buffer.from(text));
      other.append(Buffer.from("-"));
    }
    assert.equal(gathering.frontLength(), 13);
    lent.add(gathering.frontBuffer());
    assert.equal(consumeAll(gathering, 5).toString(), "one two three");
    assert.equal(consumeAll(other, 5).toString(), "---");
  }
  // Given back and lent again.
  assert.equal(lent.size, 1);
  assert.notEqual(arena.slab.bytes, [...lent][0]);
});
