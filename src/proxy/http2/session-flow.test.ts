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
import { requestHead, responseHead } from "../../testing/message-heads.ts";
import { type RecordedStream, SessionPeer } from "../../testing/session-peer.ts";
import { CANCEL } from "./frame.ts";

const POST = requestFields("/", "POST");

function get(peer: SessionPeer, id: number): RecordedStream {
  const stream = peer.streams.get(id);
  assert.ok(stream !== undefined, `stream ${id} is there`);
  return stream;
}

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
