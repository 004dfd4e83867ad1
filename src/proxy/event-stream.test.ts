import assert from "node:assert/strict";
import { test } from "node:test";
import { isEventStream } from "./event-stream.ts";
import { FIELD_CONTENT_TYPE, Head } from "./head.ts";

const types: readonly (readonly [contentType: string, isStream: boolean])[] = [
  ["text/event-stream", true],
  ["Text/Event-Stream; charset=utf-8", true],
  ["text/event-stream;charset=utf-8", true],
  ["text/event-streams", false],
  ["text/plain", false],
  ["", false],
];
for (const [contentType, isStream] of types) {
  test(`isEventStream() is ${isStream} for "${contentType}"`, () => {
    const head = new Head();
    head.bytes = Buffer.from(`content-type: ${contentType}\r\n`, "latin1");
    head.count = 1;
    head.spans.set([0, 12, 14, 14 + contentType.length]);
    head.ids[0] = FIELD_CONTENT_TYPE;
    assert.equal(isEventStream(head), isStream);
  });
}

test("isEventStream() is false without a content-type", () => {
  assert.equal(isEventStream(new Head()), false);
});
