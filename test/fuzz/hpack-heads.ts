// A seeded generator of heads as an HTTP/1.1 parser leaves them: some fields repeat, some vary, some are rare, as traffic
// on one connection does. The same seed gives the same heads on every runtime.
import { Buffer } from "node:buffer";
import type { Head } from "../../src/proxy/head.ts";
import { DEFAULT_DECODER_LIMITS } from "../../src/proxy/http1/decoder-contract.ts";
import { toFieldLines } from "../../src/proxy/http1/field-line.ts";
import { HeadParser, ROLE_REQUEST, ROLE_RESPONSE } from "../../src/proxy/http1/head-parser.ts";
import type { Random } from "../../src/random/random.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";

export interface GeneratedHead {
  readonly head: Head;
  readonly isRequest: boolean;
  /** Fields that must come out on the other side, names in lower case, without pseudo-fields. */
  readonly fields: readonly (readonly [string, string])[];
}

const AUTHORITIES = ["reviews", "reviews:9080", "shop.default.svc.cluster.local:8080", "10.0.0.7:80"];
const METHODS = ["GET", "GET", "GET", "POST", "PUT", "DELETE", "BREW"];
const STABLE: readonly (readonly [string, string])[] = [
  ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"],
  ["accept", "*/*"],
  ["Accept-Encoding", "gzip, deflate"],
  ["accept-language", "en-GB,en;q=0.7,de;q=0.3"],
  ["cookie", "session=4f2c1f9a7b3e4d5c8a6b; theme=dark"],
  ["Cache-Control", "max-age=0"],
  ["x-empty", ""],
  ["te", "trailers"],
  ["authorization", "Bearer 0123456789abcdef0123456789abcdef"],
  ["x-long", "v".repeat(1_500)],
  ["grpc-timeout", "1S"],
];
const DROPPED = ["connection", "keep-alive", "proxy-connection", "upgrade"];

/** One head after another, as one connection carries them. */
export function* generateHeads(seed: number, count: number): Iterable<GeneratedHead> {
  const random = createSeededRandom(seed);
  const isRequest = random.below(2) === 0;
  for (let index = 0; index < count; index += 1) yield generate(random, isRequest);
}

function generate(random: Random, isRequest: boolean): GeneratedHead {
  const lines: string[] = [];
  const fields: [string, string][] = [];
  const add = (name: string, value: string): void => {
    lines.push(`${name}:${random.below(12) === 0 ? "\t" : " "}${value}`);
    fields.push([name.toLowerCase(), value]);
  };
  const isSteady = random.below(3) > 0;
  for (const [name, value] of STABLE) {
    if (name === "te" && !isRequest) continue;
    if (isSteady ? name.length % 3 !== 0 : random.below(3) === 0) add(name, value);
  }
  add("x-request-id", token(random, 36));
  if (random.below(4) === 0) add("x-user", `user-${random.below(5)}`);
  if (random.below(4) === 0) add("x-user", `user-${random.below(500)}`);
  if (random.below(6) === 0) add(`x-rare-${random.below(300)}`, token(random, random.below(40)));
  if (random.below(6) === 0) lines.push(`${DROPPED[random.below(DROPPED.length)] ?? ""}: something`);
  if (random.below(40) === 0) add(`x-${token(random, 80)}`, token(random, 6_000));
  shuffleSometimes(random, lines, fields);
  const start = isRequest
    ? `${METHODS[random.below(METHODS.length)] ?? ""} ${target(random)} HTTP/1.1\r\nHost: ${AUTHORITIES[random.below(AUTHORITIES.length)] ?? ""}`
    : `HTTP/1.1 ${[200, 200, 200, 204, 302, 404, 503][random.below(7)] ?? 200} Some Reason`;
  if (random.below(4) === 0) {
    const length = String(random.below(100_000));
    lines.push(`Content-Length: ${length}`);
  }
  const head = parse([start, ...lines, "", ""].join("\r\n"), isRequest);
  if (random.below(5) === 0) {
    const report = `cpu=${random.below(4)}`;
    head.add(toFieldLines(Buffer.from(`x-added: 1\r\nx-report: ${report}\r\n`, "latin1")));
    fields.push(["x-added", "1"], ["x-report", report]);
  }
  return { head, isRequest, fields };
}

/** Fields and lines have the same order; those that are not passed on stand behind the others. */
function shuffleSometimes(random: Random, lines: string[], fields: [string, string][]): void {
  if (random.below(8) > 0) return;
  for (let index = fields.length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1);
    swap(lines, index, other);
    swap(fields, index, other);
  }
}

function swap<T>(list: T[], a: number, b: number): void {
  const [first, second] = [list[a], list[b]];
  if (first === undefined || second === undefined) return;
  list[a] = second;
  list[b] = first;
}

function parse(text: string, isRequest: boolean): Head {
  const parser = new HeadParser(isRequest ? ROLE_REQUEST : ROLE_RESPONSE, DEFAULT_DECODER_LIMITS);
  parser.reset(false);
  const end = parser.feed(Buffer.from(text, "latin1"), 0);
  if (end < 0) throw new Error(`Cannot generate a head: ${parser.failure?.detail}: ${text.slice(0, 200)}`);
  return parser.head;
}

function target(random: Random): string {
  return random.below(3) === 0 ? "/" : `/products/${random.below(1_000)}?page=${random.below(9)}`;
}

function token(random: Random, length: number): string {
  let text = "";
  while (text.length < length) text += random.below(36).toString(36);
  return text;
}
