// Nanoseconds for decoding and encoding one request head. `node dist/bench/micro/http1.js [seconds]`, also under Bun.
import { Buffer } from "node:buffer";
import { DEFAULT_DECODER_LIMITS, type DecodeFailure, type Http1Sink } from "../../src/proxy/http1/decoder-contract.ts";
import { Http1Decoder } from "../../src/proxy/http1/decoder.ts";
import { encodeRequestHead } from "../../src/proxy/http1/encoder.ts";
import { canonicaliseTarget } from "../../src/proxy/path.ts";
import type { Head } from "../../src/proxy/head.ts";

const MINIMAL = "GET / HTTP/1.1\r\nHost: reviews\r\n\r\n";

const REALISTIC = [
  "GET /products/0?locale=en-GB&currency=EUR&page=2 HTTP/1.1",
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
  "X-Request-Id: 5f0c954e-5d32-4c4a-9f5f-1f1a3c6d7e8f",
  "X-B3-TraceId: 463ac35c9f6413ad48485a3953bb6124",
  "X-B3-SpanId: a2fb4a1d1a96d312",
  "",
  "",
].join("\r\n");

class Loop implements Http1Sink {
  readonly decoder: Http1Decoder = new Http1Decoder("request", this, DEFAULT_DECODER_LIMITS);
  readonly out: Uint8Array = Buffer.alloc(4_096);
  encode: boolean = true;
  bytes: number = 0;

  onInterim(): void {}
  onHead(head: Head): void {
    canonicaliseTarget(head);
    this.bytes += this.encode ? encodeRequestHead(head, this.out, 0, 0) : head.end;
  }
  onData(): void {}
  onEnd(): void {
    this.decoder.next();
  }
  onFailure(failure: DecodeFailure): void {
    throw new Error(failure.detail);
  }
}

function measure(label: string, text: string, encode: boolean, seconds: number): void {
  const loop = new Loop();
  loop.encode = encode;
  const message = Buffer.from(text, "latin1");
  const batch = 20_000;
  for (let index = 0; index < batch * 5; index += 1) loop.decoder.decode(message);
  let best = Number.POSITIVE_INFINITY;
  const end = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
  while (process.hrtime.bigint() < end) {
    const start = process.hrtime.bigint();
    for (let index = 0; index < batch; index += 1) loop.decoder.decode(message);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / batch);
  }
  process.stdout.write(`${label.padEnd(44)} ${best.toFixed(0).padStart(6)} ns  (${message.length} bytes)\n`);
}

const seconds = Number(process.argv[2] ?? "1");
const runtime = "Bun" in globalThis ? `Bun ${process.versions["bun"] ?? ""}` : `Node ${process.version}`;
process.stdout.write(`${runtime}, best of the batches within ${seconds} s each\n`);
measure("minimal request: decode", MINIMAL, false, seconds);
measure("minimal request: decode + encode", MINIMAL, true, seconds);
measure("realistic request, 14 fields: decode", REALISTIC, false, seconds);
measure("realistic request, 14 fields: decode + encode", REALISTIC, true, seconds);
