import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  buildBlock,
  buildData,
  buildFrame,
  buildGoaway,
  buildHeaders,
  buildHeadersBlock,
  buildSettings,
  requestFields,
  type Field,
} from "../../testing/http2-frames.ts";
import { requestHead } from "../../testing/message-heads.ts";
import { SessionPeer } from "../../testing/session-peer.ts";
import { NO_ERROR } from "./frame.ts";

const GET = requestFields();
const ended = { end: true };

function nameOf(code: string): RegExp {
  return new RegExp(` ${code}$`);
}

describe("Http2Session as a client", () => {
  const request = requestHead(GET);
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
