import assert from "node:assert/strict";
import { test } from "node:test";
import { TextMemo } from "./text-memo.ts";

test("TextMemo makes a thing once for each text, and begins anew when it is full", () => {
  const made: string[] = [];
  const memo = new TextMemo(2, (text) => {
    made.push(text);
    return [text];
  });
  assert.equal(memo.of("a"), memo.of("a"));
  memo.of("b");
  memo.of("c");
  memo.of("a");
  assert.deepEqual(made, ["a", "b", "c", "a"]);
});

test("TextMemo keeps nothing of long texts", () => {
  let made = 0;
  const memo = new TextMemo(2, () => (made += 1));
  memo.of("x".repeat(257));
  memo.of("x".repeat(257));
  assert.equal(made, 2);
});
