import assert from "node:assert/strict";
import { test } from "node:test";
import { isCarriedProtocol, isCarriedUpgrade, offersProtocol } from "./upgrade-field.ts";

const LISTS: readonly (readonly [string, boolean])[] = [
  ["websocket", true],
  ["WebSocket", true],
  ["chat/1, chat/2", true],
  ["a ,\tb", true],
  [",a,,b,", true],
  ["SPDY/3.1", true],
  ["h2c", false],
  ["H2C", false],
  ["h2c/1", false],
  ["websocket, h2c", false],
  ["h2c,websocket", false],
  ["h2c-14", true],
  ["", false],
  [" , ", false],
  ["/1", false],
  ["chat/", false],
  ["chat/1/2", false],
  ["two words", false],
  ['"websocket"', false],
];

for (const [value, expected] of LISTS) {
  test(`isCarriedUpgrade() ${expected ? "takes" : "passes over"} "${value}"`, () => {
    const bytes = Buffer.from(`x${value}x`, "latin1");
    assert.equal(isCarriedUpgrade(bytes, 1, bytes.length - 1), expected);
  });
}

test("isCarriedProtocol() takes one protocol and no list", () => {
  const check = (value: string): boolean => isCarriedProtocol(Buffer.from(value, "latin1"), 0, value.length);
  assert.deepEqual(["websocket", "SPDY/3.1", "a,b", "a ", "h2c", "", "a/"].map(check), [
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});

test("offersProtocol() compares whole names, letters in any case", () => {
  assert.equal(offersProtocol("chat/1, WebSocket", "websocket"), true);
  assert.equal(offersProtocol("chat/1", "chat"), false);
  assert.equal(offersProtocol("chat/1, chat/2", "chat/1, chat/2"), false);
});
