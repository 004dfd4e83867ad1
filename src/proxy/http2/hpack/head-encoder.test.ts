import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import { ReferenceDecoder, type ReferenceField } from "../../../../test/fuzz/hpack-reference.ts";
import { BODY_LENGTH, BODY_NONE, BODY_TUNNEL, FIELD_OTHER, FIELD_UPGRADE, type Head } from "../../head.ts";
import { DEFAULT_DECODER_LIMITS } from "../../http1/decoder-contract.ts";
import { renderField, toFieldLines } from "../../http1/field-line.ts";
import { HeadParser, ROLE_REQUEST, ROLE_RESPONSE } from "../../http1/head-parser.ts";
import { HeadEncoder } from "./head-encoder.ts";

function parse(start: string, ...lines: readonly string[]): Head {
  const isRequest = !start.startsWith("HTTP/");
  const parser = new HeadParser(isRequest ? ROLE_REQUEST : ROLE_RESPONSE, DEFAULT_DECODER_LIMITS);
  parser.reset(false);
  const text = [`${start}${isRequest ? " HTTP/1.1\r\nHost: shop:80" : ""}`, ...lines, "", ""].join("\r\n");
  assert.ok(parser.feed(Buffer.from(text, "latin1"), 0) > 0, parser.failure?.detail);
  return parser.head;
}

class Link {
  readonly encoder: HeadEncoder;
  readonly reference: ReferenceDecoder;

  constructor(tableBytes: number = 4_096) {
    this.encoder = new HeadEncoder({ tableBytes });
    this.reference = new ReferenceDecoder(Math.max(tableBytes, 4_096));
  }

  encode(head: Head): Buffer {
    const out = Buffer.alloc(HeadEncoder.bound(head));
    const end = head.status > 0 ? this.encoder.encodeResponse(head, out, 0) : this.encoder.encodeRequest(head, out, 0);
    return out.subarray(0, end);
  }

  /** What the block of a head means; the fields behind the pseudo-fields. */
  carry(head: Head): ReferenceField[] {
    return this.reference.decode(this.encode(head));
  }

  fields(head: Head): ReferenceField[] {
    return this.carry(head).filter(([name]) => !name.startsWith(":"));
  }
}

const LINES = [
  "User-Agent: weft-test/1.0",
  "Accept: text/html",
  "X-Steady: yes",
  "Cookie: session=0123456789abcdef0123",
];
const id = (index: number): string => `X-Request-Id: id-${(index * 7_919).toString(36)}`;

describe("HeadEncoder writes", () => {
  test("no :authority where an HTTP/1.0 request has no Host, again and again", () => {
    const parser = new HeadParser(ROLE_REQUEST, DEFAULT_DECODER_LIMITS);
    parser.reset(false);
    assert.ok(parser.feed(Buffer.from("GET /a HTTP/1.0\r\nX-A: b\r\n\r\n", "latin1"), 0) > 0);
    const link = new Link();
    for (let repeat = 0; repeat < 3; repeat += 1) {
      const fields = link.carry(parser.head);
      assert.deepEqual(fields.slice(0, 3), [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/a"],
      ]);
      assert.deepEqual(fields.slice(3), [["x-a", "b"]]);
    }
  });

  test("pseudo-fields first, and names in lower case", () => {
    assert.deepEqual(new Link().carry(parse("GET /a?b", "X-A: B")), [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/a?b"],
      [":authority", "shop:80"],
      ["x-a", "B"],
    ]);
    assert.deepEqual(new Link().carry(parse("HTTP/1.1 418 I'm a teapot", "X-A: B", "Content-Length: 2")), [
      [":status", "418"],
      ["x-a", "B"],
      ["content-length", "2"],
    ]);
  });

  test("no field of one hop, of framing, or that was dropped", () => {
    const head = parse(
      "POST /",
      "Connection: keep-alive, x-hop",
      "Keep-Alive: 5",
      "Proxy-Connection: keep-alive",
      "Proxy-Authorization: secret",
      "X-Hop: 1",
      "Transfer-Encoding: chunked",
      "TE: gzip",
      "Upgrade: foo",
      "X-Dropped: 1",
      "X-A: b",
    );
    head.drop(head.count - 2);
    const names = new Link().fields(head).map(([name]) => name);
    assert.ok(names.includes("x-a"));
    for (const name of [
      "connection",
      "keep-alive",
      "proxy-connection",
      "proxy-authorization",
      "x-hop",
      "te",
      "upgrade",
      "x-dropped",
    ]) {
      assert.ok(!names.includes(name), name);
    }
    assert.ok(!names.includes("transfer-encoding") && !names.includes("host"));
  });

  test("te: trailers of requests, but not of responses", () => {
    assert.deepEqual(new Link().fields(parse("GET /", "TE: trailers")), [["te", "trailers"]]);
    assert.deepEqual(new Link().fields(parse("HTTP/1.1 204 No Content", "TE: trailers")), []);
  });

  test("content-length as the body is, and 0 only when the message said so", () => {
    const head = parse("HTTP/1.1 200 OK", "Content-Length: 5");
    assert.deepEqual(new Link().fields(head), [["content-length", "5"]]);
    head.bodyKind = BODY_NONE;
    head.declaredLength = 7;
    assert.deepEqual(new Link().fields(head), [["content-length", "7"]]);
    const silent = parse("HTTP/1.1 200 OK", "Grpc-Status: 5");
    silent.bodyKind = BODY_LENGTH;
    silent.contentLength = 0;
    assert.deepEqual(new Link().fields(silent), [["grpc-status", "5"]]);
    assert.deepEqual(new Link().fields(parse("POST /", "Content-Length: 0")), [["content-length", "0"]]);
  });

  test("CONNECT without :scheme and :path", () => {
    assert.deepEqual(new Link().carry(parse("CONNECT db:5432")), [
      [":method", "CONNECT"],
      [":authority", "db:5432"],
    ]);
  });

  test("an upgrade as an extended CONNECT, and its acceptance as 200", () => {
    const head = parse("GET /chat", "Connection: Upgrade", "Upgrade: WebSocket, other", "Sec-WebSocket-Version: 13");
    assert.ok(head.upgrade);
    assert.deepEqual(new Link().carry(head), [
      [":method", "CONNECT"],
      [":protocol", "websocket"],
      [":scheme", "http"],
      [":path", "/chat"],
      [":authority", "shop:80"],
      ["sec-websocket-version", "13"],
    ]);
    const accepted = parse("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "X-A: b");
    accepted.bodyKind = BODY_TUNNEL;
    assert.deepEqual(new Link().carry(accepted), [
      [":status", "200"],
      ["x-a", "b"],
    ]);
  });

  test("added lines, apart from those of one hop", () => {
    const link = new Link();
    const lines = toFieldLines(
      Buffer.concat([renderField("x-one", "1"), renderField("upgrade", "foo"), renderField("x-two", "2")]),
    );
    for (let index = 0; index < 30; index += 1) {
      const head = parse("GET /", ...LINES, id(index));
      head.add(lines);
      const added = link.fields(head).filter(([name]) => name === "x-one" || name === "x-two" || name === "upgrade");
      assert.deepEqual(added, [
        ["x-one", "1"],
        ["x-two", "2"],
      ]);
    }
  });

  test("trailers", () => {
    const link = new Link();
    const head = parse("GET /", "Grpc-Status: 0", "X-A: b");
    for (let index = 0; index < 5; index += 1) {
      const out = Buffer.alloc(HeadEncoder.bound(head));
      const fields = link.reference.decode(out.subarray(0, link.encoder.encodeTrailers(head, out, 0)));
      assert.deepEqual(fields, [
        ["grpc-status", "0"],
        ["x-a", "b"],
      ]);
    }
  });
});

describe("HeadEncoder learns", () => {
  test("what repeats: such a head becomes a few bytes, and the table stands still", () => {
    const link = new Link();
    const head = parse("GET /", ...LINES);
    const first = link.encode(head).length;
    for (let index = 0; index < 30; index += 1) link.encode(head);
    assert.ok(first > 80, `${first} bytes`);
    assert.equal(link.encode(head).length, 4 + LINES.length);
  });

  test("what varies: an id stays a literal with an indexed name, and the rest is indexed", () => {
    const link = new Link();
    for (let index = 0; index < 40; index += 1)
      link.carry(parse(`GET /${index}`, ...LINES.slice(0, 2), id(index), ...LINES.slice(2)));
    const before = link.reference.dynamic.length;
    for (let index = 40; index < 200; index += 1) {
      const head = parse(`GET /${index}`, ...LINES.slice(0, 2), id(index), ...LINES.slice(2));
      const block = link.encode(head);
      assert.ok(block.length < 30, `${block.length} bytes`);
      const fields = link.reference.decode(block);
      assert.equal(new Map(fields).get("x-request-id"), head.valueText(3));
      assert.equal(fields.length, 9);
    }
    assert.equal(link.reference.dynamic.length, before);
  });

  test("what begins to vary, and what comes to rest again", () => {
    const link = new Link(65_536);
    link.encoder.setPeerTableBytes(65_536);
    const sizes: number[] = [];
    for (let index = 0; index < 16_000; index += 1) {
      const value = index < 1_000 || index > 2_000 ? "a-value-that-rests" : `a-value-that-varies-${index}`;
      const head = parse("GET /", ...LINES, `X-Changes: ${value}`);
      const block = link.encode(head);
      sizes.push(block.length);
      assert.equal(new Map(link.reference.decode(block)).get("x-changes"), value);
    }
    assert.equal(sizes[999], 9);
    assert.ok((sizes[1_900] ?? 0) > 25);
    assert.equal(sizes.at(-1), 9);
    assert.ok(link.reference.dynamic.length < 30);
  });

  test("nothing about names that come once: a flood of them leaves the table as it is", () => {
    const link = new Link();
    for (let index = 0; index < 20; index += 1) link.carry(parse("GET /", ...LINES));
    const before = link.reference.dynamic.length;
    for (let index = 0; index < 2_000; index += 1) link.carry(parse("GET /", ...LINES, `x-${index}: ${index}`));
    assert.ok(link.reference.dynamic.length <= before + 4, `${link.reference.dynamic.length} entries`);
    assert.equal(link.encode(parse("GET /", ...LINES)).length, 4 + LINES.length);
  });

  test("never credentials, short cookies, or long values", () => {
    const link = new Link();
    const secret = ["Authorization: Bearer abcdefghijklmnop", "Cookie: sid=1234", "Set-Cookie: sid=1234"];
    for (let index = 0; index < 40; index += 1) {
      const head = parse("GET /", ...secret, `X-Long: ${"v".repeat(1_100)}`, "X-A: b");
      link.carry(head);
      assert.deepEqual([...link.reference.neverIndexed].sort(), ["authorization", "cookie", "set-cookie"]);
    }
    const names = link.reference.dynamic.map(([name]) => name);
    assert.deepEqual([...new Set(names)].sort(), [":authority", "x-a"]);
  });
});

describe("HeadEncoder keeps", () => {
  test("the order of fields with one name when only some of them are indexed", () => {
    const link = new Link();
    for (let index = 0; index < 60; index += 1) {
      const head = parse("GET /", ...LINES, `X-List: ${index}`, "X-List: steady", `X-List: ${index + 1}`);
      const values = link.fields(head).filter(([name]) => name === "x-list");
      assert.deepEqual(
        values.map(([, value]) => value),
        [String(index), "steady", String(index + 1)],
      );
    }
  });

  test("a template from a head that only looks like its own", () => {
    const link = new Link();
    for (let index = 0; index < 30; index += 1) link.carry(parse("GET /", ...LINES, id(index)));
    // The same ids, lengths of names and lengths of values; other bytes.
    const other = LINES.map((line) => line.replace("yes", "noo").replace("html", "text"));
    assert.deepEqual(link.fields(parse("GET /", ...other, "X-Request-Xx: 1")).sort(), [
      ["accept", "text/text"],
      ["cookie", "session=0123456789abcdef0123"],
      ["user-agent", "weft-test/1.0"],
      ["x-request-xx", "1"],
      ["x-steady", "noo"],
    ]);
    const dropped = parse("GET /", ...LINES, id(1));
    dropped.drop(1);
    assert.ok(!link.fields(dropped).some(([name]) => name === "user-agent"));
    assert.equal(dropped.ids[2], FIELD_OTHER);
    assert.equal(dropped.find(FIELD_UPGRADE), -1);
  });

  test("to the table size that the peer sets, the smallest in between included", () => {
    const link = new Link(4_096);
    const head = parse("GET /", ...LINES);
    for (let index = 0; index < 20; index += 1) link.carry(head);
    assert.ok(link.reference.dynamic.length > 0);
    link.encoder.setPeerTableBytes(0);
    link.encoder.setPeerTableBytes(2_000);
    const block = link.encode(head);
    assert.deepEqual([...block.subarray(0, 4)], [0x20, 0x3f, 0xb1, 0x0f]);
    link.reference.decode(block);
    assert.equal(link.reference.maxSize, 2_000);
    link.encoder.setPeerTableBytes(1_000_000);
    link.carry(head);
    assert.equal(link.reference.maxSize, 4_096);
    assert.notEqual(link.encode(head)[0], 0x20);
  });

  test("no table when it may have none", () => {
    const link = new Link(0);
    assert.equal(link.encode(parse("GET /"))[0], 0x20);
    for (let index = 0; index < 20; index += 1) link.carry(parse("GET /", ...LINES));
    assert.equal(link.reference.dynamic.length, 0);
  });
});

/** As they come out. */
const OWN: ReadonlySet<string> = new Set(LINES.map((text) => text.replace(/^[^:]*/, (name) => name.toLowerCase())));

describe("HeadEncoder, for heads to which lines were added,", () => {
  const line = (text: string): ReturnType<typeof toFieldLines> => toFieldLines(Buffer.from(text, "latin1"));
  const additions: readonly (readonly string[])[] = [
    ...Array.from({ length: 40 }, (_, i) => [`x-left: ${10_000 - i}\r\n`]),
    // A name of the same length, another value in an indexed line, one line more, one less, none.
    ["x-gone: 1\r\n"],
    ["x-left: 7\r\nx-more: 1\r\n"],
    ["x-left: 7\r\n", "x-more: 1\r\n"],
    [],
    ...Array.from({ length: 40 }, (_, i) => [`x-steady: a\r\nx-left: ${i}\r\n`]),
    ["x-steady: b\r\nx-left: 1\r\n"],
    ...Array.from({ length: 20 }, () => ["x-steady: a\r\n"]),
    ["x-steady: b\r\n"],
    ["connection: close\r\n"],
    ["x-left: 9\r\nconnection: close\r\n"],
    ...Array.from({ length: 20 }, (_, i) => [`x-left: ${i}\r\n`]),
  ];

  test("writes what was added to each, whatever was added to others like it", () => {
    const link = new Link();
    for (let round = 0; round < 3; round += 1) {
      for (const texts of additions) {
        const head = parse("GET /", ...LINES);
        for (const text of texts) head.add(line(text));
        const expected = texts.flatMap((text) =>
          text.split("\r\n").filter((one) => one !== "" && !one.startsWith("connection")),
        );
        const found = link
          .fields(head)
          .map(([name, value]) => `${name}: ${value}`)
          .filter((one) => !OWN.has(one));
        assert.deepEqual(found.sort(), expected.sort(), texts.join("|"));
      }
    }
  });

  test("needs no look at the lines one by one where only a value is another", () => {
    const link = new Link();
    const blocks = Array.from({ length: 200 }, (_, i) => {
      const head = parse("GET /", ...LINES);
      head.add(line(`x-left: ${10_000 - i}\r\n`));
      return link.encode(head).length;
    });
    assert.ok(
      blocks.slice(-10).every((length) => length < 30),
      blocks.slice(-10).join(),
    );
  });
});
