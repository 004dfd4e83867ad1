// For `codec.alloc.test.ts`, which runs it as a process of its own: prints, per kind of message, how many heap bytes one
// decoded and encoded message costs. The smallest of several rounds counts: what is left is ours, not the compiler's.
import { Buffer } from "node:buffer";
import type { Head } from "../head.ts";
import { canonicaliseTarget } from "../path.ts";
import { DEFAULT_DECODER_LIMITS, type DecodeFailure, type Http1Sink } from "./decoder-contract.ts";
import { Http1Decoder } from "./decoder.ts";
import { encodeRequestHead, encodeResponseHead } from "./encoder.ts";

const REQUEST =
  "GET /a/b?c=d HTTP/1.1\r\nHost: reviews\r\nAccept: */*\r\nConnection: keep-alive\r\nX-Request-Id: 1\r\n\r\n";
const RESPONSE = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n";
const MESSAGES = 100_000;
const ROUNDS = 16;

class Loop implements Http1Sink {
  readonly decoder: Http1Decoder;
  readonly #out: Uint8Array = Buffer.alloc(4_096);
  readonly #role: "request" | "response";
  ended: number = 0;

  constructor(role: "request" | "response") {
    this.#role = role;
    this.decoder = new Http1Decoder(role, this, DEFAULT_DECODER_LIMITS);
  }

  onInterim(): void {}
  onHead(head: Head): void {
    if (this.#role === "request") {
      canonicaliseTarget(head);
      encodeRequestHead(head, this.#out, 0, 0);
    } else encodeResponseHead(head, this.#out, 0, 0);
  }
  onData(): void {}
  onEnd(): void {
    this.ended += 1;
    if (this.#role === "request") this.decoder.next();
  }
  onFailure(failure: DecodeFailure): void {
    throw new Error(failure.detail);
  }
}

function bytesPerMessage(role: "request" | "response", text: string): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("Cannot measure allocation: gc() is not exposed; expected --expose-gc");
  const loop = new Loop(role);
  const message = Buffer.from(text, "latin1");
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    collect();
    const before = process.memoryUsage().heapUsed;
    run(loop, message, role === "response");
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / MESSAGES);
  }
  if (loop.ended !== MESSAGES * ROUNDS) throw new Error(`Cannot measure allocation: ${loop.ended} messages ended`);
  return least;
}

function run(loop: Loop, message: Uint8Array, expects: boolean): void {
  for (let index = 0; index < MESSAGES; index += 1) {
    if (expects) loop.decoder.expect(false);
    loop.decoder.decode(message);
  }
}

process.stdout.write(
  JSON.stringify({ request: bytesPerMessage("request", REQUEST), response: bytesPerMessage("response", RESPONSE) }),
);
