import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  buildBlock,
  buildContinuation,
  buildData,
  buildFrame,
  buildHeaders,
  buildHeadersBlock,
  buildPing,
  buildReset,
  buildSettings,
  buildWindowUpdate,
  requestFields,
} from "../../testing/http2-frames.ts";
import { SessionPeer } from "../../testing/session-peer.ts";
import { CANCEL, FLAG_ACK, PREFACE } from "./frame.ts";

const GET = requestFields();
const POST = requestFields("/", "POST");
const ended = { end: true };

interface Fault {
  readonly what: string;
  /** What the client sends after the handshake. */
  readonly sent: readonly Uint8Array[];
  readonly code: string;
}

/** Faults that end the connection. */
const CONNECTION_FAULTS: readonly Fault[] = [
  { what: "DATA on stream 0", sent: [buildData(0, "x")], code: "PROTOCOL_ERROR" },
  { what: "HEADERS on stream 0", sent: [buildHeaders(0, GET, ended)], code: "PROTOCOL_ERROR" },
  { what: "PRIORITY on stream 0", sent: [buildFrame(2, 0, 0, Buffer.alloc(5))], code: "PROTOCOL_ERROR" },
  { what: "RST_STREAM on stream 0", sent: [buildReset(0, 0)], code: "PROTOCOL_ERROR" },
  { what: "CONTINUATION on stream 0", sent: [buildContinuation(0, Buffer.alloc(0), true)], code: "PROTOCOL_ERROR" },
  { what: "HEADERS on an even stream", sent: [buildHeaders(2, GET, ended)], code: "PROTOCOL_ERROR" },
  { what: "DATA on an idle stream", sent: [buildData(1, "x")], code: "PROTOCOL_ERROR" },
  { what: "RST_STREAM on an idle stream", sent: [buildReset(1, 0)], code: "PROTOCOL_ERROR" },
  { what: "WINDOW_UPDATE on an idle stream", sent: [buildWindowUpdate(1, 1)], code: "PROTOCOL_ERROR" },
  { what: "RST_STREAM on an even stream", sent: [buildReset(2, 0)], code: "PROTOCOL_ERROR" },
  {
    what: "a stream below the last one",
    sent: [buildHeaders(5, GET, ended), buildHeaders(3, GET, ended)],
    code: "STREAM_CLOSED",
  },
  {
    what: "a stream used again",
    sent: [buildHeaders(1, GET, ended), buildReset(1, CANCEL), buildHeaders(1, GET, ended)],
    code: "STREAM_CLOSED",
  },
  {
    what: "DATA after its own RST_STREAM",
    sent: [buildHeaders(1, POST), buildReset(1, CANCEL), buildData(1, "x")],
    code: "STREAM_CLOSED",
  },
  { what: "PUSH_PROMISE", sent: [buildHeaders(1, GET), buildFrame(5, 4, 1, Buffer.alloc(4))], code: "PROTOCOL_ERROR" },
  { what: "CONTINUATION without HEADERS", sent: [buildContinuation(1, buildBlock(GET), true)], code: "PROTOCOL_ERROR" },
  {
    what: "a header block cut by DATA",
    sent: [buildHeadersBlock(1, buildBlock(GET), { endHeaders: false }), buildData(1, "x")],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "a header block cut by PING",
    sent: [buildHeadersBlock(1, buildBlock(GET), { endHeaders: false }), buildPing()],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "a header block cut by an unknown frame",
    sent: [buildHeadersBlock(1, buildBlock(GET), { endHeaders: false }), buildFrame(0x42, 0, 0)],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "a header block continued on another stream",
    sent: [buildHeadersBlock(1, buildBlock(GET), { endHeaders: false }), buildContinuation(3, Buffer.alloc(0), true)],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "RST_STREAM of 3 bytes",
    sent: [buildHeaders(1, GET), buildFrame(3, 0, 1, Buffer.alloc(3))],
    code: "FRAME_SIZE_ERROR",
  },
  { what: "WINDOW_UPDATE of 3 bytes", sent: [buildFrame(8, 0, 0, Buffer.alloc(3))], code: "FRAME_SIZE_ERROR" },
  { what: "PING of 7 bytes", sent: [buildFrame(6, 0, 0, Buffer.alloc(7))], code: "FRAME_SIZE_ERROR" },
  { what: "PING on a stream", sent: [buildFrame(6, 0, 1, Buffer.alloc(8))], code: "PROTOCOL_ERROR" },
  { what: "GOAWAY of 4 bytes", sent: [buildFrame(7, 0, 0, Buffer.alloc(4))], code: "FRAME_SIZE_ERROR" },
  { what: "GOAWAY on a stream", sent: [buildFrame(7, 0, 1, Buffer.alloc(8))], code: "PROTOCOL_ERROR" },
  { what: "SETTINGS of 5 bytes", sent: [buildFrame(4, 0, 0, Buffer.alloc(5))], code: "FRAME_SIZE_ERROR" },
  { what: "SETTINGS on a stream", sent: [buildFrame(4, 0, 1)], code: "PROTOCOL_ERROR" },
  {
    what: "SETTINGS ACK with a payload",
    sent: [buildFrame(4, FLAG_ACK, 0, Buffer.alloc(6))],
    code: "FRAME_SIZE_ERROR",
  },
  { what: "ENABLE_PUSH 2", sent: [buildSettings([2, 2])], code: "PROTOCOL_ERROR" },
  { what: "INITIAL_WINDOW_SIZE 2^31", sent: [buildSettings([4, 0x80000000])], code: "FLOW_CONTROL_ERROR" },
  { what: "MAX_FRAME_SIZE 16,383", sent: [buildSettings([5, 16_383])], code: "PROTOCOL_ERROR" },
  { what: "MAX_FRAME_SIZE 2^24", sent: [buildSettings([5, 0x1000000])], code: "PROTOCOL_ERROR" },
  { what: "ENABLE_CONNECT_PROTOCOL 2", sent: [buildSettings([8, 2])], code: "PROTOCOL_ERROR" },
  { what: "WINDOW_UPDATE 0 of the connection", sent: [buildWindowUpdate(0, 0)], code: "PROTOCOL_ERROR" },
  {
    what: "a connection window beyond 2^31-1",
    sent: [buildWindowUpdate(0, 0x7fffffff), buildWindowUpdate(0, 0x7fffffff)],
    code: "FLOW_CONTROL_ERROR",
  },
  {
    what: "a stream window that INITIAL_WINDOW_SIZE lifts beyond 2^31-1",
    sent: [buildHeaders(1, GET), buildWindowUpdate(1, 0x7fff0000), buildSettings([4, 0x7fffffff])],
    code: "FLOW_CONTROL_ERROR",
  },
  {
    what: "DATA with as much padding as payload",
    sent: [buildHeaders(1, POST), buildFrame(0, 8, 1, Buffer.from([3, 0, 0]))],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "padded DATA without a length of padding",
    sent: [buildHeaders(1, POST), buildFrame(0, 8, 1)],
    code: "FRAME_SIZE_ERROR",
  },
  {
    what: "HEADERS with more padding than payload",
    sent: [buildFrame(1, 4 | 8, 1, Buffer.from([9, 0x82]))],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "HEADERS too short for its priority",
    sent: [buildFrame(1, 4 | 32, 1, Buffer.from([0, 0]))],
    code: "FRAME_SIZE_ERROR",
  },
  {
    what: "a stream that depends on itself",
    sent: [buildFrame(1, 4 | 32, 1, Buffer.from([0, 0, 0, 1, 0]))],
    code: "PROTOCOL_ERROR",
  },
];

/** Faults that end one stream; the connection serves another request afterwards. */
const STREAM_FAULTS: readonly Fault[] = [
  {
    what: "DATA behind the end",
    sent: [buildHeaders(1, POST), buildData(1, "x", ended), buildData(1, "y")],
    code: "STREAM_CLOSED",
  },
  {
    what: "HEADERS behind the end",
    sent: [buildHeaders(1, GET, ended), buildHeaders(1, [["x", "y"]], ended)],
    code: "STREAM_CLOSED",
  },
  {
    what: "trailers that do not end the stream",
    sent: [buildHeaders(1, POST), buildHeaders(1, [["x", "y"]])],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "pseudo-fields in trailers",
    sent: [buildHeaders(1, POST), buildHeaders(1, [[":path", "/x"]], ended)],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "framing in trailers",
    sent: [buildHeaders(1, POST), buildHeaders(1, [["content-length", "5"]], ended)],
    code: "PROTOCOL_ERROR",
  },
  { what: "WINDOW_UPDATE 0", sent: [buildHeaders(1, GET, ended), buildWindowUpdate(1, 0)], code: "PROTOCOL_ERROR" },
  {
    what: "a window beyond 2^31-1",
    sent: [buildHeaders(1, GET), buildWindowUpdate(1, 0x7fffffff)],
    code: "FLOW_CONTROL_ERROR",
  },
  {
    what: "more body than content-length",
    sent: [buildHeaders(1, [...POST, ["content-length", "2"]]), buildData(1, "abc")],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "less body than content-length",
    sent: [buildHeaders(1, [...POST, ["content-length", "5"]]), buildData(1, "abc", ended)],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "less body than content-length, before trailers",
    sent: [
      buildHeaders(1, [...POST, ["content-length", "5"]]),
      buildData(1, "abc"),
      buildHeaders(1, [["x", "y"]], ended),
    ],
    code: "PROTOCOL_ERROR",
  },
  {
    what: "no body although content-length says so",
    sent: [buildHeaders(1, [...POST, ["content-length", "5"]], ended)],
    code: "PROTOCOL_ERROR",
  },
];

function nameOf(code: string): RegExp {
  return new RegExp(` ${code}$`);
}

describe("Http2Session ends the connection for", () => {
  for (const { what, sent, code } of CONNECTION_FAULTS) {
    it(what, () => {
      const peer = new SessionPeer();
      for (const part of sent) peer.receive(part);
      assert.match(peer.goaway() ?? "no GOAWAY", nameOf(code));
      assert.equal(peer.ended?.local, true);
      assert.equal(peer.session.activeStreams(), 0);
      const { length } = peer.sent;
      peer.receive(buildHeaders(99, GET, ended));
      assert.equal(peer.sent.length, length, "nothing is sent afterwards");
    });
  }

  const starts: readonly (readonly [string, Uint8Array])[] = [
    ["an HTTP/1.1 request instead of the preface", Buffer.from("GET / HTTP/1.1\r\nHost: app\r\n\r\n")],
    ["a preface with one wrong byte", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX")],
    ["HEADERS before SETTINGS", Buffer.concat([PREFACE, buildHeaders(1, GET, ended)])],
    ["SETTINGS ACK before SETTINGS", Buffer.concat([PREFACE, buildFrame(4, FLAG_ACK, 0)])],
  ];
  for (const [what, bytes] of starts) {
    it(what, () => {
      const peer = new SessionPeer({ greets: false });
      peer.receive(bytes);
      assert.match(peer.goaway() ?? "no GOAWAY", /PROTOCOL_ERROR/);
      assert.deepEqual(peer.events, []);
    });
  }
});

describe("Http2Session that fails in the middle of a stream's frame", () => {
  it("says so once, and nothing about the stream afterwards", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, GET, ended), buildHeadersBlock(1, Buffer.from([0x80]), ended));
    assert.deepEqual(peer.events, ["1 head GET / end", "1 reset COMPRESSION_ERROR"]);
    assert.match(peer.sent.at(-1) ?? "", /^GOAWAY 1 COMPRESSION_ERROR/);
  });
});

describe("Http2Session ends one stream for", () => {
  for (const { what, sent, code } of STREAM_FAULTS) {
    it(what, () => {
      const peer = new SessionPeer();
      for (const part of sent) peer.receive(part);
      assert.ok(peer.sent.includes(`RST_STREAM 1 ${code}`), peer.sent.join("\n"));
      peer.receive(buildHeaders(3, requestFields("/alive"), ended));
      assert.equal(peer.events.at(-1), "3 head GET /alive end");
      assert.equal(peer.ended, null);
    });
  }
});
