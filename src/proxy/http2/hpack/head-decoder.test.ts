import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import {
  block,
  decode,
  type Field,
  type Given,
  LIMITS,
  replaced,
  request,
  target,
  text,
  without,
} from "../../../../test/fuzz/hpack-blocks.ts";
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  FIELD_DROPPED,
  FIELD_HOST,
  FIELD_UPGRADE,
  type Head,
  METHOD_CONNECT,
  METHOD_GET,
  METHOD_OPTIONS,
} from "../../head.ts";
import { HEAD_COMPRESSION, HEAD_OK, HeadDecoder, KIND_REQUEST, KIND_RESPONSE, KIND_TRAILERS } from "./head-decoder.ts";

// RFC 7541 appendix C: blocks of one connection, one after the other.
const APPENDIX: readonly (readonly [title: string, kind: number, tableBytes: number, blocks: readonly string[]])[] = [
  [
    "C.3, requests",
    KIND_REQUEST,
    4_096,
    [
      "828684410f7777772e6578616d706c652e636f6d",
      "828684be58086e6f2d6361636865",
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ],
  ],
  [
    "C.4, requests with Huffman coding",
    KIND_REQUEST,
    4_096,
    [
      "828684418cf1e3c2e5f23a6ba0ab90f4ff",
      "828684be5886a8eb10649cbf",
      "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ],
  ],
  [
    "C.5, responses with eviction",
    KIND_RESPONSE,
    256,
    [
      "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
      "4803333037c1c0bf",
      "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ],
  ],
  [
    "C.6, responses with Huffman coding and eviction",
    KIND_RESPONSE,
    256,
    [
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
      "4883640effc1c0bf",
      "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
  ],
];

const REQUEST_HEADS: readonly (readonly Field[])[] = [
  [["host", "www.example.com"]],
  [
    ["host", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    ["host", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const REDIRECT: readonly Field[] = [
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["location", "https://www.example.com"],
];
const RESPONSE_HEADS: readonly (readonly Field[])[] = [
  REDIRECT,
  REDIRECT,
  [
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];

describe("HeadDecoder and RFC 7541", () => {
  for (const [title, kind, tableBytes, blocks] of APPENDIX) {
    test(`decodes appendix ${title}`, () => {
      const decoder = new HeadDecoder(LIMITS);
      for (const [index, hex] of blocks.entries()) {
        // The examples' table of 256 bytes is a setting; here the encoder chooses it.
        const update = index === 0 && tableBytes === 256 ? "3fe101" : "";
        const outcome = decode(Buffer.from(update + hex, "hex"), { kind, decoder });
        assert.equal(outcome.verdict, HEAD_OK, outcome.detail ?? "");
        assert.deepEqual(outcome.fields, (kind === KIND_REQUEST ? REQUEST_HEADS : RESPONSE_HEADS)[index]);
        if (kind === KIND_RESPONSE) assert.equal(outcome.head.status, [302, 307, 200][index]);
        else assert.equal(target(outcome.head), ["/", "/", "/index.html"][index]);
      }
    });
  }

  const wrong: readonly (readonly [string, string])[] = [
    ["index 0", "80"],
    ["an index behind the table", "be"],
    ["an index far behind the table", "ffffff7f"],
    ["an index that is cut off", "ff"],
    ["an integer of too many bytes", "ff808080808080808001"],
    ["an integer that is too large", "ffffffffff7f"],
    ["a name that is cut off", "000561"],
    ["a value that is cut off", "0001610562"],
    ["a literal without a value", "000161"],
    ["a name index behind the table", "7f0061"],
    ["a wrong Huffman code", "000161811c"],
    ["a table size above the limit", "3fe21f"],
    ["a table size behind a field", "8220"],
    ["three table sizes", "20202082"],
    ["a table size that is cut off", "3f"],
  ];
  for (const [what, hex] of wrong) {
    test(`refuses ${what} as a connection error`, () => {
      assert.equal(decode(Buffer.from(hex, "hex")).verdict, HEAD_COMPRESSION);
    });
  }

  test("says that a run of indexed fields means other fields once the table changed", () => {
    const decoder = new HeadDecoder(LIMITS);
    const insert = (value: string): Buffer =>
      Buffer.from(`400178${Buffer.from([value.length]).toString("hex")}${Buffer.from(value).toString("hex")}`, "hex");
    const start = Buffer.from("82868441017a", "hex");
    assert.equal(decode(Buffer.concat([start, insert("one")]), { decoder }).verdict, HEAD_OK);
    const run = Buffer.from("828684bfbe90", "hex");
    for (let repeat = 0; repeat < 4; repeat += 1) {
      assert.deepEqual(decode(run, { decoder }).fields, [
        ["host", "z"],
        ["x", "one"],
        ["accept-encoding", "gzip, deflate"],
      ]);
    }
    assert.equal(decode(Buffer.concat([Buffer.from("828684bf", "hex"), insert("two")]), { decoder }).verdict, HEAD_OK);
    // The same bytes now mean: "z" is one further away, so :authority is missing.
    assert.notDeepEqual(decode(run, { decoder }).fields[0], ["host", "z"]);
    const shifted = Buffer.from("828684c0bebf", "hex");
    for (let repeat = 0; repeat < 4; repeat += 1) {
      assert.deepEqual(decode(shifted, { decoder }).fields, [
        ["host", "z"],
        ["x", "two"],
        ["x", "one"],
      ]);
    }
    // A smaller table evicts: what the run stood for is gone.
    assert.deepEqual(decode(Buffer.from("20828684", "hex"), { decoder }).fields, []);
    assert.equal(decode(shifted, { decoder }).verdict, HEAD_COMPRESSION);
  });
});

describe("HeadDecoder makes the head that the HTTP/1.1 parser would", () => {
  test("of a request", () => {
    const { verdict, head, fields } = decode(request(["accept", "*/*"], ["x-a", ""]));
    assert.equal(verdict, HEAD_OK);
    assert.ok(text(head).endsWith("host: shop:80\r\naccept: */*\r\nx-a: \r\n"));
    assert.deepEqual(fields, [
      ["host", "shop:80"],
      ["accept", "*/*"],
      ["x-a", ""],
    ]);
    assert.equal(head.ids[0], FIELD_HOST);
    assert.equal(head.spans[2], head.authorityStart);
    assert.equal(head.spans[3], head.authorityEnd);
    assert.deepEqual(
      [head.methodText(), head.method, head.pathText(), target(head)],
      ["GET", METHOD_GET, "/a", "/a?b"],
    );
    assert.deepEqual([head.bodyKind, head.keepAlive, head.minorVersion, head.upgrade], [BODY_NONE, true, 1, false]);
  });

  test("of a response, with its reason phrase", () => {
    const { head } = decode(
      block([
        [":status", "404"],
        ["x-a", "b"],
      ]),
      { kind: KIND_RESPONSE, endStream: false },
    );
    assert.equal(head.status, 404);
    assert.equal(text(head).slice(head.reasonStart, head.reasonEnd), "Not Found");
    assert.equal(head.bodyKind, BODY_CHUNKED);
    assert.ok(text(head).endsWith("x-a: b\r\n"));
  });

  test("without an authority when there is neither :authority nor Host", () => {
    const { verdict, head, fields } = decode(Buffer.from("82868490", "hex"));
    assert.equal(verdict, HEAD_OK);
    assert.equal(head.authorityText(), "");
    assert.deepEqual(fields, [["accept-encoding", "gzip, deflate"]]);
  });

  test("whose authority is Host when there is no :authority", () => {
    const { head, fields } = decode(without(":authority", ["host", "shop"], ["x-a", "b"]));
    assert.equal(head.authorityText(), "shop");
    assert.deepEqual(fields, [
      ["host", "shop"],
      ["x-a", "b"],
    ]);
  });

  test("with one Host when :authority and Host agree", () => {
    assert.deepEqual(decode(request(["host", "SHOP:80"], ["x-a", "b"])).fields, [
      ["host", "shop:80"],
      ["x-a", "b"],
    ]);
  });

  test("with the crumbs of a cookie joined, wherever they stand", () => {
    const side = decode(request(["cookie", "a=1"], ["cookie", "b=2"], ["x-a", "b"], ["accept", "*/*"]));
    assert.deepEqual(side.fields.slice(1), [
      ["cookie", "a=1; b=2"],
      ["x-a", "b"],
      ["accept", "*/*"],
    ]);
    const apart = decode(
      request(["cookie", "a=1"], ["x-a", "b"], ["cookie", "b=2"], ["accept", "*/*"], ["cookie", "c"]),
    );
    assert.deepEqual(apart.fields.slice(1), [
      ["cookie", "a=1; b=2; c"],
      ["x-a", "b"],
      ["accept", "*/*"],
    ]);
    assert.deepEqual(decode(request(["cookie", ""], ["cookie", "b=2"], ["cookie", ""])).fields[1], ["cookie", "b=2"]);
  });

  test("with a body as content-length and END_STREAM say", () => {
    const length = (value: string): Field => ["content-length", value];
    const cases: readonly (readonly [Buffer, boolean, number, number])[] = [
      [request(), true, BODY_NONE, 0],
      [request(length("0")), true, BODY_LENGTH, 0],
      [request(), false, BODY_CHUNKED, 0],
      [request(length("5")), false, BODY_LENGTH, 5],
      [replaced(":method", "POST"), true, BODY_LENGTH, 0],
      [replaced(":method", "DELETE"), true, BODY_NONE, 0],
    ];
    for (const [bytes, endStream, kind, expected] of cases) {
      const { head, verdict } = decode(bytes, { endStream });
      assert.equal(verdict, HEAD_OK);
      assert.deepEqual([head.bodyKind, head.contentLength], [kind, expected]);
    }
  });

  test("of a response whose body is left out, with the length it declares", () => {
    const lines: readonly Field[] = [["content-length", "12"]];
    const of = (status: string, given: Given): Head =>
      decode(block([[":status", status], ...lines]), { kind: KIND_RESPONSE, ...given }).head;
    assert.deepEqual(
      [of("200", { bodyless: true }).bodyKind, of("200", { bodyless: true }).declaredLength],
      [BODY_NONE, 12],
    );
    assert.deepEqual([of("304", {}).bodyKind, of("304", {}).declaredLength], [BODY_NONE, 12]);
    assert.deepEqual([of("200", {}).bodyKind, of("200", {}).declaredLength], [BODY_NONE, 12]);
    assert.deepEqual([of("204", {}).bodyKind, of("204", {}).declaredLength], [BODY_NONE, -1]);
    assert.equal(of("200", { endStream: false }).contentLength, 12);
    const empty = decode(block([[":status", "200"]]), { kind: KIND_RESPONSE }).head;
    assert.deepEqual([empty.bodyKind, empty.contentLength], [BODY_LENGTH, 0]);
    const toHead = decode(block([[":status", "200"]]), { kind: KIND_RESPONSE, bodyless: true }).head;
    assert.deepEqual([toHead.bodyKind, toHead.declaredLength], [BODY_NONE, -1]);
  });

  test("of CONNECT: the target is the authority", () => {
    const { head, verdict } = decode(
      block([
        [":method", "CONNECT"],
        [":authority", "db:5432"],
      ]),
      { endStream: false },
    );
    assert.equal(verdict, HEAD_OK);
    assert.deepEqual([head.method, target(head), head.authorityText()], [METHOD_CONNECT, "db:5432", "db:5432"]);
    assert.deepEqual([head.upgrade, head.bodyKind], [true, BODY_NONE]);
  });

  test("of an extended CONNECT: an upgrade by GET", () => {
    const bytes = replaced(":method", "CONNECT", ["sec-websocket-version", "13"]);
    const { head, verdict, fields } = decode(Buffer.concat([block([[":protocol", "websocket"]]), bytes]), {
      endStream: false,
    });
    assert.equal(verdict, HEAD_OK);
    assert.deepEqual([head.method, head.methodText(), head.pathText()], [METHOD_GET, "GET", "/a"]);
    assert.deepEqual([head.upgrade, head.bodyKind], [true, BODY_NONE]);
    assert.deepEqual(fields, [
      ["host", "shop:80"],
      ["upgrade", "websocket"],
      ["sec-websocket-version", "13"],
    ]);
    assert.equal(head.ids[1], FIELD_UPGRADE);
  });

  test("of OPTIONS * and of expectations", () => {
    const star = decode(
      block([
        [":method", "OPTIONS"],
        [":scheme", "https"],
        [":authority", "a"],
        [":path", "*"],
      ]),
    );
    assert.deepEqual([star.verdict, star.head.method, target(star.head)], [HEAD_OK, METHOD_OPTIONS, "*"]);
    assert.ok(decode(request(["expect", "100-continue"]), { endStream: false }).head.expectContinue);
    assert.equal(decode(request(["te", "trailers"])).verdict, HEAD_OK);
  });

  test("of trailers: fields that do not belong there are dropped", () => {
    const { head, verdict } = decode(
      block([
        ["grpc-status", "0"],
        ["cookie", "a"],
        ["x-forwarded-for", "b"],
        ["x-a", "c"],
      ]),
      {
        kind: KIND_TRAILERS,
      },
    );
    assert.equal(verdict, HEAD_OK);
    assert.deepEqual(
      Array.from(head.ids.subarray(0, head.count), (id) => id === FIELD_DROPPED),
      [false, true, true, false],
    );
  });
});
