import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  buildBlock,
  buildContinuation,
  buildData,
  buildFrame,
  buildHeaders,
  buildHeadersBlock,
  buildIndexedLiteral,
  buildInteger,
  buildLongHeaders,
  buildPing,
  buildPriority,
  buildReset,
  buildSettings,
  buildSettingsAck,
  buildWindowUpdate,
  type Field,
  requestFields,
} from "../../testing/http2-frames.ts";
import { SessionPeer } from "../../testing/session-peer.ts";
import {
  CANCEL,
  FLAG_ACK,
  FRAME_WINDOW_UPDATE,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
} from "./frame.ts";
import { toLocalHead } from "./local-head.ts";
import { EDGE_LIMITS } from "./session-contract.ts";

const CALM = "ENHANCE_YOUR_CALM";
/** Far above every burst of EDGE_LIMITS. */
const MANY = 5_000;

/** Sends what `next` makes until the session ends; returns how many it took, or -1 when it took them all. */
function flood(peer: SessionPeer, next: (index: number) => Uint8Array, count: number = MANY): number {
  for (let index = 0; index < count; index += 1) {
    peer.receive(next(index));
    if (peer.ended !== null) return index + 1;
  }
  return -1;
}

function assertCalmed(peer: SessionPeer, taken: number, atMost: number): void {
  assert.ok(taken > 0, "the flood was let through");
  assert.ok(taken <= atMost, `the flood ended after ${taken}; expected at most ${atMost}`);
  assert.match(peer.goaway() ?? "no GOAWAY", new RegExp(CALM));
  assert.equal(peer.session.isOver(), true);
}

function opened(): SessionPeer {
  const peer = new SessionPeer();
  peer.receive(buildHeaders(1, requestFields()));
  return peer;
}

describe("Http2Session ends a connection that", () => {
  const burst = EDGE_LIMITS.controlBurst;

  it("resets its requests as fast as it makes them (CVE-2023-44487)", () => {
    const peer = new SessionPeer();
    const taken = flood(peer, (index) => {
      const id = index * 2 + 1;
      return Buffer.concat([buildHeaders(id, requestFields(), { end: true }), buildReset(id, CANCEL)]);
    });
    assertCalmed(peer, taken, EDGE_LIMITS.resetBurst + 1);
  });

  const provocations: readonly (readonly [string, (id: number) => Uint8Array])[] = [
    ["a WINDOW_UPDATE of 0", (id) => buildWindowUpdate(id, 0)],
    ["a window beyond 2^31-1", (id) => buildWindowUpdate(id, 0x7fffffff)],
    ["PRIORITY of a wrong length", (id) => buildFrame(2, 0, id, Buffer.alloc(4))],
    ["PRIORITY on itself", (id) => buildPriority(id, id)],
    ["HEADERS behind the end", (id) => buildHeaders(id, [["x", "y"]], { end: true })],
    ["DATA behind the end", (id) => buildData(id, "x")],
  ];
  for (const [what, provoke] of provocations) {
    it(`makes the server reset its streams by ${what} (CVE-2025-8671)`, () => {
      const peer = new SessionPeer();
      const taken = flood(peer, (index) => {
        const id = index * 2 + 1;
        return Buffer.concat([buildHeaders(id, requestFields(), { end: true }), provoke(id)]);
      });
      assertCalmed(peer, taken, EDGE_LIMITS.resetBurst + 1);
    });
  }

  it("makes the server reset its streams by a body that differs from its content-length (CVE-2025-8671)", () => {
    const peer = new SessionPeer();
    const fields = requestFields("/", "POST", [["content-length", "1"]]);
    const taken = flood(peer, (index) => {
      const id = index * 2 + 1;
      return Buffer.concat([buildHeaders(id, fields), buildData(id, "xx")]);
    });
    assertCalmed(peer, taken, EDGE_LIMITS.resetBurst + 1);
  });

  it("makes malformed requests only (CVE-2025-8671)", () => {
    const peer = new SessionPeer();
    const taken = flood(peer, (index) => buildHeaders(index * 2 + 1, [[":method", "GET"]], { end: true }));
    assertCalmed(peer, taken, EDGE_LIMITS.resetBurst + 1);
  });

  it("opens streams beyond the limit again and again", () => {
    const peer = new SessionPeer();
    const taken = flood(peer, (index) => buildHeaders(index * 2 + 1, requestFields(), { end: true }));
    assertCalmed(peer, taken, EDGE_LIMITS.maxStreams + EDGE_LIMITS.resetBurst + 1);
    assert.equal(peer.sent.filter((text) => text.includes("REFUSED_STREAM")).length, EDGE_LIMITS.resetBurst + 1);
  });

  const floods: readonly (readonly [string, (index: number) => Uint8Array])[] = [
    ["SETTINGS", () => buildSettings([SETTINGS_INITIAL_WINDOW_SIZE, 70_000])],
    [
      "SETTINGS that thrash the HPACK table",
      (index) => buildSettings([SETTINGS_HEADER_TABLE_SIZE, (index % 2) * 4_096]),
    ],
    ["acknowledgements of SETTINGS", () => buildSettingsAck()],
    ["PING", () => buildPing()],
    ["answers to no PING", () => buildPing(FLAG_ACK)],
    ["PRIORITY", (index) => buildPriority(index * 2 + 1, 0)],
    ["empty DATA", () => buildData(1, "")],
    ["DATA that is all padding", () => buildData(1, "", { padding: 1 })],
    ["WINDOW_UPDATE of the connection", () => buildWindowUpdate(0, 1)],
    ["WINDOW_UPDATE of a stream", () => buildWindowUpdate(1, 1)],
    ["frames of unknown types", () => buildFrame(0xfe, 0, 0, Buffer.alloc(3))],
    ["GOAWAY", () => buildFrame(7, 0, 0, Buffer.alloc(8))],
  ];
  for (const [what, next] of floods) {
    it(`floods with ${what}`, () => {
      const peer = opened();
      assertCalmed(peer, flood(peer, next), burst + 2);
    });
  }

  it("floods with WINDOW_UPDATE or RST_STREAM of a stream that is closed", () => {
    for (const next of [(): Uint8Array => buildWindowUpdate(1, 1), (): Uint8Array => buildReset(1, CANCEL)]) {
      const peer = opened();
      peer.receive(buildReset(1, CANCEL));
      assertCalmed(peer, flood(peer, next), burst + 1);
    }
  });

  it("sends on and on to a stream that was reset", () => {
    const peer = opened();
    peer.receive(buildWindowUpdate(1, 0));
    assertCalmed(
      peer,
      flood(peer, () => buildData(1, "more")),
      burst + 1,
    );
  });

  it("takes a body byte by byte through its window", () => {
    const peer = new SessionPeer({ greets: false });
    peer.receive(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), buildSettings([SETTINGS_INITIAL_WINDOW_SIZE, 0]));
    peer.onStream = (stream) => peer.respond(stream, "x".repeat(100_000));
    peer.receive(buildHeaders(1, requestFields(), { end: true }));
    assertCalmed(
      peer,
      flood(peer, () => buildWindowUpdate(1, 1)),
      burst + 20,
    );
  });

  it("sends a header block in too many CONTINUATION frames (CVE-2024-27316)", () => {
    for (const part of [Buffer.alloc(0), buildBlock([["x", "y"]])]) {
      const peer = new SessionPeer();
      peer.receive(buildHeadersBlock(1, buildBlock(requestFields()), { end: true, endHeaders: false }));
      assertCalmed(
        peer,
        flood(peer, () => buildContinuation(1, part, false)),
        100,
      );
      assert.deepEqual(peer.events, []);
    }
  });

  it("sends a header block that has no end", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeadersBlock(1, buildBlock(requestFields()), { end: true, endHeaders: false }));
    const part = buildBlock([["x", "y".repeat(16_000)]]);
    assertCalmed(
      peer,
      flood(peer, () => buildContinuation(1, part, false)),
      10,
    );
  });

  it("puts more settings into one frame than there are", () => {
    const peer = new SessionPeer();
    peer.receive(
      buildSettings(...Array.from({ length: 2_000 }, () => [SETTINGS_INITIAL_WINDOW_SIZE, 70_000] as const)),
    );
    assert.match(peer.goaway() ?? "no GOAWAY", new RegExp(CALM));
  });

  it("makes requests and does not read the answers", () => {
    const peer = new SessionPeer();
    const head = toLocalHead(204, `x-large: ${"x".repeat(4_000)}\r\n`, 0);
    peer.onStream = (stream) => peer.session.sendResponse(stream, head, true);
    peer.writable = false;
    peer.keepsSent = false;
    const taken = flood(peer, (index) => buildHeaders(index * 2 + 1, requestFields("/", "HEAD"), { end: true }));
    assert.ok(taken > 0, `${peer.writtenBytes} bytes wait for a peer that does not read`);
    assert.ok(peer.writtenBytes < EDGE_LIMITS.maxBlockedBytes + 100_000);
    assert.equal(peer.session.isOver(), true);
  });
});

describe("Http2Session lets through", () => {
  it("what a flood is made of, at the pace that the limits state", () => {
    const peer = opened();
    for (let index = 0; index < MANY; index += 1) {
      peer.nowMs += 11;
      peer.receive(buildPing());
    }
    assert.equal(peer.ended, null);
  });

  it("resets at the pace that the limits state", () => {
    const peer = new SessionPeer();
    for (let index = 0; index < MANY; index += 1) {
      peer.nowMs += 1_000 / 30;
      const id = index * 2 + 1;
      peer.receive(buildHeaders(id, requestFields(), { end: true }), buildReset(id, CANCEL));
    }
    assert.equal(peer.ended, null);
  });

  it("two WINDOW_UPDATE for every DATA frame of a long download", () => {
    const peer = new SessionPeer();
    peer.keepsSent = false;
    peer.receive(buildHeaders(1, requestFields(), { end: true }));
    const stream = peer.streams.get(1);
    assert.ok(stream !== undefined);
    const chunk = Buffer.alloc(16_384);
    for (let index = 0; index < MANY; index += 1) {
      peer.session.sendData(stream, chunk, false);
      peer.receive(buildWindowUpdate(0, chunk.length), buildWindowUpdate(1, chunk.length));
    }
    assert.equal(peer.ended, null);
    assert.ok(peer.writtenBytes >= MANY * chunk.length);
  });

  it("small events with two WINDOW_UPDATE each", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, requestFields(), { end: true }));
    const stream = peer.streams.get(1);
    assert.ok(stream !== undefined);
    for (let index = 0; index < MANY; index += 1) {
      peer.session.sendData(stream, Buffer.from("event"), false);
      peer.receive(buildWindowUpdate(0, 5), buildWindowUpdate(1, 5));
    }
    assert.equal(peer.ended, null);
  });
});

describe("Http2Session and heads that are too large", () => {
  /** A request that shows that the connection and its table live. */
  function assertLives(peer: SessionPeer, id: number): void {
    peer.receive(buildHeaders(id, requestFields("/alive"), { end: true }));
    assert.equal(peer.events.at(-1), `${id} head GET /alive end`);
    assert.equal(peer.ended, null);
  }

  it("refuses too many fields on the stream alone", () => {
    const peer = new SessionPeer();
    const fields = Array.from({ length: 200 }, (_, index): Field => [`x-${index}`, "y"]);
    peer.receive(buildHeaders(1, requestFields("/", "GET", fields), { end: true }));
    assert.match(peer.events.join(), /^1 refused 431 /);
    assertLives(peer, 3);
  });

  it("refuses too many bytes on the stream alone, also across CONTINUATION", () => {
    for (const bytes of [66_000, 100_000]) {
      const peer = new SessionPeer();
      peer.receive(buildLongHeaders(1, requestFields("/", "GET", [["x-large", "y".repeat(bytes)]]), true));
      assert.match(peer.events.join(), /^1 refused 431 /, `${bytes} bytes`);
      assertLives(peer, 3);
    }
  });

  it("refuses a target that is too long on the stream alone", () => {
    const peer = new SessionPeer();
    peer.receive(buildHeaders(1, requestFields(`/${"p".repeat(9_000)}`), { end: true }));
    assert.match(peer.events.join(), /^1 refused 414 /);
    assertLives(peer, 3);
  });

  it("does not unfold a small block into a huge head (HPACK bomb)", () => {
    const peer = new SessionPeer();
    const entry = buildIndexedLiteral("x-bomb", "b".repeat(3_900));
    const bomb = Buffer.concat([buildBlock(requestFields()), entry, Buffer.alloc(10_000, 0x80 | 62)]);
    peer.receive(buildHeadersBlock(1, bomb, { end: true }));
    assert.match(peer.events.join(), /^1 refused 431 /);
    assertLives(peer, 3);
  });

  it("does not unfold crumbs of a cookie beyond the limit", () => {
    const peer = new SessionPeer();
    const entry = buildIndexedLiteral("cookie", "c".repeat(3_900));
    const bomb = Buffer.concat([buildBlock(requestFields()), entry, Buffer.alloc(10_000, 0x80 | 62)]);
    peer.receive(buildHeadersBlock(1, bomb, { end: true }));
    assert.match(peer.events.join(), /^1 refused 431 /);
    assertLives(peer, 3);
  });

  it("keeps the table within what it offered", () => {
    const peer = new SessionPeer();
    peer.receive(
      buildHeadersBlock(1, Buffer.concat([buildInteger(65_536, 5, 0x20), buildBlock(requestFields())]), { end: true }),
    );
    assert.match(peer.goaway() ?? "", /COMPRESSION_ERROR/);
  });

  it("ends the connection when a block is no HPACK, as the table is lost", () => {
    for (const block of [[0x80], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x40, 0x7f], [0xbe], [0, 0x81, 0xff, 0]]) {
      const peer = new SessionPeer();
      peer.receive(buildHeadersBlock(1, Buffer.from(block), { end: true }));
      assert.match(peer.goaway() ?? "no GOAWAY", /COMPRESSION_ERROR/, JSON.stringify(block));
    }
  });

  it("decodes the blocks of streams that it refuses, so that the table stays in step", () => {
    const peer = new SessionPeer({ limits: { maxStreams: 1 } });
    peer.receive(buildHeaders(1, requestFields()));
    const block = Buffer.concat([buildBlock(requestFields()), buildIndexedLiteral("x-kept", "value")]);
    peer.receive(buildHeadersBlock(3, block, { end: true }), buildReset(1, CANCEL));
    peer.receive(
      buildHeadersBlock(5, Buffer.concat([buildBlock(requestFields()), Buffer.from([0x80 | 62])]), { end: true }),
    );
    const { head } = peer.streams.get(5) ?? {};
    assert.equal(head?.nameText(head.count - 1), "x-kept");
  });
});

describe("Http2Session bounds a frame", () => {
  it("that is longer than it offered", () => {
    for (const type of [0, 1, 4, FRAME_WINDOW_UPDATE, 0x55]) {
      const peer = opened();
      // The head of the frame is enough.
      peer.receive(buildFrame(type, 0, 1, Buffer.alloc(EDGE_LIMITS.maxFrameBytes + 1)).subarray(0, 9));
      assert.match(peer.goaway() ?? "no GOAWAY", /FRAME_SIZE_ERROR/, `type ${type}`);
    }
  });
});
