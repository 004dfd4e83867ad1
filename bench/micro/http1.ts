// Nanoseconds for decoding and encoding one request head. `node dist/bench/micro/http1.js [seconds]`, also under Bun.
import { Buffer } from "node:buffer";
import { DEFAULT_DECODER_LIMITS, type DecodeFailure, type Http1Sink } from "../../src/proxy/http1/decoder-contract.ts";
import { Http1Decoder } from "../../src/proxy/http1/decoder.ts";
import { encodeRequestHead, encodeResponseHead } from "../../src/proxy/http1/encoder.ts";
import { canonicaliseTarget } from "../../src/proxy/path.ts";
import type { Head } from "../../src/proxy/head.ts";

const MINIMAL = "GET / HTTP/1.1\r\nHost: reviews\r\n\r\n";

/** Paths and ids differ from one to the next, as in what the comparison sends. */
const REQUESTS = 64;
const REALISTIC = Array.from({ length: REQUESTS }, (_, index) => {
  const id = (0x10000 + index * 257).toString(16).slice(1);
  return [
    `GET /products/${10 + index}?locale=en-GB&currency=EUR&page=2 HTTP/1.1`,
    "Host: reviews.default.svc.cluster.local:9080",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://shop.example.com/products?page=1",
    "Connection: keep-alive",
    "Cookie: session=4f2c1f9a7b3e4d5c8a6b; theme=dark; consent=necessary",
    "Cache-Control: max-age=0",
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Proto: https",
    `X-Request-Id: 5f0c954e-5d32-4c4a-9f5f-1f1a3c6d${id}`,
    `X-B3-TraceId: 463ac35c9f6413ad48485a3953bb${id}`,
    `X-B3-SpanId: a2fb4a1d1a96${id}`,
    "",
    "",
  ].join("\r\n");
});

const RESPONSES = Array.from({ length: REQUESTS }, (_, index) =>
  [
    "HTTP/1.1 200 OK",
    "cache-control: private, max-age=60",
    "date: Sun, 22 Nov 2026 10:00:00 GMT",
    'etag: "5f0c954e5d324c4a"',
    "server: shop",
    "vary: accept-encoding, cookie",
    "x-content-type-options: nosniff",
    "x-frame-options: DENY",
    `x-request-id: 5f0c954e-5d32-4c4a-9f5f-1f1a3c6d7e${10 + index}`,
    "content-type: application/json",
    "content-length: 0",
    "",
    "",
  ].join("\r\n"),
);

class Loop implements Http1Sink {
  readonly decoder: Http1Decoder;
  readonly #isRequest: boolean;
  readonly out: Uint8Array = Buffer.alloc(4_096);
  encode: boolean = true;
  bytes: number = 0;

  constructor(role: "request" | "response") {
    this.#isRequest = role === "request";
    this.decoder = new Http1Decoder(role, this, DEFAULT_DECODER_LIMITS);
  }

  decode(message: Uint8Array): void {
    if (!this.#isRequest) this.decoder.expect(false);
    this.decoder.decode(message);
  }

  onInterim(): void {}
  onHead(head: Head): void {
    if (this.#isRequest) canonicaliseTarget(head);
    if (!this.encode) this.bytes += head.end;
    else
      this.bytes += this.#isRequest
        ? encodeRequestHead(head, this.out, 0, 0)
        : encodeResponseHead(head, this.out, 0, 0);
  }
  onData(): void {}
  onEnd(): void {
    if (this.#isRequest) this.decoder.next();
  }
  onFailure(failure: DecodeFailure): void {
    throw new Error(failure.detail);
  }
}

interface Subject {
  readonly label: string;
  readonly loop: Loop;
  readonly messages: readonly Uint8Array[];
  best: number;
}

const BATCH = 20_000;

function run({ loop, messages }: Subject, count: number): void {
  for (let index = 0; index < count; index += 1) loop.decode(messages[index % messages.length] as Uint8Array);
}

function subject(role: "request" | "response", title: string, texts: readonly string[], encode: boolean): Subject {
  const loop = new Loop(role);
  loop.encode = encode;
  const messages = texts.map((text) => Buffer.from(text, "latin1"));
  return { label: `${title}: decode${encode ? " + encode" : ""}`, loop, messages, best: Number.POSITIVE_INFINITY };
}

const seconds = Number(process.argv[2] ?? "1");
const runtime = "Bun" in globalThis ? `Bun ${process.versions["bun"] ?? ""}` : `Node ${process.version}`;
process.stdout.write(`${runtime}, best of the batches within ${seconds} s each, by turns\n`);
const subjects = [false, true].flatMap((encode) => [
  subject("request", "minimal request", [MINIMAL], encode),
  subject("request", "realistic request, 14 fields", REALISTIC, encode),
  subject("response", "realistic response, 10 fields", RESPONSES, encode),
]);
for (const each of subjects) run(each, BATCH * 5);
const end = process.hrtime.bigint() + BigInt(Math.round(seconds * subjects.length * 1e9));
while (process.hrtime.bigint() < end) {
  for (const each of subjects) {
    const start = process.hrtime.bigint();
    run(each, BATCH);
    each.best = Math.min(each.best, Number(process.hrtime.bigint() - start) / BATCH);
  }
}
for (const { label, best, messages } of subjects) {
  process.stdout.write(`${label.padEnd(48)} ${best.toFixed(0).padStart(6)} ns  (${messages[0]?.length} bytes)\n`);
}
