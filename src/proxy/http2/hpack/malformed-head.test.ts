import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import {
  block,
  decode,
  type Field,
  type Given,
  LIMITS,
  PSEUDO,
  replaced,
  request,
  without,
} from "../../../../test/fuzz/hpack-blocks.ts";
import { HEAD_MALFORMED, HEAD_OK, HEAD_TOO_LARGE, HeadDecoder, KIND_RESPONSE, KIND_TRAILERS } from "./head-decoder.ts";

// What, the block, the detail, and what else is given.
const MALFORMED: readonly (readonly [string, Buffer, string, Given?])[] = [
  ["an upper-case name", request(["X-A", "b"]), "bad_field_name"],
  ["an empty name", request(["", "b"]), "bad_field_name"],
  ["a name with a space", request(["x a", "b"]), "bad_field_name"],
  ["a name with a colon", request(["x:a", "b"]), "bad_field_name"],
  ["a name with CRLF", request(["x\r\na", "b"]), "bad_field_name"],
  ["a value with CR", request(["x-a", "b\rc"]), "bad_field_value"],
  ["a value with LF", request(["x-a", "b\nc"]), "bad_field_value"],
  ["a value with NUL", request(["x-a", "b\0c"]), "bad_field_value"],
  ["a value with DEL", request(["x-a", "b\x7fc"]), "bad_field_value"],
  ["a value with a space in front", request(["x-a", " b"]), "bad_field_value"],
  ["a value with a tab behind", request(["x-a", "b\t"]), "bad_field_value"],
  ["connection", request(["connection", "close"]), "h2_connection_field"],
  ["keep-alive", request(["keep-alive", "5"]), "h2_connection_field"],
  ["proxy-connection", request(["proxy-connection", "close"]), "h2_connection_field"],
  ["transfer-encoding", request(["transfer-encoding", "chunked"]), "h2_connection_field"],
  ["upgrade", request(["upgrade", "h2c"]), "h2_connection_field"],
  [
    "transfer-encoding in trailers",
    block([["transfer-encoding", "x"]]),
    "h2_connection_field",
    { kind: KIND_TRAILERS },
  ],
  ["te other than trailers", request(["te", "gzip"]), "h2_te"],
  [
    "te in a response",
    block([
      [":status", "200"],
      ["te", "trailers"],
    ]),
    "h2_te",
    { kind: KIND_RESPONSE },
  ],
  ["an unknown pseudo-field", request([":unknown", "b"]), "h2_unknown_pseudo"],
  ["a pseudo-field of responses", request([":status", "200"]), "h2_unknown_pseudo"],
  [
    "a pseudo-field of requests in a response",
    block([
      [":status", "200"],
      [":path", "/"],
    ]),
    "h2_unknown_pseudo",
    { kind: KIND_RESPONSE },
  ],
  [
    "a pseudo-field in trailers",
    block([
      ["x-a", "b"],
      [":path", "/"],
    ]),
    "h2_unknown_pseudo",
    { kind: KIND_TRAILERS },
  ],
  ["a pseudo-field behind a field", without(":path", ["x-a", "b"], [":path", "/"]), "h2_late_pseudo"],
  ...[":method", ":scheme", ":authority", ":path"].map((name): readonly [string, Buffer, string] => [
    `${name} twice`,
    request([name, "/"]),
    "h2_duplicate_pseudo",
  ]),
  ["no :method", without(":method"), "h2_missing_pseudo"],
  ["no :scheme", without(":scheme"), "h2_missing_pseudo"],
  ["no :path", without(":path"), "h2_missing_pseudo"],
  ["no :status", block([["x-a", "b"]]), "h2_missing_pseudo", { kind: KIND_RESPONSE }],
  ["an empty block", block([]), "h2_missing_pseudo"],
  ["an empty :path", replaced(":path", ""), "bad_target"],
  ["a :path without a slash", replaced(":path", "a"), "bad_target"],
  ["a :path in absolute form", replaced(":path", "http://b/"), "bad_target"],
  ["a :path with a space", replaced(":path", "/ HTTP/1.1"), "bad_target"],
  ["a :path with CRLF", replaced(":path", "/\r\nx: y"), "bad_target"],
  ["a :path with a fragment", replaced(":path", "/a#b"), "bad_target"],
  ["a query with a fragment", replaced(":path", "/a?b#c"), "bad_target"],
  ["a :path with a byte above ASCII", replaced(":path", "/\xe4"), "bad_target"],
  ["* for GET", replaced(":path", "*"), "bad_target"],
  ["an empty :method", replaced(":method", ""), "bad_method"],
  ["a :method with a space", replaced(":method", "GET /x"), "bad_method"],
  ["a :scheme other than http and https", replaced(":scheme", "ftp"), "h2_bad_scheme"],
  ["an empty :authority", replaced(":authority", ""), "h2_missing_authority"],
  ["an :authority with userinfo", replaced(":authority", "u@shop"), "bad_authority"],
  ["an :authority with a slash", replaced(":authority", "shop/x"), "bad_authority"],
  ["an :authority with CRLF", replaced(":authority", "shop\r\nx: y"), "bad_authority"],
  ["an :authority with a port that is none", replaced(":authority", "shop:99999"), "bad_authority"],
  ["a Host other than :authority", request(["host", "other"]), "h2_host_mismatch"],
  ["a Host with another port", request(["host", "shop:81"]), "h2_host_mismatch"],
  ["a bad Host", without(":authority", ["host", "a b"]), "bad_host"],
  ["an empty Host", without(":authority", ["host", ""]), "h2_missing_authority"],
  ["two Hosts", without(":authority", ["host", "a"], ["host", "a"]), "duplicate_host"],
  [
    "two content-lengths",
    request(["content-length", "1"], ["content-length", "2"]),
    "duplicate_content_length",
    { endStream: false },
  ],
  [
    "the same content-length twice",
    request(["content-length", "1"], ["content-length", "1"]),
    "duplicate_content_length",
    { endStream: false },
  ],
  ["a content-length that is a list", request(["content-length", "1, 1"]), "bad_content_length", { endStream: false }],
  ["a content-length with a sign", request(["content-length", "+1"]), "bad_content_length", { endStream: false }],
  ["an empty content-length", request(["content-length", ""]), "bad_content_length", { endStream: false }],
  ["a content-length without a body", request(["content-length", "1"]), "h2_length_without_body"],
  ["content-length in trailers", block([["content-length", "1"]]), "forbidden_trailer", { kind: KIND_TRAILERS }],
  [
    "trailers that do not end the stream",
    block([["x-a", "b"]]),
    "h2_unended_trailers",
    { kind: KIND_TRAILERS, endStream: false },
  ],
  ["a status of two digits", block([[":status", "20"]]), "h2_bad_status", { kind: KIND_RESPONSE }],
  ["a status of four digits", block([[":status", "2000"]]), "h2_bad_status", { kind: KIND_RESPONSE }],
  ["a status above 599", block([[":status", "600"]]), "h2_bad_status", { kind: KIND_RESPONSE }],
  ["101", block([[":status", "101"]]), "h2_bad_status", { kind: KIND_RESPONSE, endStream: false }],
  [
    "an interim response that ends the stream",
    block([[":status", "103"]]),
    "h2_ended_interim",
    { kind: KIND_RESPONSE },
  ],
  ["CONNECT with :path and :scheme", replaced(":method", "CONNECT"), "h2_extra_pseudo"],
  ["CONNECT without :authority", block([[":method", "CONNECT"]]), "h2_missing_authority"],
  [
    "CONNECT without a port",
    block([
      [":method", "CONNECT"],
      [":authority", "db"],
    ]),
    "bad_authority",
  ],
  [
    "CONNECT with a content-length",
    block([
      [":method", "CONNECT"],
      [":authority", "db:1"],
      ["content-length", "0"],
    ]),
    "h2_connect_length",
  ],
  [":protocol without CONNECT", block([...PSEUDO, [":protocol", "websocket"]]), "h2_extra_pseudo"],
  [":protocol h2c", block([[":protocol", "H2C"], ...PSEUDO]), "h2_bad_protocol"],
  [":protocol with CRLF", block([[":protocol", "a\r\nb"], ...PSEUDO]), "h2_bad_protocol"],
  [
    "an extended CONNECT without :path",
    block([
      [":method", "CONNECT"],
      [":protocol", "x"],
      [":scheme", "http"],
      [":authority", "a:1"],
    ]),
    "h2_missing_pseudo",
  ],
];

describe("HeadDecoder finds malformed, and stays in step after,", () => {
  for (const [what, bytes, detail, given] of MALFORMED) {
    test(what, () => {
      const decoder = new HeadDecoder(LIMITS);
      const outcome = decode(bytes, { ...given, decoder });
      assert.equal(outcome.detail, detail);
      assert.equal(outcome.verdict, HEAD_MALFORMED);
      assert.equal(decode(request(), { decoder }).verdict, HEAD_OK);
    });
  }
});

describe("HeadDecoder refuses, and stays in step after,", () => {
  const long: readonly (readonly [string, Buffer, string, number])[] = [
    ["a target that is too long", replaced(":path", `/${"a".repeat(1_000)}`), "target_too_long", 414],
    ["a method that is too long", replaced(":method", "M".repeat(33)), "method_too_long", 501],
    ["a value that is too long", request(["x-a", "v".repeat(4_096)]), "head_too_large", 431],
    [
      "many values that are too long together",
      request(...Array.from({ length: 10 }, (): Field => ["x-a", "v".repeat(500)])),
      "head_too_large",
      431,
    ],
    ["too many fields", request(...Array.from({ length: 20 }, (): Field => ["x-a", "b"])), "too_many_fields", 431],
    [
      "a cookie whose crumbs are too long together",
      request(...Array.from({ length: 10 }, (): Field => ["cookie", "v".repeat(500)])),
      "head_too_large",
      431,
    ],
    ["an expectation that is not met", request(["expect", "x"]), "bad_expectation", 417],
  ];
  for (const [what, bytes, detail, status] of long) {
    test(what, () => {
      const decoder = new HeadDecoder(LIMITS);
      assert.deepEqual([decode(bytes, { decoder }).verdict, decoder.failure?.detail], [HEAD_TOO_LARGE, detail]);
      assert.equal(decoder.failure?.status, status);
      assert.equal(decode(request(), { decoder }).verdict, HEAD_OK);
    });
  }

  test("trailers that are too long", () => {
    const outcome = decode(block([["x-a", "v".repeat(5_000)]]), { kind: KIND_TRAILERS });
    assert.deepEqual([outcome.verdict, outcome.detail], [HEAD_TOO_LARGE, "trailers_too_large"]);
  });

  test("a bomb: a thousand references to one large entry hold no more than one", () => {
    const decoder = new HeadDecoder({ ...LIMITS, maxFields: 128 });
    const value = Buffer.alloc(3_120, "v");
    // x: 0x7f + 0x31 + 0x17 * 128 = 3,120 bytes, with incremental indexing
    const insert = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xb1, 0x17]), value]);
    const bytes = Buffer.concat([request(), insert, Buffer.alloc(1_000, 0xbe)]);
    const outcome = decode(bytes, { decoder });
    assert.equal(outcome.verdict, HEAD_TOO_LARGE);
    assert.ok(outcome.head.bytes.length < 16_384, `${outcome.head.bytes.length} bytes`);
    // The entry is there all the same.
    const next = decode(Buffer.concat([request(), Buffer.from([0xbe])]), { decoder });
    assert.deepEqual(next.fields.at(-1), ["x", value.toString()]);
  });
});
