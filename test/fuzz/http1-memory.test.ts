import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import type { Head } from "../../src/proxy/head.ts";
import { DEFAULT_DECODER_LIMITS, type DecoderLimits } from "../../src/proxy/http1/decoder-contract.ts";
import { HeadParser, ROLE_REQUEST, ROLE_RESPONSE } from "../../src/proxy/http1/head-parser.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { fuzzRuns, fuzzSeed } from "./fuzz-runs.ts";
import { generateHeads } from "./http1-heads.ts";

// A parser that remembers lines must read each head as one that has seen nothing reads it.

const LINES = [
  "Host: reviews:9080",
  "Host: reviews",
  "Host: [::1]:80",
  "host:  reviews \t",
  "Host:",
  "Host: a b",
  "Host : a",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/129.0",
  "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  `Cookie: ${"session=1; ".repeat(12)}`,
  `Cookie: ${"session=1; ".repeat(11)}session=2; `,
  `Cookie: ${"session=1; ".repeat(500)}`,
  "X-Request-Id: 1",
  "X-Request-Id: 2",
  "X-Request-Id: 33",
  "X-Request-Id2: 1",
  "X-B3-TraceId: 463ac35c9f6413ad48485a3953bb6124",
  "Content-Length: 5",
  "Content-Length: 05",
  "Content-Length: 9007199254740993",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip",
  "Connection: keep-alive",
  "Connection: close",
  "Connection: upgrade, x-request-id",
  "Connection: te, host",
  "Connection: (",
  "TE: trailers",
  "TE: gzip",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Expect: 100-continue",
  "Expect: else",
  "Keep-Alive: timeout=5",
  "X: ",
  "X:\ty\t",
  "X: \x00",
  "X: a\nb",
  "X: a\rb",
  " folded",
  ": x",
  "",
];
const RUNS = fuzzRuns(1_000);
const FIRST_HOST = "Host: first";
const REQUEST_LINES = [
  "GET / HTTP/1.1",
  "GET /a/b?c=d HTTP/1.1",
  "GET / HTTP/1.0",
  "POST http://other/x HTTP/1.1",
  "OPTIONS http://other HTTP/1.1",
  "CONNECT a:443 HTTP/1.1",
  "GET / HTTP/2.0",
];
const STATUS_LINES = ["HTTP/1.1 200 OK", "HTTP/1.1 304 Not Modified", "HTTP/1.0 200", "HTTP/1.1 100 Continue"];
const LIMITS: DecoderLimits = { ...DEFAULT_DECODER_LIMITS, maxHeadBytes: 8_192 };

interface Edit {
  readonly kind: "replace" | "insert" | "remove" | "swap" | "none";
  readonly at: number;
  readonly line: string;
}

interface Message {
  readonly startLine: number;
  readonly edits: readonly Edit[];
  /** The edits last: later heads are made from the result. */
  readonly lasting: boolean;
  /** Bytes in front of the head in its chunk. */
  readonly before: number;
  readonly cuts: readonly number[];
}

const line = fc.constantFrom(...LINES);
const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("replace", "insert", "remove", "swap", "none"),
  at: fc.nat(24),
  line,
});
const message: fc.Arbitrary<Message> = fc.record({
  startLine: fc.nat(20),
  edits: fc.array(edit, { maxLength: 3 }),
  lasting: fc.boolean(),
  before: fc.nat(3),
  cuts: fc.oneof(fc.constant([]), fc.array(fc.nat(1_200), { maxLength: 4 })),
});

function applied(lines: readonly string[], { kind, at, line: text }: Edit): string[] {
  const index = at % Math.max(lines.length, 1);
  if (lines.length === 0) return kind === "insert" ? [text] : [];
  if (kind === "replace") return lines.with(index, text);
  if (kind === "insert") return lines.toSpliced(index, 0, text);
  if (kind === "remove") return lines.toSpliced(index, 1);
  if (kind === "none" || lines.length < 2) return [...lines];
  return lines.with(index, lines[0] ?? "").with(0, lines[index] ?? "");
}

/** Everything there is to see of a parsed head. */
function facts(parser: HeadParser, result: number): unknown {
  const { head } = parser;
  if (result < 0) return { result, failure: parser.failure?.detail ?? null };
  const { bytes, spans, ids, additions: _, ...numbers } = head as Head & Record<string, unknown>;
  return {
    result,
    numbers,
    spans: [...spans.subarray(0, head.count * 4)],
    ids: [...ids.subarray(0, head.count)],
    bytes: Buffer.from(bytes.subarray(0, head.end)).toString("latin1"),
  };
}

/** Feeds a head in chunks; returns all there is to see after each of them. */
function parse(parser: HeadParser, chunks: readonly Uint8Array[], before: number): unknown[] {
  parser.reset(false);
  const seen: unknown[] = [];
  for (const [index, chunk] of chunks.entries()) {
    const result = parser.feed(chunk, index === 0 ? before : 0);
    seen.push(facts(parser, result));
    if (result !== -1) break;
  }
  return seen;
}

function cut(text: string, before: number, cuts: readonly number[]): Uint8Array[] {
  const bytes = Buffer.from("#".repeat(before) + text, "latin1");
  const ends = [...new Set(cuts)].filter((at) => at > before && at < bytes.length).toSorted((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

for (const [name, role, startLines] of [
  ["requests", ROLE_REQUEST, REQUEST_LINES],
  ["responses", ROLE_RESPONSE, STATUS_LINES],
] as const) {
  test(`HeadParser with lines in memory reads ${name} as a fresh one does, however they change and are cut`, () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 16 }),
        fc.array(message, { minLength: 2, maxLength: 40 }),
        fc.constantFrom(LIMITS, { ...LIMITS, maxFields: 6 }),
        (start, messages, limits) => {
          // One broken line would have every head refused and nothing learned.
          let lines = [FIRST_HOST, ...start.filter((text) => isGood(role, text)).slice(0, 14)];
          const remembering = new HeadParser(role, limits);
          for (const { startLine, edits, lasting, before, cuts } of messages) {
            const edited = edits.reduce(applied, lines);
            const text = `${startLines[startLine % startLines.length]}\r\n${edited.map((each) => `${each}\r\n`).join("")}\r\n`;
            const chunks = cut(text, before, cuts);
            const seen = parse(remembering, chunks, before);
            assert.deepEqual(seen, parse(new HeadParser(role, limits), chunks, before), JSON.stringify(text));
            if (!JSON.stringify(seen).includes('"failure":"')) accepted += 1;
            if (
              lasting &&
              edited.every((each) => each === FIRST_HOST || isGood(role, each)) &&
              edited.includes(FIRST_HOST)
            )
              lines = edited;
          }
        },
      ),
      { numRuns: RUNS, seed: fuzzSeed() },
    );
    assert.ok(accepted > RUNS, `${accepted} accepted`);
  });
}

/** A line that a head with a Host of its own may have. */
function isGood(role: number, text: string): boolean {
  if (/^host/i.test(text)) return role === ROLE_RESPONSE;
  const startLine = role === ROLE_REQUEST ? "GET / HTTP/1.1\r\nHost: a" : "HTTP/1.1 200 OK";
  return new HeadParser(role, LIMITS).feed(Buffer.from(`${startLine}\r\n${text}\r\n\r\n`, "latin1"), 0) > 0;
}

test("HeadParser with lines in memory reads generated heads, sound and broken, as a fresh one does", () => {
  const random = createSeededRandom(20_261_123);
  const remembering = new HeadParser(ROLE_REQUEST, DEFAULT_DECODER_LIMITS);
  let before: Uint8Array = new Uint8Array(0);
  for (const bytes of generateHeads(20_261_123, 20_000)) {
    // Every other head is the one before again, sometimes with one byte changed.
    const again = random.below(2) === 0 && before.length > 0 ? before.slice() : bytes;
    if (random.below(3) === 0) again[random.below(again.length)] = random.below(256);
    const chunks = random.below(2) === 0 ? [again] : cut(Buffer.from(again).toString("latin1"), 0, [random.below(200)]);
    assert.deepEqual(
      parse(remembering, chunks, 0),
      parse(new HeadParser(ROLE_REQUEST, DEFAULT_DECODER_LIMITS), chunks, 0),
    );
    before = again;
  }
});
