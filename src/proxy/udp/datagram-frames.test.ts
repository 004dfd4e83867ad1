import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DatagramReader, frameDatagram } from "./datagram-frames.ts";

test("DatagramReader finds what frameDatagram() framed, however the bytes come", () => {
  const datagrams = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
  fc.assert(
    fc.property(datagrams, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(frameDatagram));
      const found: Uint8Array[] = [];
      const reader = new DatagramReader((datagram) => found.push(datagram.slice()));
      for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
        const end = at + (cuts[cut % cuts.length] ?? 1);
        reader.push(bytes.subarray(at, end));
        at = end;
      }
      assert.deepEqual(found.map(Buffer.from), sent.map(Buffer.from));
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("DatagramReader takes the longest datagram, and keeps nothing of a whole one", () => {
  const found: number[] = [];
  const reader = new DatagramReader(({ length }) => found.push(length));
  reader.push(frameDatagram(new Uint8Array(65_535)));
  reader.push(frameDatagram(new Uint8Array(0)));
  assert.deepEqual(found, [65_535, 0]);
});
