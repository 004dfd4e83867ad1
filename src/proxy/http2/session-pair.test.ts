import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { requestHead, responseHead } from "../../testing/message-heads.ts";
import { SessionLink } from "../../testing/session-link.ts";
import type { RecordedStream, SessionPeer } from "../../testing/session-peer.ts";
import { CANCEL } from "./frame.ts";
import { toLocalHead } from "./local-head.ts";
import { EDGE_LIMITS, LINK_LIMITS } from "./session-contract.ts";

const MEGABYTE = 1_048_576;

/** Sends a whole body as an exchange does: stops when told to, goes on when writable. */
class Sender {
  readonly #peer: SessionPeer;
  readonly #stream: RecordedStream;
  readonly #body: Uint8Array;
  readonly #chunkBytes: number;
  #at: number = 0;
  /** Most that waited in the session. */
  mostPending: number = 0;

  constructor(peer: SessionPeer, stream: RecordedStream, body: Uint8Array, chunkBytes: number) {
    this.#peer = peer;
    this.#stream = stream;
    this.#body = body;
    this.#chunkBytes = chunkBytes;
    stream.onEvent = (event) => {
      if (event === "writable") this.send();
    };
  }

  send(): void {
    const { session } = this.#peer;
    while (this.#at < this.#body.length) {
      const chunk = this.#body.subarray(this.#at, this.#at + this.#chunkBytes);
      this.#at += chunk.length;
      const writable = session.sendData(this.#stream, chunk, false);
      this.mostPending = Math.max(this.mostPending, this.#stream.pendingBytes);
      if (this.#at === this.#body.length) session.sendEnd(this.#stream, null);
      if (!writable) return;
    }
  }
}

function get(peer: SessionPeer, id: number): RecordedStream {
  const stream = peer.streams.get(id);
  assert.ok(stream !== undefined, `stream ${id} is there`);
  return stream;
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

describe("Two sessions", () => {
  for (const windowBytes of [1_000, 65_535, 1_048_576]) {
    it(`carry megabytes both ways at once on many streams through windows of ${windowBytes} bytes`, () => {
      const random = createSeededRandom(windowBytes);
      const link = new SessionLink({
        streamWindowBytes: windowBytes,
        connectionWindowBytes: 65_535,
        maxHeldBytes: 4 * MEGABYTE,
      });
      const { client, server } = link;
      link.settle();
      const count = 8;
      const bodies = Array.from({ length: count }, () => random.bytes(MEGABYTE / 4));
      const answers = Array.from({ length: count }, () => random.bytes(MEGABYTE / 4));
      server.onStream = (stream) => {
        server.session.sendResponse(stream, responseHead(), false);
        new Sender(server, stream, answers[(stream.id - 1) / 2] ?? new Uint8Array(0), 10_000).send();
      };
      const head = requestHead();
      for (const body of bodies) new Sender(client, client.open(head, false), body, 16_384).send();
      link.settle(() => 1 + random.below(9_000));
      for (let index = 0; index < count; index += 1) {
        const id = index * 2 + 1;
        assert.ok(server.bodies.get(id) === toText(bodies[index] as Uint8Array), `upload ${id}`);
        assert.ok(client.bodies.get(id) === toText(answers[index] as Uint8Array), `download ${id}`);
      }
      for (const peer of [client, server]) {
        assert.equal(peer.session.activeStreams(), 0);
        assert.equal(peer.ended, null);
        assert.equal(peer.released, count);
      }
    });
  }

  it("serve 10,000 streams at once", () => {
    const link = new SessionLink({ maxStreams: 20_000 });
    const { client, server } = link;
    link.settle();
    const head = requestHead();
    for (let count = 0; count < 10_000; count += 1) {
      client.open(head, false);
      if (count % 100 === 0) link.settle();
    }
    link.settle();
    assert.equal(server.session.activeStreams(), 10_000);
    assert.equal(server.ended, null);
    for (const stream of client.streams.values())
      client.session.sendData(stream, Buffer.from(`body ${stream.id}`), true);
    link.settle();
    assert.deepEqual([client.ended, server.ended], [null, null]);
    for (const stream of [...server.streams.values()]) {
      assert.equal(server.bodies.get(stream.id), `body ${stream.id}`);
      server.respond(stream, `answer ${stream.id}`);
    }
    link.settle();
    assert.equal(client.session.activeStreams() + server.session.activeStreams(), 0);
    for (let id = 1; id < 20_000; id += 2) assert.equal(client.bodies.get(id), `answer ${id}`);
  });

  it("lose 10,000 streams that wait for a window at once, in no time", () => {
    const link = new SessionLink({ maxStreams: 20_000, streamWindowBytes: 0 });
    const { client } = link;
    link.settle();
    const head = requestHead();
    for (let count = 0; count < 10_000; count += 1) {
      client.session.sendData(client.open(head, false), Buffer.from("waits"), true);
      if (count % 100 === 0) link.settle();
    }
    const started = process.cpuUsage();
    client.session.abandon(CANCEL);
    const { user } = process.cpuUsage(started);
    assert.equal(client.released, 10_000);
    assert.ok(user < 1_000_000, `${user} µs`);
  });

  it("carry trailers behind data that had to wait, both ways", () => {
    const link = new SessionLink({ streamWindowBytes: 100 });
    const { client, server } = link;
    link.settle();
    const trailers = toLocalHead(0, "x-sum: 42\r\n", 0);
    server.onStream = (stream) => {
      server.session.sendResponse(stream, responseHead(), false);
      server.session.sendData(stream, Buffer.alloc(5_000, "b"), false);
      server.session.sendEnd(stream, trailers);
    };
    const stream = client.open(requestHead(), false);
    client.session.sendData(stream, Buffer.alloc(5_000, "a"), false);
    client.session.sendEnd(stream, trailers);
    link.settle();
    assert.equal(server.bodies.get(1)?.length, 5_000);
    assert.equal(client.bodies.get(1)?.length, 5_000);
    assert.ok(server.events.includes("1 end x-sum=42"));
    assert.ok(client.events.includes("1 end x-sum=42"));
  });

  it("hold at most a window of a paused stream, and never keep the others waiting for it", () => {
    const link = new SessionLink(EDGE_LIMITS);
    const { client, server } = link;
    link.settle();
    server.onStream = (stream) => {
      if (stream.id <= 7) server.session.pauseStream(stream);
    };
    const head = requestHead();
    const stalled = [1, 3, 5, 7].map(
      () => new Sender(client, client.open(head, false), Buffer.alloc(MEGABYTE, "s"), 16_384),
    );
    for (const sender of stalled) sender.send();
    link.settle();
    for (const id of [1, 3, 5, 7]) {
      assert.equal(get(server, id).received, 0);
      assert.ok(get(server, id).held.bytes <= EDGE_LIMITS.streamWindowBytes);
    }
    for (const sender of stalled)
      assert.ok(sender.mostPending <= 16_384, `${sender.mostPending} bytes wait at the sender`);
    const active = new Sender(client, client.open(head, false), Buffer.alloc(8 * MEGABYTE, "a"), 16_384);
    active.send();
    link.settle();
    assert.equal(get(server, 9).received, 8 * MEGABYTE);
    for (const id of [1, 3, 5, 7]) server.session.resumeStream(get(server, id));
    link.settle();
    for (const id of [1, 3, 5, 7]) assert.equal(get(server, id).received, MEGABYTE);
    assert.equal(server.ended, null);
  });

  it("give up who takes nothing before it stops the others, where callers share a connection", () => {
    const link = new SessionLink(LINK_LIMITS);
    const { client, server } = link;
    link.settle();
    server.onStream = (stream) => {
      if (stream.id < 2_000) server.session.pauseStream(stream);
    };
    const head = requestHead();
    const body = Buffer.alloc(MEGABYTE, "s");
    for (let count = 0; count < 1_000; count += 1) {
      new Sender(client, client.open(head, false), body, 65_536).send();
      link.settle();
    }
    const held = [...new Set(server.streams.values())].reduce((sum, stream) => sum + stream.held.bytes, 0);
    assert.ok(held <= LINK_LIMITS.maxHeldBytes, `${held} bytes are held`);
    const active = client.open(head, false);
    new Sender(client, active, Buffer.alloc(8 * MEGABYTE, "a"), 65_536).send();
    const { id } = active;
    link.settle();
    assert.equal(server.bodies.get(id)?.length, 8 * MEGABYTE);
  });

  it("hold no more than the limit when everybody pauses, and go on afterwards", () => {
    const link = new SessionLink(EDGE_LIMITS);
    const { client, server } = link;
    link.settle();
    server.onStream = (stream) => server.session.pauseStream(stream);
    const head = requestHead();
    for (let count = 0; count < 64; count += 1) {
      new Sender(client, client.open(head, false), Buffer.alloc(MEGABYTE / 2, "s"), 16_384).send();
    }
    link.settle();
    const streams = [...server.streams.values()];
    const held = streams.reduce((sum, stream) => sum + stream.held.bytes, 0);
    assert.ok(held <= EDGE_LIMITS.maxHeldBytes, `${held} bytes are held`);
    // Some leave, some go on.
    for (const [index, stream] of streams.entries()) {
      if (index % 2 === 0) server.session.sendReset(stream, CANCEL);
      else server.session.resumeStream(stream);
    }
    link.settle();
    assert.equal(client.session.activeStreams(), 32);
    for (const [index, stream] of streams.entries()) if (index % 2 === 1) assert.equal(stream.received, MEGABYTE / 2);
  });
});
