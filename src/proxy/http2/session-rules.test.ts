import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  buildBlock,
  buildClientStart,
  buildData,
  buildFrame,
  buildHeaders,
  buildPing,
  buildReset,
  buildSettings,
  buildWindowUpdate,
  requestFields,
} from "../../testing/http2-frames.ts";
import { SessionPeer } from "../../testing/session-peer.ts";
import { CANCEL, FLAG_ACK, NO_ERROR } from "./frame.ts";
import { toLocalHead } from "./local-head.ts";

const GET = requestFields();
const POST = requestFields("/", "POST");
const ended = { end: true };

describe("Http2Session accepts", () => {
  it("te: trailers, several cookies, a host that is :authority, padding and priority", () => {
    const peer = new SessionPeer();
    const fields = requestFields("/", "GET", [
      ["te", "trailers"],
      ["cookie", "a=1"],
      ["cookie", "b=2"],
      ["host", "APP"],
    ]);
    const block = Buffer.concat([Buffer.from([2, 0, 0, 0, 3, 15]), buildBlock(fields), Buffer.alloc(2)]);
    peer.receive(buildFrame(1, 1 | 4 | 8 | 32, 1, block));
    assert.deepEqual(peer.events, ["1 head GET / end"]);
    const { head } = peer.streams.get(1) ?? {};
    const lines = Array.from(
      { length: head?.count ?? 0 },
      (_, index) => `${head?.nameText(index)}: ${head?.valueText(index)}`,
    );
    assert.deepEqual(lines, ["host: app", "te: trailers", "cookie: a=1; b=2"]);
  });

  it("the reserved bit of a stream id", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(0x80000001, GET, ended));
    assert.deepEqual(peer.events, ["1 head GET / end"]);
  });

  it("the last stream id there is, and none behind it", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(0x7fffffff, GET, ended));
    assert.deepEqual(peer.events, ["2147483647 head GET / end"]);
    peer.receive(buildHeaders(0x80000001, GET, ended));
    assert.match(peer.goaway() ?? "", /STREAM_CLOSED/);
  });

  it("SETTINGS, PRIORITY and frames of types that it does not know", () => {
    const peer = new SessionPeer();
    peer.receive(
      buildSettings([0x99, 7], [9, 1]),
      buildFrame(2, 0, 7, Buffer.alloc(5)),
      buildFrame(0x99, 0xff, 3, Buffer.alloc(99)),
    );
    peer.receive(buildHeaders(9, GET, ended));
    assert.deepEqual(peer.events, ["9 head GET / end"]);
  });

  it("frames that cross its own RST_STREAM", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, POST));
    const stream = peer.streams.get(1);
    assert.ok(stream !== undefined);
    peer.session.sendReset(stream, CANCEL);
    peer.receive(
      buildData(1, "late"),
      buildWindowUpdate(1, 5),
      buildHeaders(1, [["x", "y"]], ended),
      buildReset(1, NO_ERROR),
    );
    assert.equal(peer.ended, null);
    assert.deepEqual(peer.events, ["1 head POST /"]);
  });

  it("as many streams as it offered, and refuses the next alone", () => {
    const peer = new SessionPeer({ limits: { maxStreams: 3 } });
    for (const id of [1, 3, 5, 7]) peer.receive(buildHeaders(id, GET, ended));
    assert.deepEqual(peer.sent, ["RST_STREAM 7 REFUSED_STREAM"]);
    const first = peer.streams.get(1);
    assert.ok(first !== undefined);
    peer.respond(first);
    peer.receive(buildHeaders(9, GET, ended));
    assert.equal(peer.events.at(-1), "9 head GET / end");
  });
});

describe("Http2Session that drains", () => {
  it("warns first, then takes nothing new and finishes what is open", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, GET, ended));
    peer.session.sendGoaway(false);
    assert.equal(peer.goaway(), "GOAWAY 2147483647 NO_ERROR");
    peer.receive(buildHeaders(3, GET, ended));
    peer.session.sendGoaway(true);
    assert.equal(peer.goaway(), "GOAWAY 3 NO_ERROR");
    peer.receive(buildHeaders(5, GET, ended));
    assert.equal(peer.sent.at(-1), "RST_STREAM 5 REFUSED_STREAM");
    for (const id of [1, 3]) {
      const stream = peer.streams.get(id);
      assert.ok(stream !== undefined);
      peer.respond(stream, "last");
    }
    assert.ok(peer.sent.includes("DATA 3 last; END"));
    assert.equal(peer.session.activeStreams(), 0);
  });

  it("tells every stream when the connection is gone, once, and writes nothing", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, GET), buildHeaders(3, GET));
    const { length } = peer.sent;
    peer.session.abandon(CANCEL);
    peer.session.abandon(CANCEL);
    assert.deepEqual(peer.events.slice(2), ["1 reset CANCEL", "3 reset CANCEL"]);
    assert.equal(peer.sent.length, length);
    assert.equal(peer.released, 2);
  });
});

describe("Http2Session says", () => {
  it("its limits in its SETTINGS, and acknowledges the peer's", () => {
    const peer = new SessionPeer({ greets: false });
    assert.deepEqual(peer.sent, ["SETTINGS", "WINDOW_UPDATE 0 983041"]);
    peer.receive(buildClientStart([4, 1_000]));
    assert.equal(peer.sent.at(-1), "SETTINGS ACK");
    peer.receive(buildPing());
    assert.equal(peer.sent.at(-1), "PING ACK");
    peer.receive(buildPing(FLAG_ACK));
    assert.equal(peer.pongs, 1);
  });

  it("a head of its own with its fields", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, GET, ended));
    const stream = peer.streams.get(1);
    assert.ok(stream !== undefined);
    peer.session.sendResponse(stream, toLocalHead(404, "x-why: not here\r\n", 0), true);
    assert.deepEqual(peer.sent, ["HEADERS 1 :status=404 x-why=not here; END"]);
  });
});
