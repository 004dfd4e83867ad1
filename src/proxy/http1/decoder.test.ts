import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { BODY_UNTIL_CLOSE, FIELD_DROPPED, FIELD_GRPC_STATUS, FIELD_OTHER } from "../head.ts";
import { DEFAULT_DECODER_LIMITS } from "./decoder-contract.ts";
import { DecoderEvents } from "./decoder-events.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED =
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n";

test("Http1Decoder waits after a request until next() is called", () => {
  const events = new DecoderEvents("request");
  events.goesOn = false;
  events.decoder.decode(latin1(GET + POST));
  assert.deepEqual(names(events), ["head", "end"]);
  assert.equal(events.decoder.pendingBytes(), POST.length);
  assert.equal(events.decoder.isIdle(), false);
  events.decoder.next();
  assert.deepEqual(names(events), ["head", "end", "head", "body", "end"]);
  events.decoder.next();
  assert.equal(events.decoder.pendingBytes(), 0);
  assert.equal(events.decoder.isIdle(), true);
});

test("Http1Decoder keeps the head until next(), while pipelined bytes come", () => {
  const events = new DecoderEvents("request");
  events.goesOn = false;
  for (const byte of latin1("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")) events.decoder.decode(Uint8Array.of(byte));
  events.decoder.decode(latin1("GET /second HTTP/1.1\r\nHost: b\r\n\r\n"));
  assert.equal(events.decoder.head.pathText(), "/first");
  assert.equal(events.decoder.head.authorityText(), "a");
  events.decoder.next();
  assert.equal(events.decoder.head.pathText(), "/second");
});

for (const at of ["head", "body", "end"] as const) {
  test(`Http1Decoder.pause() inside the ${at} event holds everything after it until resume()`, () => {
    const expected = new DecoderEvents("request");
    expected.decoder.decode(latin1(CHUNKED + GET));
    const events = new DecoderEvents("request");
    events.onEvent = (event) => {
      if (event.event === at) events.decoder.pause();
    };
    events.decoder.decode(latin1(CHUNKED + GET));
    for (let turns = 0; events.decoder.isPaused(); turns += 1) {
      assert.ok(turns < 20);
      const before = events.list.length;
      events.decoder.decode(new Uint8Array(0));
      assert.equal(events.list.length, before);
      events.decoder.resume();
    }
    assert.deepEqual(events.list, expected.list);
  });
}

test("Http1Decoder takes resume() and next() inside the events that they follow", () => {
  const events = new DecoderEvents("request");
  events.onEvent = () => {
    events.decoder.pause();
    events.decoder.resume();
  };
  events.decoder.decode(latin1(GET.repeat(1_000)));
  assert.equal(events.list.filter((event) => event.event === "end").length, 1_000);
});

test("Http1Decoder fails when more comes than it keeps while waiting", () => {
  const events = new DecoderEvents("request", { ...DEFAULT_DECODER_LIMITS, maxPendingBytes: 1_000 });
  events.goesOn = false;
  events.decoder.decode(latin1(GET));
  events.decoder.decode(new Uint8Array(600));
  assert.deepEqual(names(events), ["head", "end"]);
  events.decoder.decode(new Uint8Array(600));
  assert.equal(failure(events), "pending_overflow");
  assert.equal(events.decoder.pendingBytes(), 0);
});

test("Http1Decoder.stop() ends all events, also from inside one", () => {
  const events = new DecoderEvents("request");
  events.onEvent = (event) => {
    if (event.event === "body") events.decoder.stop();
  };
  events.decoder.decode(latin1(POST + GET));
  events.decoder.decode(latin1(GET));
  events.decoder.next();
  events.decoder.resume();
  events.decoder.finish();
  assert.deepEqual(names(events), ["head", "body"]);
});

test("Http1Decoder.finish() between requests reports nothing, within one it reports truncation", () => {
  for (const text of ["", GET, `${GET}\r\n`]) {
    const events = new DecoderEvents("request");
    events.decoder.decode(latin1(text));
    events.decoder.finish();
    assert.equal(failure(events), null, JSON.stringify(text));
  }
  for (const text of [GET, POST, CHUNKED]) {
    for (let cut = 1; cut < text.length; cut += 1) {
      const events = new DecoderEvents("request");
      events.decoder.decode(latin1(text.slice(0, cut)));
      events.decoder.finish();
      assert.equal(failure(events), "truncated", `cut at ${cut}`);
    }
  }
});

test("Http1Decoder.finish() while paused takes effect after the bytes before it", () => {
  const events = new DecoderEvents("request");
  events.onEvent = () => events.decoder.pause();
  events.decoder.decode(latin1(POST + GET));
  events.decoder.finish();
  assert.deepEqual(names(events), ["head"]);
  for (let turn = 0; turn < 10; turn += 1) events.decoder.resume();
  assert.deepEqual(names(events), ["head", "body", "end", "head", "end"]);
});

test("Http1Decoder fails on bytes without expect()", () => {
  const events = new DecoderEvents("response");
  events.decoder.decode(latin1("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  assert.equal(failure(events), "unsolicited");
  events.decoder.expect(false);
  assert.deepEqual(names(events), ["failure"]);
});

test("Http1Decoder does not let bytes after a response answer the next request", () => {
  const events = new DecoderEvents("response");
  let keepAliveAtEnd: boolean | null = null;
  events.onEvent = (event) => {
    if (event.event !== "end") return;
    keepAliveAtEnd = events.decoder.head.keepAlive;
    events.decoder.expect(false);
  };
  events.decoder.expect(false);
  events.decoder.decode(latin1("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
  assert.deepEqual(names(events), ["head", "end", "failure"]);
  assert.equal(keepAliveAtEnd, false);
});

test("Http1Decoder.finish() ends a body that lasts until close", () => {
  const events = new DecoderEvents("response");
  events.decoder.expect(false);
  events.decoder.decode(latin1("HTTP/1.1 200 OK\r\n\r\nabc"));
  assert.deepEqual(names(events), ["head", "body"]);
  assert.equal(events.decoder.head.bodyKind, BODY_UNTIL_CLOSE);
  events.decoder.finish();
  assert.deepEqual(names(events), ["head", "body", "end"]);
});

test("Http1Decoder keeps the length that a bodyless response declares", () => {
  for (const [text, toHead, length] of [
    ["HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", true, 7],
    ["HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false, 7],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", false, -1],
    ["HTTP/1.1 200 OK\r\n\r\n", true, -1],
  ] as const) {
    const events = new DecoderEvents("response");
    events.decoder.expect(toHead);
    events.decoder.decode(latin1(text));
    assert.equal(events.decoder.head.declaredLength, length, text);
    assert.equal(events.decoder.isIdle(), true);
  }
});

test("Http1Decoder drops trailers that must not be merged and knows grpc-status", () => {
  const events = new DecoderEvents("response");
  events.decoder.expect(false);
  events.decoder.decode(
    latin1("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: a\r\nX: y\r\n\r\n"),
  );
  const end = events.list.at(-1);
  assert.equal(end?.event, "end");
  assert.deepEqual(end?.event === "end" ? end.trailers : null, [
    [FIELD_GRPC_STATUS, "Grpc-Status", "0"],
    [FIELD_DROPPED, "Set-Cookie", "a"],
    [FIELD_OTHER, "X", "y"],
  ]);
});

test("Http1Decoder hands out body bytes as views of the chunk, without copying", () => {
  const bytes = latin1(POST);
  const events = new DecoderEvents("request");
  let buffer: ArrayBufferLike | null = null;
  events.onData = (view) => {
    buffer = view.buffer;
  };
  events.decoder.decode(bytes);
  assert.equal(buffer, bytes.buffer);
});

test("Http1Decoder reads a head that comes byte by byte in linear time", () => {
  const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(60_000)}\r\n\r\n`;
  const bytes = latin1(text);
  const events = new DecoderEvents("request");
  // Quadratic work would be 3.6 thousand million byte visits and take longer than the runner waits.
  for (let at = 0; at < bytes.length; at += 1) events.decoder.decode(bytes.subarray(at, at + 1));
  assert.deepEqual(names(events), ["head", "end"]);
});

test("Http1Decoder gives the same events however the bytes are cut", () => {
  const messages = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (parts, sizes) => {
      const bytes = latin1(parts.join(""));
      const whole = new DecoderEvents("request");
      whole.decoder.decode(bytes);
      whole.decoder.finish();
      const cut = new DecoderEvents("request");
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        cut.decoder.decode(bytes.slice(at, at + size));
        at += size;
      }
      cut.decoder.finish();
      assert.deepEqual(cut.list, whole.list);
    }),
    { numRuns: 2_000, seed: 20_261_122 },
  );
});

test("Http1Decoder gives the same events for responses however the bytes are cut", () => {
  const parts = fc.array(fc.constantFrom(...RESPONSE_PIECES), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 30 }), fc.boolean(), (pieces, size, toHead) => {
      const bytes = latin1(pieces.join(""));
      const whole = new DecoderEvents("response");
      whole.decoder.expect(toHead);
      whole.decoder.decode(bytes);
      whole.decoder.finish();
      const cut = new DecoderEvents("response");
      cut.decoder.expect(toHead);
      for (let at = 0; at < bytes.length; at += size) cut.decoder.decode(bytes.slice(at, at + size));
      cut.decoder.finish();
      assert.deepEqual(cut.list, whole.list);
    }),
    { numRuns: 2_000, seed: 20_261_122 },
  );
});

const PIECES: readonly string[] = [
  GET,
  POST,
  CHUNKED,
  "\r\n",
  "\r",
  "\n",
  " ",
  "GET http://b?x HTTP/1.1\r\nHost: c\r\nConnection: x\r\nX: y\r\n\r\n",
  "GET / HTTP/1.1\r\n",
  "GET / HTTP/2.0\r\n",
  "Host: a\r\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close, X\r\n",
  "X: y\r\n",
  "X : y\r\n",
  "\0",
  "3\r\nabc\r\n",
  "0\r\n\r\n",
  "0;ext\r\nT: 1\r\n\r\n",
];

const RESPONSE_PIECES: readonly string[] = [
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 204 \r\n\r\n",
  "HTTP/2.0 2\r\n",
  "HTTP/1.1 200\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "X: y\r\n",
  "\r\n",
  "\r",
  "abc",
  "3\r\nabc\r\n",
  "0\r\n\r\n",
];

function names(events: DecoderEvents): string[] {
  return events.list.map((event) => event.event);
}

function failure(events: DecoderEvents): string | null {
  const event = events.list.find((candidate) => candidate.event === "failure");
  return event?.event === "failure" ? event.detail : null;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
