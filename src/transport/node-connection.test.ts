import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { Flusher } from "./flusher.ts";
import { NodeConnection } from "./node-connection.ts";
import { COPIED_BYTES, WriteArena } from "./write-queue.ts";

const PEER = { remoteAddress: "127.0.0.1", remotePort: 1, localPort: 2, tls: null };
/** What a full TLS record brings. */
const RECORD_BYTES = 16 * 1024;

test("NodeConnection writes what several full TLS records bring in one system call, at the end of the turn", () => {
  const { connection, calls, flusher, endTurn } = open();
  for (let record = 0; record < 3; record += 1) {
    flusher.enter();
    connection.write(Buffer.alloc(RECORD_BYTES));
    flusher.leave();
  }
  assert.deepEqual(calls, []);
  assert.equal(connection.bufferedBytes(), 3 * RECORD_BYTES);
  endTurn();
  assert.deepEqual(calls, [3 * RECORD_BYTES]);
});

test("NodeConnection writes at once when a full TLS record is followed by a small one", () => {
  const { connection, calls, flusher } = open();
  for (const bytes of [RECORD_BYTES, 100]) {
    flusher.enter();
    connection.write(Buffer.alloc(bytes));
    flusher.leave();
  }
  assert.deepEqual(calls, [RECORD_BYTES + 100]);
});

test("NodeConnection writes at once what fills a batch or is small", () => {
  for (const bytes of [65_536, COPIED_BYTES]) {
    const { connection, calls, flusher } = open();
    flusher.enter();
    connection.write(Buffer.alloc(bytes));
    flusher.leave();
    assert.deepEqual(calls, [bytes]);
  }
});

/** A connection on a stream that takes everything at once. `calls` = bytes of each system call. */
function open(): { connection: NodeConnection; calls: number[]; flusher: Flusher; endTurn: () => void } {
  let endTurn = (): void => {};
  const flusher = new Flusher((run) => (endTurn = run));
  const calls: number[] = [];
  const stream = new Duplex({
    read: () => {},
    write: (bytes: Buffer, _encoding, done) => {
      calls.push(bytes.length);
      done();
    },
    writev: (parts, done) => {
      calls.push(parts.reduce((sum, { chunk }) => sum + (chunk as Buffer).length, 0));
      done();
    },
  });
  const connection = new NodeConnection(flusher, new WriteArena(), PEER, "test");
  connection.setHandler({ onOpen: () => {}, onData: () => {}, onDrain: () => {}, onEnd: () => {}, onClose: () => {} });
  connection.open(stream as unknown as Socket, PEER, false);
  return { connection, calls, flusher, endTurn: () => endTurn() };
}
