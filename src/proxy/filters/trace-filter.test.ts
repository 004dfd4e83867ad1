import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { Http1Decoder } from "../http1/decoder.ts";
import { DEFAULT_DECODER_LIMITS, type Http1Sink } from "../http1/decoder-contract.ts";
import type { Head } from "../head.ts";
import { addTraceIds } from "./trace-filter.ts";

const TRACE = /^x-b3-traceid: [0-9a-f]{32}\r\nx-b3-spanid: [0-9a-f]{16}\r\nx-b3-sampled: 1\r\n/;
const REQUEST_ID = /x-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n$/;

/** The lines that are added to a request with these fields. */
function addedTo(fields: string): string {
  let added = "";
  const sink: Http1Sink = {
    onInterim: () => undefined,
    onHead(head: Head) {
      addTraceIds(head, createSeededRandom(7));
      added = head.additions
        .slice(0, head.additionCount)
        .map((lines) => Buffer.from(lines.bytes).toString("latin1"))
        .join("");
    },
    onData: () => undefined,
    onEnd: () => undefined,
    onFailure: (failure) => assert.fail(failure.message),
  };
  new Http1Decoder("request", sink, DEFAULT_DECODER_LIMITS).decode(
    Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`),
  );
  return added;
}

test("addTraceIds() gives a request without ids a trace, a span and a request id", () => {
  const added = addedTo("");
  assert.match(added, TRACE);
  assert.match(added, REQUEST_ID);
  assert.equal(added.split("\r\n").length, 5);
});

test("addTraceIds() draws every digit", () => {
  const digits = addedTo("").replaceAll(/[^0-9a-f]/g, "");
  for (const digit of "0123456789abcdef") assert.ok(digits.includes(digit), `no ${digit}`);
  assert.doesNotMatch(addedTo(""), /0{6}/);
});

for (const name of ["X-B3-TraceId: 463ac35c9f6413ad48485a3953bb6124", "b3: 0"]) {
  test(`addTraceIds() leaves the trace of "${name}" alone and adds the request id`, () => {
    const added = addedTo(`${name}\r\n`);
    assert.match(added, new RegExp(`^${REQUEST_ID.source}`));
  });
}

test("addTraceIds() adds a trace beside a request id that came", () => {
  assert.match(addedTo("X-Request-Id: mine\r\n"), new RegExp(`${TRACE.source}$`));
});

test("addTraceIds() adds nothing where both came", () => {
  assert.equal(addedTo("X-Request-Id: mine\r\nb3: 0\r\n"), "");
});
