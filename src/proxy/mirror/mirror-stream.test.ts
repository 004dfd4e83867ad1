import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openExchange, parseResponseHead } from "../../testing/exchange-bench.ts";
import type { UpstreamStream } from "../exchange.ts";
import { DOWNSTREAM_CLOSED, NO_FAILURE } from "../failures.ts";
import { MirrorStream } from "./mirror-stream.ts";

interface Bench {
  readonly stream: MirrorStream;
  readonly real: ReturnType<typeof openExchange>["x"];
  readonly events: string[];
  readonly attempt: UpstreamStream & { readonly sent: string[]; writable: boolean };
}

/** A mirror on its way, without a stack around it. */
function open(): Bench {
  const events: string[] = [];
  const stream = new MirrorStream(
    { onMirrorEnded: () => events.push("ended"), onMirrorCut: () => events.push("cut") },
    null,
  );
  const { x: real } = openExchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const { request } = real;
  assert.ok(request !== null);
  stream.exchange.begin(null, real.origin, request.clone());
  const sent: string[] = [];
  const attempt = {
    sent,
    writable: true,
    sendData: (bytes: Uint8Array): boolean => sent.push(Buffer.from(bytes).toString()) > 0 && attempt.writable,
    sendEnd: () => void sent.push("end"),
    cancel: () => void sent.push("cancel"),
    discard: () => undefined,
    pauseReads: () => undefined,
    resumeReads: () => undefined,
  };
  return { stream, real, events, attempt };
}

describe("MirrorStream", () => {
  it("passes a body on, whatever happens to the real request's bytes afterwards", () => {
    const { stream, real, events, attempt } = open();
    stream.exchange.onConnected(attempt);
    const bytes = Buffer.from("first");
    stream.onRequestData(real, bytes);
    bytes.fill(0);
    stream.onRequestData(real, Buffer.from("second"));
    stream.onRequestEnd(real, null);
    assert.deepEqual(attempt.sent, ["first", "second", "end"]);
    stream.exchange.onResponseHead(parseResponseHead("HTTP/1.1 204 No Content\r\n\r\n"));
    assert.deepEqual(events, []);
    stream.exchange.onResponseEnd(null);
    assert.deepEqual(events, ["ended"]);
  });

  it("keeps what came before its connection, in order, and its end", () => {
    const { stream, real, attempt } = open();
    for (const part of ["1", "2", "3"]) stream.onRequestData(real, Buffer.from(part));
    stream.onRequestEnd(real, null);
    assert.deepEqual(attempt.sent, []);
    stream.exchange.onConnected(attempt);
    assert.deepEqual(attempt.sent, ["1", "23", "end"]);
  });

  it("waits for a slow mirror with 64 KiB at most, then gives it up once", () => {
    const { stream, real, events, attempt } = open();
    stream.exchange.onConnected(attempt);
    attempt.writable = false;
    const part = Buffer.alloc(16 * 1024);
    // One part is on its way, four wait.
    for (let count = 0; count < 5; count += 1) stream.onRequestData(real, part);
    assert.deepEqual(events, []);
    stream.onRequestData(real, part);
    assert.deepEqual(events, ["cut", "ended"]);
    assert.equal(attempt.sent.at(-1), "cancel");
    stream.onRequestData(real, part);
    stream.onRequestEnd(real, null);
    stream.onRequestAbort(real);
    assert.deepEqual(events, ["cut", "ended"]);
    assert.equal(real.failure, NO_FAILURE);
  });

  it("goes on when a slow mirror has room again", () => {
    const { stream, real, events, attempt } = open();
    stream.exchange.onConnected(attempt);
    attempt.writable = false;
    for (const part of ["1", "2", "3"]) stream.onRequestData(real, Buffer.from(part));
    assert.deepEqual(attempt.sent, ["1"]);
    stream.exchange.onUpstreamDrain();
    assert.deepEqual(attempt.sent, ["1", "23"]);
    stream.onRequestData(real, Buffer.from("4"));
    assert.deepEqual(attempt.sent, ["1", "23"]);
    attempt.writable = true;
    stream.exchange.onUpstreamDrain();
    stream.onRequestEnd(real, null);
    assert.deepEqual(attempt.sent, ["1", "23", "4", "end"]);
    assert.deepEqual(events, []);
  });

  it("ends with a real request that was cut short", () => {
    const { stream, real, events, attempt } = open();
    stream.exchange.onConnected(attempt);
    stream.onRequestData(real, Buffer.from("half"));
    stream.onRequestAbort(real);
    assert.deepEqual(attempt.sent, ["half", "cancel"]);
    assert.deepEqual(events, ["ended"]);
    assert.equal(stream.exchange.failure, DOWNSTREAM_CLOSED);
  });

  it("does not listen to an event stream", () => {
    const { stream, real, events, attempt } = open();
    stream.exchange.onConnected(attempt);
    stream.onRequestEnd(real, null);
    stream.exchange.endless = true;
    stream.exchange.onResponseHead(
      parseResponseHead("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"),
    );
    assert.deepEqual(attempt.sent, ["end", "cancel"]);
    assert.deepEqual(events, ["ended"]);
  });
});
