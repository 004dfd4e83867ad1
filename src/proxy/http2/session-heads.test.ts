import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildHeaders, requestFields, type Field } from "../../testing/http2-frames.ts";
import { SessionPeer } from "../../testing/session-peer.ts";

const GET = requestFields();
const ended = { end: true };

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
    "an empty authority",
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", ""],
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
