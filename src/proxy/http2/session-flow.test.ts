import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  buildClientStart,
  buildData,
  buildHeaders,
  buildSettings,
  buildWindowUpdate,
  requestFields,
} from "../../testing/http2-frames.ts";
import { SessionLink } from "../../testing/session-link.ts";
import { type RecordedStream, SessionPeer } from "../../testing/session-peer.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { BODY_CHUNKED, type Head } from "../head.ts";
import { CANCEL } from "./frame.ts";
import { toLocalHead } from "./local-head.ts";
import { EDGE_LIMITS, LINK_LIMITS } from "./session-contract.ts";

const POST = requestFields("/", "POST");
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

/** A request head as an exchange has it, its body of any length. */
function requestHead(): Head {
  const peer = new SessionPeer();
  peer.receive(buildHeaders(1, POST));
  const head = peer.streams.get(1)?.head.clone();
  assert.ok(head !== undefined);
  return head;
}

function responseHead(): Head {
  const head = toLocalHead(200, "", 0);
  head.bodyKind = BODY_CHUNKED;
  return head;
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

describe("Http2Session", () => {
  it("holds single bytes in a few pieces", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, POST));
    const stream = get(peer, 1);
    peer.session.pauseStream(stream);
    for (let count = 0; count < 20; count += 1) {
      peer.receive(
        ...Array.from({ length: 1_000 }, (_, index) => buildData(1, String.fromCharCode(97 + (index % 26)))),
      );
    }
    assert.equal(stream.held.bytes, 20_000);
    assert.ok(stream.held.list.length <= 6, `${stream.held.list.length} pieces`);
    peer.session.resumeStream(stream);
    assert.equal(peer.bodies.get(1)?.slice(997, 1_003), "jklabc");
    assert.equal(stream.received, 20_000);
  });

  it("resets a stream that sends beyond its window", () => {
    const peer = new SessionPeer({ limits: { streamWindowBytes: 10 } });
    peer.receive(buildHeaders(1, POST));
    peer.session.pauseStream(get(peer, 1));
    peer.receive(buildData(1, "0123456789"), buildData(1, "x"));
    assert.deepEqual(peer.sent, ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
  });

  it("counts padding as part of the window, and gives it back", () => {
    const peer = new SessionPeer({ limits: { streamWindowBytes: 300 } });
    peer.receive(buildHeaders(1, POST), buildData(1, "a", { padding: 255 }));
    assert.deepEqual(peer.sent, ["WINDOW_UPDATE 1 256"]);
    peer.session.pauseStream(get(peer, 1));
    peer.receive(buildData(1, "a", { padding: 255 }), buildData(1, "x".repeat(300)));
    assert.match(peer.sent.at(-1) ?? "", /FLOW_CONTROL_ERROR/);
  });

  it("ends the connection that sends beyond the connection's window", () => {
    const peer = new SessionPeer({ limits: { connectionWindowBytes: 65_535, maxHeldBytes: 65_535 } });
    for (const id of [1, 3, 5, 7, 9]) {
      peer.receive(buildHeaders(id, POST));
      peer.session.pauseStream(get(peer, id));
      peer.receive(buildData(id, Buffer.alloc(16_000)));
    }
    assert.match(peer.goaway() ?? "no GOAWAY", /FLOW_CONTROL_ERROR/);
  });

  it("gives the connection's window back for streams that are gone", () => {
    const peer = new SessionPeer();
    for (let id = 1; id < 400; id += 2) {
      peer.receive(buildHeaders(id, POST), buildData(id, Buffer.alloc(9_000)));
      const stream = get(peer, id);
      if (id % 4 === 1) peer.session.pauseStream(stream);
      peer.receive(buildData(id, Buffer.alloc(9_000)));
      peer.session.sendReset(stream, CANCEL);
      peer.receive(buildData(id, Buffer.alloc(9_000)));
    }
    assert.equal(peer.ended, null);
  });

  it("keeps to a window that SETTINGS makes smaller, negative and larger while data waits", () => {
    const peer = new SessionPeer({ greets: false });
    peer.receive(buildClientStart([4, 10]), buildHeaders(1, requestFields(), { end: true }));
    const stream = get(peer, 1);
    peer.sent.length = 0;
    assert.equal(peer.session.sendData(stream, Buffer.from("0123456789abcdef"), true), false);
    assert.deepEqual(peer.sent, ["DATA 1 0123456789"]);
    peer.receive(buildSettings([4, 2]));
    assert.equal(stream.sendWindow, -8);
    peer.receive(buildWindowUpdate(1, 9));
    assert.deepEqual(
      peer.sent.filter((text) => text.startsWith("DATA")),
      ["DATA 1 0123456789", "DATA 1 a"],
    );
    peer.receive(buildSettings([4, 100]));
    assert.equal(peer.sent.at(-1), "DATA 1 bcdef; END");
  });

  it("takes turns between streams that share the connection's window", () => {
    const peer = new SessionPeer();
    for (const id of [1, 3, 5]) peer.receive(buildHeaders(id, requestFields(), { end: true }));
    for (const id of [1, 3, 5]) peer.session.sendData(get(peer, id), Buffer.alloc(60_000), false);
    const sentOf = (id: number): number =>
      peer.frames
        .filter((frame) => frame.type === 0 && frame.id === id)
        .reduce((sum, frame) => sum + frame.payload.length, 0);
    assert.equal(sentOf(1) + sentOf(3) + sentOf(5), 65_535);
    for (let turn = 0; turn < 30; turn += 1) peer.receive(buildWindowUpdate(0, 3_000));
    for (const id of [1, 3, 5]) assert.ok(sentOf(id) > 30_000, `stream ${id} got ${sentOf(id)} bytes`);
  });

  it("says that data waits when the socket is full, and goes on when it drains", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, requestFields(), { end: true }));
    const stream = get(peer, 1);
    peer.session.sendResponse(stream, responseHead(), false);
    peer.writable = false;
    assert.equal(peer.session.sendData(stream, Buffer.from("one"), false), false);
    assert.equal(peer.session.sendData(stream, Buffer.from("two"), false), false);
    peer.session.sendEnd(stream, null);
    assert.ok(peer.sent.includes("DATA 1 one"));
    assert.ok(!peer.sent.join().includes("two"));
    peer.drain();
    assert.deepEqual(peer.sent.slice(-1), ["DATA 1 two; END"]);
    assert.equal(peer.session.activeStreams(), 0);
  });

  it("ends a stream once, also when its last data fills the socket", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, requestFields()));
    const stream = get(peer, 1);
    peer.session.sendResponse(stream, responseHead(), false);
    peer.writable = false;
    peer.session.sendData(stream, Buffer.from("one"), false);
    peer.session.sendData(stream, Buffer.from("two"), true);
    // What is sent now fills the socket again.
    peer.session.onDrain();
    peer.drain();
    assert.deepEqual(
      peer.sent.filter((text) => text.startsWith("DATA")),
      ["DATA 1 one", "DATA 1 two; END"],
    );
  });

  it("gives nothing of a frame to a stream that ended within it, nor to the next that uses its object", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, POST));
    const stream = get(peer, 1);
    const frame = buildData(1, "first half, second half", { end: true });
    peer.session.receive(frame.subarray(0, 20));
    peer.session.sendReset(stream, CANCEL);
    peer.session.receive(frame.subarray(20));
    peer.receive(buildHeaders(3, POST));
    assert.equal(get(peer, 3), stream, "the object is used again");
    assert.equal(peer.bodies.get(1), "first half,");
    peer.receive(buildData(1, "late"), buildData(3, "mine", { end: true }));
    assert.equal(peer.bodies.get(3), "mine");
    assert.deepEqual(
      peer.events.filter((event) => event.startsWith("3 ")),
      ["3 head POST /", "3 data 4", "3 end"],
    );
  });

  it("hands the object of a stream that ended within a frame to a new stream of a client without its data", () => {
    const peer = new SessionPeer({ role: "client" });
    const first = peer.open(requestHead(), true);
    peer.receive(buildHeaders(1, [[":status", "200"]]));
    const frame = buildData(1, "belongs to the first", { end: true });
    peer.session.receive(frame.subarray(0, 12));
    peer.session.sendReset(first, CANCEL);
    const second = peer.open(requestHead(), true);
    assert.equal(second, first, "the object is used again");
    peer.session.receive(frame.subarray(12));
    peer.receive(buildHeaders(1, [["x", "late"]], { end: true }), buildHeaders(3, [[":status", "204"]], { end: true }));
    assert.equal(peer.bodies.get(3), undefined);
    assert.deepEqual(
      peer.events.filter((event) => event.startsWith("3 ")),
      ["3 head 204 end", "3 end"],
    );
  });
});
