import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, METHODS, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { BODY_CHUNKED, BODY_LENGTH, type Head } from "../../src/proxy/head.ts";
import { DecoderEvents, type HeadFacts } from "../../src/proxy/http1/decoder-events.ts";
import {
  CHUNK_END,
  copyEncoded,
  encodeChunkHeader,
  encodeLastChunk,
  encodeRequestHead,
} from "../../src/proxy/http1/encoder.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { generateHeads } from "./http1-heads.ts";
import { readStrictly } from "./strict-oracle.ts";

const SEED = 20_261_122;
const COUNT = 10_000;

test("generateHeads() gives the same bytes for the same seed, and a mixture", () => {
  const first = [...generateHeads(SEED, 500)].map((bytes) => Buffer.from(bytes).toString("hex"));
  assert.deepEqual(
    [...generateHeads(SEED, 500)].map((bytes) => Buffer.from(bytes).toString("hex")),
    first,
  );
  assert.ok(new Set(first).size > 300);
  assert.notDeepEqual(
    [...generateHeads(SEED + 1, 500)].map((bytes) => Buffer.from(bytes).toString("hex")),
    first,
  );
});

test(`Http1Decoder never throws or loops on ${COUNT} generated heads, whole or in pieces`, () => {
  const random = createSeededRandom(SEED);
  for (const bytes of generateHeads(SEED, COUNT)) {
    const whole = new DecoderEvents("request");
    whole.decoder.decode(bytes);
    whole.decoder.finish();
    const pieces = new DecoderEvents("request");
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random.below(40);
      pieces.decoder.decode(bytes.slice(at, at + size));
      at += size;
    }
    pieces.decoder.finish();
    assert.deepEqual(pieces.list, whole.list, show(bytes));
    // A message takes at least 16 bytes, and no message has more than three recorded events.
    assert.ok(whole.list.length <= 4 + bytes.length / 4, show(bytes));
    assert.equal(whole.decoder.pendingBytes(), 0, show(bytes));
  }
});

test(`Http1Decoder accepts and reads ${COUNT} generated heads exactly as the oracle does`, () => {
  let accepted = 0;
  for (const bytes of generateHeads(SEED, COUNT)) {
    const events = new DecoderEvents("request");
    events.goesOn = false;
    events.decoder.decode(bytes);
    const head = events.list[0];
    const found = head?.event === "head" ? readingOf(head) : null;
    assert.deepEqual(found, readStrictly(Buffer.from(bytes).toString("latin1")), show(bytes));
    if (found !== null) accepted += 1;
  }
  assert.ok(accepted > COUNT / 10 && accepted < (COUNT * 9) / 10, `${accepted} accepted`);
});

test(
  "what is passed on is read by node:http as the same method, target, host and body, and nothing besides",
  { skip: "bun" in process.versions ? "compares with llhttp, which Bun does not use" : false },
  async () => {
    const server = createServer({ insecureHTTPParser: false, maxHeaderSize: 128 * 1024 });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      let compared = 0;
      for (const bytes of generateHeads(SEED, COUNT / 4)) {
        const forwarded = forward(bytes);
        if (forwarded === null) continue;
        const seen = await receive(server, forwarded.bytes);
        assert.deepEqual(seen, [forwarded.expected, SENTINEL], `${show(bytes)} became ${show(forwarded.bytes)}`);
        compared += 1;
      }
      assert.ok(compared > 300, `${compared} compared`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
);

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly body: string;
}

interface Forwarded {
  readonly bytes: Uint8Array;
  readonly expected: Seen;
}

function readingOf(head: HeadFacts): ReturnType<typeof readStrictly> {
  const framing =
    head.bodyKind === BODY_CHUNKED ? "chunked" : head.bodyKind === BODY_LENGTH ? head.contentLength : "none";
  return { method: head.method, target: head.target, host: head.authority, framing };
}

/** The first message as the proxy would pass it on; null when it is refused, cut short or not for a server. */
function forward(bytes: Uint8Array): Forwarded | null {
  const events = new DecoderEvents("request");
  events.goesOn = false;
  let head: Uint8Array | null = null;
  let last: Uint8Array = new Uint8Array(0);
  const encodeTrailers = events.onEnd.bind(events);
  events.onHead = (decoded: Head) => {
    DecoderEvents.prototype.onHead.call(events, decoded);
    head = copyEncoded(encodeRequestHead, decoded);
  };
  events.onEnd = (trailers) => {
    const out = new Uint8Array(16_384);
    last = out.slice(0, encodeLastChunk(trailers, out, 0));
    encodeTrailers(trailers);
  };
  events.decoder.decode(bytes);
  const facts = events.list[0];
  if (facts?.event !== "head" || head === null || !events.list.some((event) => event.event === "end")) return null;
  if (facts.upgrade || !METHODS.includes(facts.method)) return null;
  const body = events.list.reduce((text, event) => (event.event === "body" ? text + event.text : text), "");
  const expected = { method: facts.method, target: facts.target, host: facts.authority, body };
  return { bytes: Buffer.concat([head, ...framed(facts.bodyKind, Buffer.from(body, "latin1"), last)]), expected };
}

function framed(bodyKind: number, body: Uint8Array, last: Uint8Array): Uint8Array[] {
  if (bodyKind !== BODY_CHUNKED) return [body];
  if (body.length === 0) return [last];
  const header = new Uint8Array(20);
  return [header.subarray(0, encodeChunkHeader(body.length, header, 0)), body, CHUNK_END, last];
}

const SENTINEL: Seen = { method: "GET", target: "/sentinel", host: "s", body: "" };
const SENTINEL_BYTES = Buffer.from("GET /sentinel HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n", "latin1");

/** All that the server reads from one connection that carries the bytes and then the sentinel. */
async function receive(server: Server, bytes: Uint8Array): Promise<(Seen | string)[]> {
  return await new Promise((resolve) => {
    const seen: (Seen | string)[] = [];
    const onRequest = async (request: IncomingMessage, response: { end(): unknown }): Promise<void> => {
      const at = seen.push("incomplete") - 1;
      let body = "";
      request.setEncoding("latin1");
      for await (const chunk of request) body += chunk as string;
      seen[at] = { method: request.method ?? "", target: request.url ?? "", host: request.headers.host ?? "", body };
      response.end();
    };
    server.removeAllListeners("request");
    server.removeAllListeners("clientError");
    server.on("request", (request, response) => void onRequest(request, response));
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      seen.push(`refused: ${error.code ?? error.message}`);
      socket.destroy();
    });
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1", () => {
      socket.write(Buffer.concat([bytes, SENTINEL_BYTES]));
    });
    socket.on("error", () => seen.push("reset"));
    socket.on("close", () => resolve(seen));
    socket.resume();
  });
}

function show(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes.subarray(0, 600)).toString("latin1"));
}
