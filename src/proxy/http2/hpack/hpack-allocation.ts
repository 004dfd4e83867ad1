// For `hpack.alloc.test.ts`, which runs it as a process of its own: prints, per kind of message, how many heap bytes one
// encoded and decoded head costs. The smallest of several rounds counts: what is left is ours, not the compiler's.
import { Buffer } from "node:buffer";
import { Head } from "../../head.ts";
import { DEFAULT_DECODER_LIMITS } from "../../http1/decoder-contract.ts";
import { HeadParser, ROLE_REQUEST, ROLE_RESPONSE } from "../../http1/head-parser.ts";
import { HEAD_OK, HeadDecoder, KIND_REQUEST, KIND_RESPONSE } from "./head-decoder.ts";
import { HeadEncoder } from "./head-encoder.ts";

const TABLE_BYTES = 65_536;
const HEADS = 100_000;
const ROUNDS = 16;
const VARIANTS = 256;

const REQUEST = [
  "GET /products/INDEX?locale=en-GB HTTP/1.1",
  "Host: reviews.default.svc.cluster.local:9080",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Cookie: session=4f2c1f9a7b3e4d5c8a6b; theme=dark; consent=necessary",
  "X-Forwarded-Proto: https",
  "X-Request-Id: 5f0c954e-5d32-4c4a-INDEX",
  "X-B3-TraceId: 463ac35c9f6413ad48485INDEX",
  "X-B3-Sampled: 1",
];
const RESPONSE = [
  "HTTP/1.1 200 OK",
  "content-type: application/json",
  "content-length: 1234",
  "cache-control: private, max-age=60",
  "x-request-id: 5f0c954e-5d32-4c4a-INDEX",
];

function bytesPerHead(lines: readonly string[]): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("Cannot measure allocation: gc() is not exposed; expected --expose-gc");
  const isRequest = lines === REQUEST;
  const heads = Array.from({ length: VARIANTS }, (_, index) => parse(lines, isRequest, String(index + 1_000)));
  const encoder = new HeadEncoder({ tableBytes: TABLE_BYTES });
  encoder.setPeerTableBytes(TABLE_BYTES);
  const decoder = new HeadDecoder({
    maxHeadBytes: 65_536,
    maxTargetBytes: 8_192,
    maxFields: 100,
    maxTableBytes: TABLE_BYTES,
  });
  const decoded = new Head();
  const out = Buffer.alloc(16_384);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < HEADS; index += 1) {
      const head = heads[index % VARIANTS] as Head; // VARIANTS of them
      const end = isRequest ? encoder.encodeRequest(head, out, 0) : encoder.encodeResponse(head, out, 0);
      const kind = isRequest ? KIND_REQUEST : KIND_RESPONSE;
      if (decoder.decode(kind, out, 0, end, isRequest, decoded) !== HEAD_OK) throw new Error(decoder.failure?.detail);
    }
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / HEADS);
  }
  return least;
}

function parse(lines: readonly string[], isRequest: boolean, index: string): Head {
  const parser = new HeadParser(isRequest ? ROLE_REQUEST : ROLE_RESPONSE, DEFAULT_DECODER_LIMITS);
  parser.reset(false);
  const text = `${lines.join("\r\n").replaceAll("INDEX", index)}\r\n\r\n`;
  if (parser.feed(Buffer.from(text, "latin1"), 0) < 0) throw new Error(parser.failure?.detail);
  return parser.head;
}

process.stdout.write(JSON.stringify({ request: bytesPerHead(REQUEST), response: bytesPerHead(RESPONSE) }));
