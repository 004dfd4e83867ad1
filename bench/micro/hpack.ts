// Nanoseconds for encoding and decoding one header block of an HTTP/2 link, with the heads of bench/requests.ts whose ids
// and path differ from one to the next. `node dist/bench/micro/hpack.js [seconds]`, also under Bun. CPU time, as other work
// on the machine does not count in it.
import { Buffer } from "node:buffer";
import { Head } from "../../src/proxy/head.ts";
import { DEFAULT_DECODER_LIMITS } from "../../src/proxy/http1/decoder-contract.ts";
import { HeadParser, ROLE_REQUEST, ROLE_RESPONSE } from "../../src/proxy/http1/head-parser.ts";
import {
  HEAD_OK,
  HeadDecoder,
  type HeadLimits,
  KIND_REQUEST,
  KIND_RESPONSE,
} from "../../src/proxy/http2/hpack/head-decoder.ts";
import { HeadEncoder } from "../../src/proxy/http2/hpack/head-encoder.ts";
import { BACKEND_BODY, REALISTIC_BODY, REALISTIC_RESPONSE_FIELDS, REQUEST_KINDS } from "../requests.ts";

const AUTHORITY = "reviews.default.svc.cluster.local:9080";
const TABLE_BYTES = 65_536;
const LIMITS: HeadLimits = { maxHeadBytes: 65_536, maxTargetBytes: 8_192, maxFields: 100, maxTableBytes: TABLE_BYTES };
const BATCH = 20_000;
const WARM_UP = 200_000;

/** Heads that are sent in turn, and the blocks that an encoder makes of them once it has learnt. */
class Case {
  readonly label: string;
  readonly heads: readonly Head[];
  readonly isRequest: boolean;
  readonly out: Uint8Array = Buffer.alloc(65_536);
  readonly encoder: HeadEncoder = new HeadEncoder({ tableBytes: TABLE_BYTES });
  readonly decoder: HeadDecoder = new HeadDecoder(LIMITS);
  readonly decoded: Head = new Head();
  readonly blockEnds: Int32Array;
  readonly blocks: Uint8Array = Buffer.alloc(65_536);
  blockBytes: number = 0;

  constructor(label: string, texts: readonly string[], isRequest: boolean) {
    this.label = label;
    this.isRequest = isRequest;
    this.heads = texts.map((text) => parse(text, isRequest));
    this.encoder.setPeerTableBytes(TABLE_BYTES);
    for (let round = 0; round < 100; round += 1) {
      for (const head of this.heads) this.decode(this.out, 0, this.encode(head, this.out, 0));
    }
    this.blockEnds = new Int32Array(this.heads.length);
    let end = 0;
    for (const [index, head] of this.heads.entries()) {
      end = this.encode(head, this.blocks, end);
      this.blockEnds[index] = end;
    }
    this.blockBytes = end / this.heads.length;
  }

  encode(head: Head, out: Uint8Array, offset: number): number {
    return this.isRequest
      ? this.encoder.encodeRequest(head, out, offset)
      : this.encoder.encodeResponse(head, out, offset);
  }

  decode(block: Uint8Array, start: number, end: number): void {
    const kind = this.isRequest ? KIND_REQUEST : KIND_RESPONSE;
    const verdict = this.decoder.decode(kind, block, start, end, this.isRequest, this.decoded);
    if (verdict !== HEAD_OK) throw new Error(`Cannot decode ${this.label}: ${this.decoder.failure?.detail}`);
  }

  encodeBatch(): void {
    const { heads, out } = this;
    for (let index = 0; index < BATCH; index += 1) this.encode(heads[index % heads.length] as Head, out, 0);
  }

  decodeBatch(): void {
    const { blockEnds, blocks } = this;
    let start = 0;
    for (let index = 0, at = 0; index < BATCH; index += 1) {
      const end = blockEnds[at] as number; // one for each head
      this.decode(blocks, start, end);
      at = at + 1 === blockEnds.length ? 0 : at + 1;
      start = at === 0 ? 0 : end;
    }
  }
}

function parse(text: string, isRequest: boolean): Head {
  const parser = new HeadParser(isRequest ? ROLE_REQUEST : ROLE_RESPONSE, DEFAULT_DECODER_LIMITS);
  parser.reset(false);
  if (parser.feed(Buffer.from(text, "latin1"), 0) < 0) throw new Error(`Cannot parse: ${parser.failure?.detail}`);
  return parser.head;
}

function createResponses(fields: readonly (readonly [string, string])[], body: string): string[] {
  return Array.from({ length: 64 }, (_, index) => {
    const id = (0x10000 + index * 257).toString(16).slice(1);
    const lines = fields.map(
      ([name, value]) => `${name}: ${name === "x-request-id" ? value.slice(0, -4) + id : value}`,
    );
    return [
      "HTTP/1.1 200 OK",
      "content-type: application/json",
      `content-length: ${body.length}`,
      ...lines,
      "",
      "",
    ].join("\r\n");
  });
}

function measure(label: string, batch: () => void, seconds: number): void {
  for (let done = 0; done < WARM_UP; done += BATCH) batch();
  const times: number[] = [];
  const start = process.cpuUsage();
  for (let before = start; ;) {
    batch();
    const used = process.cpuUsage(before);
    times.push(((used.user + used.system) * 1_000) / BATCH);
    before = process.cpuUsage();
    const all = process.cpuUsage(start);
    if (all.user + all.system > seconds * 1e6) break;
  }
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1] ?? 0;
  process.stdout.write(`${label.padEnd(44)} ${median.toFixed(0).padStart(6)} ns  (best ${times[0]?.toFixed(0)})\n`);
}

const seconds = Number(process.argv[2] ?? "1");
const runtime = "Bun" in globalThis ? `Bun ${process.versions["bun"] ?? ""}` : `Node ${process.version}`;
process.stdout.write(`${runtime}, median CPU time of the batches within ${seconds} s each\n`);
for (const workload of REQUEST_KINDS) {
  const isRealistic = workload.id === "realistic";
  const request = new Case(`${workload.id} request`, workload.requests(AUTHORITY), true);
  const responses = isRealistic
    ? createResponses(REALISTIC_RESPONSE_FIELDS, REALISTIC_BODY)
    : createResponses([], BACKEND_BODY);
  const response = new Case(`${workload.id} response`, responses, false);
  for (const one of [request, response]) {
    const bytes = `${one.blockBytes.toFixed(0)} B`;
    measure(`${one.label}: encode (${bytes})`, () => one.encodeBatch(), seconds);
    measure(`${one.label}: decode (${bytes})`, () => one.decodeBatch(), seconds);
  }
}
