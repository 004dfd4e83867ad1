// A seeded generator of HTTP/1.1 requests that are malformed, cut short or ambiguous, with enough well-formed ones among
// them that accepting is exercised as well. The same seed gives the same bytes on every runtime.
import { Buffer } from "node:buffer";
import type { Random } from "../../src/random/random.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";

/** `count` messages: head and, where it announces one, a body (often another than announced). */
export function* generateHeads(seed: number, count: number): Iterable<Uint8Array> {
  const random = createSeededRandom(seed);
  for (let index = 0; index < count; index += 1) yield Buffer.from(generate(random), "latin1");
}

const METHODS = [
  "GET",
  "POST",
  "PUT",
  "HEAD",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "CONNECT",
  "TRACE",
  "get",
  "BREW",
  "G\tT",
  "",
  "POST\0",
];
const TARGETS = [
  "/",
  "/a/b?c=d",
  "/a/../b",
  "/%2e%2e/x",
  "//a",
  "/a b",
  "*",
  "http://b/c",
  "http://b",
  "http://u@b/",
  "http://b:99999/",
  "https://b/",
  "a",
  "/a#b",
  "/\x80",
  "/a\x00b",
  "/%00",
  `/${"a".repeat(9_000)}`,
  "b:443",
  "",
];
const VERSIONS = [
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "http/1.1",
  "HTTP/1.1 ",
  "HTTP/1.10",
  "HTTP/0.9",
  "",
];
const LENGTHS = [
  "5",
  "5",
  "5",
  "0",
  "05",
  "+5",
  "-1",
  "5, 5",
  "5,6",
  "0x5",
  "5 ",
  "",
  "9007199254740993",
  "18446744073709551621",
  "1e1",
  "five",
  "\t5",
  "5\x0b",
];
const CODINGS = [
  "chunked",
  "chunked",
  "chunked",
  "Chunked",
  "identity",
  "gzip, chunked",
  "chunked, chunked",
  "chunked, identity",
  "xchunked",
  " chunked ",
  "\x0bchunked",
  '"chunked"',
  "chunked;a=b",
  "",
  "chunk\0ed",
  ",chunked",
  "chunked\x80",
];
const NAMES = [
  "Content-Length",
  "content-length",
  "CONTENT-LENGTH",
  "Content_Length",
  "Content-Length ",
  " Content-Length",
  "Content\tLength",
  "Content-Length\0",
];
const CODING_NAMES = [
  "Transfer-Encoding",
  "transfer-encoding",
  "Transfer_Encoding",
  "Transfer-Encoding ",
  " Transfer-Encoding",
  "Transfer-Encoding\t",
  "X: y\nTransfer-Encoding",
  "X: y\rTransfer-Encoding",
  "Transfer-\r\n Encoding",
];
const HOSTS = [
  "a",
  "a:80",
  "a.b.c",
  "[::1]:80",
  "",
  "a, b",
  "a b",
  "u@a",
  "a/b",
  "a:b",
  "%61",
  "a\\b",
  "a\x00",
  "127.0.0.1",
];
const OTHERS = [
  "Accept: */*",
  "X: y",
  "X:y",
  "X: ",
  "X:\ty\t",
  "X: a\r\n b",
  "X : y",
  ": y",
  "X",
  "X: \0",
  "X: \x01",
  "X: \x7f",
  "X: \xff",
  "X\xff: y",
  "X[]: y",
  "Cookie: a=b",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: Transfer-Encoding",
  "Connection: Content-Length",
  "Connection: close, X",
  "Connection: Host",
  "Connection: \x80",
  "TE: trailers",
  "TE: gzip",
  "Upgrade: h2c",
  "Upgrade: websocket",
  "Expect: 100-continue",
  "Expect: x",
  "Trailer: X",
  "Keep-Alive: timeout=5",
  "Proxy-Connection: keep-alive",
  "Proxy-Authorization: Basic x",
];
const ENDS = [
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\n",
  "\r",
  "\r\r\n",
  "\n\r",
  "\r\n\r\n",
  "\r\n ",
  "\0\r\n",
];
const BODIES = [
  "hello",
  "hello",
  "5\r\nhello\r\n0\r\n\r\n",
  "5\r\nhello\r\n0\r\n\r\n",
  "0\r\n\r\n",
  "",
  "hell",
  "helloGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n",
  "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n",
  "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
  "5 \r\nhello\r\n0\r\n\r\n",
  "+5\r\nhello\r\n0\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "5\nhello\n0\n\n",
  "5\r\nhelloX\r\n0\r\n\r\n",
  "00000000000000005\r\nhello\r\n0\r\n\r\n",
  "FFFFFFFFFFFFFFFF\r\nhello",
  "0\r\nContent-Length: 3\r\n\r\nabc",
  "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
  "5\r\nhello\r\n0\n\r\n",
];
const BYTES = [0, 1, 9, 10, 11, 12, 13, 32, 34, 44, 58, 59, 64, 92, 127, 128, 160, 255];

const VALID: readonly string[] = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /products?id=1 HTTP/1.1\r\nHost: reviews.default:9080\r\nUser-Agent: curl/8\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
  "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
  "GET http://b:81/c?d HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n",
  "PUT /a HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "DELETE /a%20b/../c HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: X-Hop\r\n\r\n",
];

function generate(random: Random): string {
  const kind = random.below(10);
  if (kind < 4) return mutate(pick(random, VALID), random, 1 + random.below(3));
  if (kind < 5) return pick(random, VALID).slice(0, random.below(120));
  if (kind < 8) return smuggle(random);
  if (kind < 9) return compose(random);
  return kind === 9 && random.below(4) === 0 ? noise(random) : pick(random, VALID);
}

/** Changes, inserts, removes, doubles or swaps a few bytes or lines of a valid message. */
function mutate(text: string, random: Random, times: number): string {
  let result = text;
  for (let time = 0; time < times; time += 1) {
    const at = random.below(result.length + 1);
    const byte = String.fromCharCode(
      random.below(3) === 0 ? random.below(256) : (BYTES[random.below(BYTES.length)] ?? 0),
    );
    switch (random.below(7)) {
      case 0:
        result = result.slice(0, at) + byte + result.slice(at + 1);
        break;
      case 1:
        result = result.slice(0, at) + byte + result.slice(at);
        break;
      case 2:
        result = result.slice(0, at) + result.slice(at + 1 + random.below(4));
        break;
      case 3:
        result = result.slice(0, at) + result.slice(Math.max(0, at - random.below(20)));
        break;
      case 4:
        result = shuffleLines(result, random);
        break;
      case 5:
        result = result.replace("\r\n", pick(random, ENDS));
        break;
      default:
        result = result.slice(0, at);
        break;
    }
  }
  return result;
}

function shuffleLines(text: string, random: Random): string {
  const lines = text.split("\r\n");
  const from = random.below(lines.length);
  const to = random.below(lines.length);
  const line = lines[from] ?? "";
  if (random.below(2) === 0) lines.splice(to, 0, line);
  else {
    lines[from] = lines[to] ?? "";
    lines[to] = line;
  }
  return lines.join("\r\n");
}

/** A well-formed frame around one or two ways of saying where the body ends. */
function smuggle(random: Random): string {
  const lines = [`Host: ${random.below(8) === 0 ? pick(random, HOSTS) : "a"}`];
  const lengths = random.below(3);
  for (let count = 0; count < lengths; count += 1) {
    const name = random.below(3) === 0 ? pick(random, NAMES) : "Content-Length";
    lines.push(`${name}: ${random.below(2) === 0 ? "5" : pick(random, LENGTHS)}`);
  }
  const codings = random.below(3);
  for (let count = 0; count < codings; count += 1) {
    const name = random.below(3) === 0 ? pick(random, CODING_NAMES) : "Transfer-Encoding";
    lines.push(
      `${name}:${random.below(4) === 0 ? "" : " "}${random.below(2) === 0 ? "chunked" : pick(random, CODINGS)}`,
    );
  }
  if (random.below(4) === 0) lines.push(pick(random, OTHERS));
  lines.sort(() => random.below(3) - 1);
  const end = random.below(6) === 0 ? pick(random, ENDS) : "\r\n";
  return `POST /a HTTP/1.1\r\n${lines.join(end)}\r\n\r\n${pick(random, BODIES)}`;
}

/** Any part with any other part. */
function compose(random: Random): string {
  const end = random.below(3) === 0 ? pick(random, ENDS) : "\r\n";
  const method = random.below(2) === 0 ? "GET" : pick(random, METHODS);
  const target = random.below(2) === 0 ? "/" : pick(random, TARGETS);
  const gap = random.below(8) === 0 ? pick(random, ["  ", "\t", "", " \t"]) : " ";
  const lines = [`${method}${gap}${target} ${pick(random, VERSIONS)}`];
  if (random.below(8) !== 0) lines.push(`Host: ${random.below(2) === 0 ? "a" : pick(random, HOSTS)}`);
  const others = random.below(5);
  for (let count = 0; count < others; count += 1) lines.push(pick(random, OTHERS));
  if (random.below(50) === 0) for (let count = 0; count < 120; count += 1) lines.push("X: y");
  if (random.below(50) === 0) lines.push(`X: ${"y".repeat(70_000)}`);
  const before = random.below(10) === 0 ? pick(random, ["\r\n", "\r\n\r\n", "\n", " ", "\0"]) : "";
  return `${before}${lines.join(end)}${end}\r\n`;
}

function noise(random: Random): string {
  return Buffer.from(random.bytes(random.below(300))).toString("latin1");
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T; // below() is below the length
}
