import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  buildBlock,
  buildClientStart,
  buildContinuation,
  buildData,
  buildFrame,
  buildGoaway,
  buildHeaders,
  buildHeadersBlock,
  buildPing,
  buildReset,
  buildSettings,
  buildWindowUpdate,
  type Field,
  requestFields,
} from "../../testing/http2-frames.ts";
import { SessionPeer } from "../../testing/session-peer.ts";
import { CANCEL, FLAG_ACK, NO_ERROR, PREFACE } from "./frame.ts";
import { toLocalHead } from "./local-head.ts";

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

const bad = (...more: readonly Field[]): readonly Field[] => requestFields("/", "GET", more);
const withPath = (path: string): readonly Field[] => requestFields(path);

/** Heads that an HTTP/1.1 server could read as something else, or as more than one request. */
const MALFORMED_HEADS: readonly (readonly [string, readonly Field[]])[] = [
  ["CR LF in a value", bad(["x", "a\r\nevil: 1"])],
  ["LF in a value", bad(["x", "a\nevil: 1"])],
  ["CR in a value", bad(["x", "a\rb"])],
  ["NUL in a value", bad(["x", "a\0b"])],
  ["a value that begins with a space", bad(["x", " a"])],
  ["a value that ends with a tab", bad(["x", "a\t"])],
  ["CR LF in a cookie", bad(["cookie", "a=b\r\n\r\nGET /evil HTTP/1.1"])],
  ["a request in a value", bad(["x", "a\r\n\r\nGET /evil HTTP/1.1\r\nHost: app\r\n\r\n"])],
  ["CR LF in a name", bad(["x\r\nevil", "1"])],
  ["a colon in a name", bad(["x:y", "1"])],
  ["a space in a name", bad(["x y", "1"])],
  ["an upper-case name", bad(["X-Evil", "1"])],
  ["an empty name", bad(["", "1"])],
  ["a name that is not ASCII", bad(["x\xe9", "1"])],
  ["transfer-encoding", bad(["transfer-encoding", "chunked"])],
  ["connection", bad(["connection", "close"])],
  ["keep-alive", bad(["keep-alive", "timeout=5"])],
  ["proxy-connection", bad(["proxy-connection", "close"])],
  ["upgrade", bad(["upgrade", "websocket"])],
  ["te other than trailers", bad(["te", "gzip"])],
  ["te with more than trailers", bad(["te", "trailers, gzip"])],
  ["two content-lengths", bad(["content-length", "0"], ["content-length", "5"])],
  ["a list of content-lengths", bad(["content-length", "0, 0"])],
  ["a signed content-length", bad(["content-length", "+0"])],
  ["two hosts", bad(["host", "app"], ["host", "other"])],
  ["a host that differs from :authority", bad(["host", "other"])],
  ["a :path with a space", withPath("/a HTTP/1.1\r\nx: y")],
  ["a :path with a space alone", withPath("/a b")],
  ["a :path with CR LF", withPath("/a\r\nx: y")],
  ["a :path with NUL", withPath("/a\0")],
  ["a :path with a fragment", withPath("/a#b")],
  ["a :path that is not ASCII", withPath("/\xe9")],
  ["an empty :path", withPath("")],
  ["a relative :path", withPath("a")],
  ["an absolute-form :path", withPath("http://other/a")],
  ["* as :path of GET", withPath("*")],
  [
    "no :path",
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "app"],
    ],
  ],
  [
    "no :method",
    [
      [":scheme", "http"],
      [":authority", "app"],
      [":path", "/"],
    ],
  ],
  [
    "no :scheme",
    [
      [":method", "GET"],
      [":authority", "app"],
      [":path", "/"],
    ],
  ],
  [
    "no authority",
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
    ],
  ],
  [
    "an empty :authority",
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", ""],
      [":path", "/"],
    ],
  ],
  [
    "a user in :authority",
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "u@app"],
      [":path", "/"],
    ],
  ],
  [
    "CR LF in :authority",
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "app\r\nx: y"],
      [":path", "/"],
    ],
  ],
  ["a :method with a space", requestFields("/", "GET /evil HTTP/1.1")],
  ["a :method with CR LF", requestFields("/", "GET\r\nx: y")],
  ["an empty :method", requestFields("/", "")],
  [
    "a :scheme that is no HTTP",
    [
      [":method", "GET"],
      [":scheme", "ftp"],
      [":authority", "app"],
      [":path", "/"],
    ],
  ],
  ["two :path", bad([":path", "/b"])],
  [":status in a request", [[":status", "200"], ...GET]],
  ["an unknown pseudo-field", [[":evil", "1"], ...GET]],
  ["a pseudo-field behind a field", [["x", "y"], ...GET]],
  [":protocol without CONNECT", [[":protocol", "websocket"], ...GET]],
  [
    "h2c by CONNECT",
    [
      [":method", "CONNECT"],
      [":protocol", "h2c"],
      [":scheme", "http"],
      [":authority", "app"],
      [":path", "/"],
    ],
  ],
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

describe("Http2Session takes no request with", () => {
  for (const [what, fields] of MALFORMED_HEADS) {
    it(what, () => {
      const peer = new SessionPeer();
      peer.receive(buildHeaders(1, fields, ended));
      assert.deepEqual(
        peer.events.filter((event) => !event.startsWith("1 reset") && !event.startsWith("0 reset")),
        [],
      );
      assert.ok(peer.sent.includes("RST_STREAM 1 PROTOCOL_ERROR"), peer.sent.join("\n"));
      peer.receive(buildHeaders(3, requestFields("/alive"), ended));
      assert.equal(peer.events.at(-1), "3 head GET /alive end");
    });
  }
});

describe("Http2Session accepts", () => {
  it("te: trailers, several cookies, a host that is :authority, padding and priority", () => {
    const peer = new SessionPeer();
    const fields = bad(["te", "trailers"], ["cookie", "a=1"], ["cookie", "b=2"], ["host", "APP"]);
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

describe("Http2Session as a client", () => {
  const request = (() => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, GET, ended));
    const head = peer.streams.get(1)?.head.clone();
    if (head === undefined) throw new Error("The request was not taken");
    return head;
  })();
  const ok: readonly Field[] = [[":status", "200"]];

  const faults: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    [
      "PUSH_PROMISE",
      [buildFrame(5, 4, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), buildBlock(GET)]))],
      "PROTOCOL_ERROR",
    ],
    ["HEADERS on a stream that it did not open", [buildHeaders(3, ok, ended)], "PROTOCOL_ERROR"],
    ["HEADERS on an even stream", [buildHeaders(2, ok, ended)], "PROTOCOL_ERROR"],
    ["DATA before a head", [buildData(1, "x")], "PROTOCOL_ERROR"],
    ["ENABLE_PUSH 1", [buildSettings([2, 1])], "PROTOCOL_ERROR"],
    ["a header block that is no HPACK", [buildHeadersBlock(1, Buffer.from([0x80]), ended)], "COMPRESSION_ERROR"],
  ];
  for (const [what, sent, code] of faults) {
    it(`ends the connection for ${what}`, () => {
      const peer = new SessionPeer({ role: "client" });
      peer.open(request, true);
      for (const part of sent) peer.receive(part);
      assert.match(peer.goaway() ?? "no GOAWAY", nameOf(code));
      assert.match(peer.events.join(), /^1 reset /);
    });
  }

  const responses: readonly (readonly [string, readonly Field[]])[] = [
    ["no :status", [["x", "y"]]],
    ["a :status of two digits", [[":status", "20"]]],
    ["101", [[":status", "101"]]],
    ["an interim head that ends", [[":status", "103"]]],
    [
      "CR LF in a value",
      [
        [":status", "200"],
        ["x", "a\r\nevil: 1"],
      ],
    ],
    [
      "transfer-encoding",
      [
        [":status", "200"],
        ["transfer-encoding", "chunked"],
      ],
    ],
    [
      "two content-lengths",
      [
        [":status", "200"],
        ["content-length", "0"],
        ["content-length", "1"],
      ],
    ],
    [
      "an upper-case name",
      [
        [":status", "200"],
        ["X", "y"],
      ],
    ],
  ];
  for (const [what, fields] of responses) {
    it(`takes no response with ${what}`, () => {
      const peer = new SessionPeer({ role: "client" });
      peer.open(request, true);
      peer.receive(buildHeaders(1, fields, ended));
      assert.deepEqual(peer.events, ["1 reset PROTOCOL_ERROR"]);
      assert.equal(peer.ended, null);
    });
  }

  it("hears interim heads, the head, data and trailers in order", () => {
    const peer = new SessionPeer({ role: "client" });
    peer.open(request, true);
    peer.receive(
      buildHeaders(1, [[":status", "103"]]),
      buildHeaders(1, ok),
      buildData(1, "ab"),
      buildHeaders(1, [["x", "y"]], ended),
    );
    assert.deepEqual(peer.events, ["1 interim 103", "1 head 200", "1 data 2", "1 end x=y"]);
    assert.equal(peer.session.activeStreams(), 0);
  });

  it("is flooded by interim heads", () => {
    const peer = new SessionPeer({ role: "client", limits: { controlBurst: 100 } });
    peer.open(request, true);
    for (let index = 0; index < 200; index += 1) peer.receive(buildHeaders(1, [[":status", "103"]]));
    assert.match(peer.goaway() ?? "no GOAWAY", /ENHANCE_YOUR_CALM/);
  });

  it("waits for SETTINGS, and keeps to the server's limit of streams as it changes", () => {
    const peer = new SessionPeer({ role: "client", greets: false });
    assert.equal(peer.session.canOpen(), false);
    peer.receive(buildSettings([3, 1]));
    assert.equal(peer.session.canOpen(), true);
    peer.open(request, true);
    assert.equal(peer.session.canOpen(), false);
    peer.receive(buildSettings([3, 2]));
    assert.equal(peer.session.canOpen(), true);
  });

  it("fails what the server says by GOAWAY that it never processed, and finishes the rest", () => {
    const peer = new SessionPeer({ role: "client" });
    for (let count = 0; count < 3; count += 1) peer.open(request, true);
    peer.receive(buildGoaway(3, NO_ERROR));
    assert.deepEqual(peer.events, ["5 reset REFUSED_STREAM"]);
    assert.equal(peer.session.canOpen(), false);
    assert.equal(peer.session.isSpent(), true);
    peer.receive(buildHeaders(1, ok, ended), buildHeaders(3, ok, ended));
    assert.deepEqual(peer.events.slice(1), ["1 head 200 end", "1 end", "3 head 200 end", "3 end"]);
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
