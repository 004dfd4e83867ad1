import assert from "node:assert/strict";
import { test } from "node:test";
import { google } from "#gen/protos.js";
import { decodeRejections, encodeRefusal, encodeRejections } from "./rejections.ts";

function overTheWire(status: google.rpc.Status): google.rpc.Status {
  return google.rpc.Status.decode(google.rpc.Status.encode(status).finish());
}

test("decodeRejections() reads back what encodeRejections() wrote, whatever the names", () => {
  const rejections = [
    { name: "default/reviews:80", reason: "no endpoints in default/ratings:80" },
    { name: "__proto__x", reason: "odd" },
  ];
  const sent = ["default/ratings:80", "default/reviews:80", "__proto__x", "more"];
  assert.deepEqual(decodeRejections(overTheWire(encodeRejections(rejections, 4)), sent), rejections);
});

test("encodeRejections() says how many of how many, and names at most ten with their reasons", () => {
  const rejections = Array.from({ length: 12 }, (_, index) => ({ name: `r${index}`, reason: "x".repeat(5_000) }));
  const { message } = encodeRejections(rejections, 30);
  assert.match(message ?? "", /^rejected 12 of 30 resources: r0: x+…; r1: /);
  assert.match(message ?? "", /; and 2 more$/);
  assert.ok((message ?? "").length < 12_000);
});

const MESSAGES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  [
    "Error adding/updating listener(s) inbound/80: bad; inbound/8080: bad",
    ["inbound/80", "inbound/8080", "outbound"],
    ["inbound/80", "inbound/8080"],
  ],
  ["Error adding/updating cluster(s) outbound: bad", ["out", "bound", "outbound"], ["outbound"]],
  ['cluster "a/b:80" is wrong', ["a/b:80", "a/b:8080", "b"], ["a/b:80"]],
  ["not a word about names", ["a1", "a2"], ["a1", "a2"]],
  ["", ["a1"], ["a1"]],
];

for (const [message, sent, expected] of MESSAGES) {
  test(`decodeRejections() finds ${expected.join(" and ")} of ${sent.join(", ")} in "${message}"`, () => {
    assert.deepEqual(
      decodeRejections({ code: 13, message }, sent).map(({ name }) => name),
      expected,
    );
  });
}

test("decodeRejections() falls back to the message when the details are someone else's or broken", () => {
  const details = [{ typeUrl: "type.googleapis.com/google.protobuf.Struct", value: new Uint8Array([255, 255]) }];
  assert.deepEqual(decodeRejections({ code: 3, message: "a is bad", details }, ["a", "b"]), [
    { name: "a", reason: "a is bad" },
  ]);
});

test("decodeRejections() takes a refusal of the whole response for a rejection of all of it", () => {
  const status = overTheWire(encodeRefusal("a resource has no name; expected a name for each"));
  assert.equal(decodeRejections(status, ["x1", "x2"]).length, 2);
});
