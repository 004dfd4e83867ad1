import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, FIELD_DROPPED, type Head } from "../head.ts";
import { DecoderEvents, type HeadFacts } from "./decoder-events.ts";
import {
  copyEncoded,
  ENCODE_CLOSE,
  ENCODE_KEEP_ALIVE,
  ENCODE_UNTIL_CLOSE,
  encodeChunkHeader,
  encodeLastChunk,
  encodeLocalResponse,
  encodeRequestHead,
  encodeResponseHead,
  isChunkedResponse,
} from "./encoder.ts";
import { renderField, toFieldLines } from "./field-line.ts";

test("encodeRequestHead() writes origin form, Host from the authority and one canonical framing", () => {
  const head = decodeRequest(
    "POST HTTP://b:81/c?d HTTP/1.1\r\nX-A:1\r\nHost: ignored\r\nContent-Length: 0005\r\nX-B:\t2 \r\nX-C: 3\r\n\r\n",
  );
  head.add(toFieldLines(renderField("x-weft-source", "default/web")));
  assert.equal(
    request(head),
    "POST /c?d HTTP/1.1\r\nhost: b:81\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nx-weft-source: default/web\r\ncontent-length: 5\r\n\r\n",
  );
});

test("encodeRequestHead() copies a canonical head as it came", () => {
  const text = "GET /a HTTP/1.1\r\nHost: b\r\nAccept: */*\r\nX: y\r\n\r\n";
  assert.equal(request(decodeRequest(text)), text);
});

test("encodeRequestHead() leaves out dropped fields and those of one hop", () => {
  const head = decodeRequest(
    "GET / HTTP/1.1\r\nA: 1\r\nConnection: keep-alive, hop\r\nHop: 2\r\nHost: b\r\nKeep-Alive: 5\r\nB: 3\r\nC: 4\r\n\r\n",
  );
  head.drop(5);
  assert.equal(request(head), "GET / HTTP/1.1\r\nA: 1\r\nHost: b\r\nC: 4\r\n\r\n");
});

test("encodeRequestHead() gives an HTTP/1.0 request an empty Host", () => {
  assert.equal(request(decodeRequest("GET / HTTP/1.0\r\n\r\n")), "GET / HTTP/1.1\r\nhost: \r\n\r\n");
});

test("encodeRequestHead() returns -1 for every space that is too small, and fits exactly", () => {
  const head = decodeRequest(
    `POST http://b/${"p".repeat(200)} HTTP/1.1\r\nHost: x\r\nA:1\r\nB: ${"b".repeat(200)}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  head.add(toFieldLines(renderField("c", "d".repeat(150))));
  const full = copyEncoded(encodeRequestHead, head, ENCODE_CLOSE);
  for (let length = 0; length < full.length; length += 1) {
    assert.equal(encodeRequestHead(head, new Uint8Array(length), 0, ENCODE_CLOSE), -1, `${length}`);
  }
  const exact = new Uint8Array(full.length + 3);
  assert.equal(encodeRequestHead(head, exact, 3, ENCODE_CLOSE), exact.length);
  assert.deepEqual(Buffer.from(exact.subarray(3)), Buffer.from(full));
});

test("encodeResponseHead() returns -1 for every space that is too small", () => {
  const head = decodeResponse("HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 12\r\n\r\n", false);
  const full = copyEncoded(encodeResponseHead, head, ENCODE_KEEP_ALIVE);
  for (let length = 0; length < full.length; length += 1) {
    assert.equal(encodeResponseHead(head, new Uint8Array(length), 0, ENCODE_KEEP_ALIVE), -1, `${length}`);
  }
});

test("copyEncoded() encodes heads of any size", () => {
  const head = decodeRequest(`GET / HTTP/1.1\r\nHost: a\r\n${`X: ${"y".repeat(3_000)}\r\n`.repeat(20)}\r\n`);
  assert.equal(copyEncoded(encodeRequestHead, head).length, head.end);
});

test("encodeResponseHead() frames each kind of body", () => {
  const until = decodeResponse("HTTP/1.1 200 OK\r\nX: y\r\n\r\n", false);
  assert.equal(response(until, 0), "HTTP/1.1 200 OK\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n");
  assert.equal(isChunkedResponse(until, 0), true);
  const flags = ENCODE_UNTIL_CLOSE | ENCODE_CLOSE;
  assert.equal(response(until, flags), "HTTP/1.1 200 OK\r\nX: y\r\nconnection: close\r\n\r\n");
  assert.equal(isChunkedResponse(until, flags), false);
  const toHead = decodeResponse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true);
  assert.equal(response(toHead, 0), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
  const noContent = decodeResponse("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false);
  assert.equal(response(noContent, 0), "HTTP/1.1 204 No Content\r\n\r\n");
  const length = decodeResponse("HTTP/1.0 404 \r\nContent-Length: 0\r\n\r\n", false);
  assert.equal(
    response(length, ENCODE_KEEP_ALIVE),
    "HTTP/1.1 404 \r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
  );
});

test("encodeChunkHeader() writes hexadecimal sizes up to 2^53 - 1", () => {
  const out = new Uint8Array(32);
  for (const size of [1, 9, 10, 15, 16, 255, 65_536, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    const end = encodeChunkHeader(size, out, 0);
    assert.equal(Buffer.from(out.subarray(0, end)).toString("latin1"), `${size.toString(16)}\r\n`);
    assert.equal(encodeChunkHeader(size, out.subarray(0, end - 1), 0), -1);
  }
});

test("encodeLastChunk() writes kept trailers only", () => {
  const events = new DecoderEvents("request");
  let text = "";
  events.onEnd = (trailers) => {
    const out = new Uint8Array(100);
    text = Buffer.from(out.subarray(0, encodeLastChunk(trailers, out, 0))).toString("latin1");
  };
  events.decoder.decode(
    latin1("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\nCookie: x\r\nB:2\r\n\r\n"),
  );
  assert.equal(text, "0\r\nA: 1\r\nB: 2\r\n\r\n");
});

test("encodeLocalResponse() is a whole answer that the decoder accepts", () => {
  const options = {
    status: 503,
    fields: [renderField("x-weft-failure", "no_endpoint")],
    body: "nobody — yet",
    close: false,
  };
  const events = new DecoderEvents("response");
  events.decoder.expect(false);
  events.decoder.decode(encodeLocalResponse({ ...options, toHead: false }));
  assert.deepEqual(
    events.list.map((event) => event.event),
    ["head", "body", "end"],
  );
  assert.equal(events.decoder.head.status, 503);
  const toHead = new DecoderEvents("response");
  toHead.decoder.expect(true);
  toHead.decoder.decode(encodeLocalResponse({ ...options, close: true, toHead: true }));
  assert.deepEqual(
    toHead.list.map((event) => event.event),
    ["head", "end"],
  );
  assert.equal(toHead.decoder.head.keepAlive, false);
});

test("renderField() refuses whatever could end the line", () => {
  assert.equal(Buffer.from(renderField("a-b", "c d")).toString("latin1"), "a-b: c d\r\n");
  for (const [name, value] of [
    ["", "x"],
    ["a b", "x"],
    ["a:", "x"],
    ["a\r\nb", "x"],
    ["é", "x"],
    ["a", "x\r\ny: z"],
    ["a", "x\n"],
    ["a", "\0"],
    ["a", " x"],
    ["a", "x "],
    ["a", "☃"],
  ] as const) {
    assert.throws(() => renderField(name, value), RangeError, JSON.stringify([name, value]));
  }
});

test("decode(encode(x)) = x for requests", () => {
  fc.assert(
    fc.property(requests(), (text) => {
      const first = facts(text);
      const encoded = request(decodeRequest(text));
      const second = facts(encoded);
      for (const key of ["method", "target", "authority", "bodyKind", "contentLength"] as const) {
        assert.equal(second[key], first[key], key);
      }
      assert.deepEqual(endToEnd(second), endToEnd(first));
      assert.equal(request(decodeRequest(encoded)), encoded, "what is canonical stays as it is");
    }),
    { numRuns: 1_000, seed: 20_261_122 },
  );
});

const HOP = new Set(["host", "content-length", "transfer-encoding", "connection"]);

function requests(): fc.Arbitrary<string> {
  const tokens = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_!~"), minLength: 1, maxLength: 12 });
  const values = fc.string({ unit: fc.constantFrom(...'abc \t,;:\xe9="/'), maxLength: 30 });
  const space = fc.constantFrom("", " ", "  ", "\t");
  const field = fc
    .tuple(tokens, space, values, space)
    .map(([name, before, value, after]) => `x-${name}:${before}${value}${after}`);
  const framing = fc.constantFrom(
    "",
    "Content-Length: 12\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\n",
  );
  const target = fc.constantFrom("/", "/a?b", "http://c", "http://c:1/d?e", "http://c?x");
  return fc
    .tuple(
      tokens,
      target,
      fc.array(field, { maxLength: 10 }),
      framing,
      fc.constantFrom("Host: h", "host:h:80"),
      fc.nat(10),
    )
    .map(([method, to, fields, frame, host, at]) => {
      const lines = [...fields];
      lines.splice(at, 0, host);
      return `${method} ${to} HTTP/1.1\r\n${lines.join("\r\n")}\r\n${frame}\r\n`;
    });
}

function endToEnd(head: HeadFacts): (readonly [string, string])[] {
  return head.fields
    .filter(([id, name]) => id !== FIELD_DROPPED && !HOP.has(name.toLowerCase()))
    .map(([, name, value]) => [name, value] as const);
}

function facts(text: string): HeadFacts {
  const events = new DecoderEvents("request");
  events.decoder.decode(latin1(text));
  const head = events.list[0];
  assert.ok(head?.event === "head", `${JSON.stringify(text)} gives ${JSON.stringify(events.list)}`);
  return head;
}

function decodeRequest(text: string): Head {
  const events = new DecoderEvents("request");
  events.goesOn = false;
  events.decoder.decode(latin1(text));
  const head = events.decoder.head;
  assert.equal(events.list[0]?.event, "head", JSON.stringify(events.list));
  assert.ok([BODY_NONE, BODY_LENGTH, BODY_CHUNKED].includes(head.bodyKind));
  return head;
}

function decodeResponse(text: string, toHead: boolean): Head {
  const events = new DecoderEvents("response");
  events.decoder.expect(toHead);
  events.decoder.decode(latin1(text));
  assert.equal(events.list[0]?.event, "head", JSON.stringify(events.list));
  return events.decoder.head;
}

function request(head: Head): string {
  return Buffer.from(copyEncoded(encodeRequestHead, head)).toString("latin1");
}

function response(head: Head, flags: number): string {
  return Buffer.from(copyEncoded(encodeResponseHead, head, flags)).toString("latin1");
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
