import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Head } from "../../../src/proxy/head.ts";
import { DecoderEvents, type DecoderEvent, type HeadFacts } from "../../../src/proxy/http1/decoder-events.ts";
import { copyEncoded, encodeRequestHead } from "../../../src/proxy/http1/encoder.ts";
import { REQUEST_CASES, RESPONSE_CASES, type RequestOutcome, type ResponseOutcome } from "./cases.ts";

/** Whole, byte by byte, and in pieces of 7. */
const CUTS = [Number.POSITIVE_INFINITY, 1, 7];

for (const { name, bytes, outcome } of REQUEST_CASES) {
  test(`Http1Decoder (request): ${name}: ${typeof outcome === "string" ? `refused as ${outcome}` : "accepted"}`, () => {
    let previous: readonly DecoderEvent[] | null = null;
    for (const cut of CUTS) {
      const { events, forwarded } = runRequest(bytes, cut);
      if (typeof outcome === "string") {
        assert.equal(failureOf(events), outcome);
        assert.ok(!events.some((event) => event.event === "end"), "nothing was complete");
      } else checkRequest(events, forwarded, outcome);
      if (previous !== null) assert.deepEqual(events, previous, "the same events however the bytes are cut");
      previous = events;
    }
  });
}

for (const { name, bytes, outcome, toHead, closes } of RESPONSE_CASES) {
  test(`Http1Decoder (response): ${name}: ${typeof outcome === "string" ? `refused as ${outcome}` : "accepted"}`, () => {
    for (const cut of CUTS) {
      const events = new DecoderEvents("response");
      events.decoder.expect(toHead ?? false);
      for (const piece of pieces(bytes, cut)) events.decoder.decode(piece);
      if (closes === true) events.decoder.finish();
      if (typeof outcome === "string") assert.equal(failureOf(events.list), outcome);
      else checkResponse(events.list, outcome);
    }
  });
}

test("the conformance table has at least 150 cases, no two with one name", () => {
  const names = [...REQUEST_CASES.map((c) => `request ${c.name}`), ...RESPONSE_CASES.map((c) => `response ${c.name}`)];
  assert.ok(names.length >= 150, `${names.length} cases`);
  assert.equal(new Set(names).size, names.length);
});

function runRequest(bytes: string, cut: number): { events: readonly DecoderEvent[]; forwarded: readonly string[] } {
  const events = new DecoderEvents("request");
  let forwarded: string[] = [];
  events.onEvent = (event) => {
    if (event.event === "head" && forwarded.length === 0) forwarded = forwardedNames(events.decoder.head);
  };
  for (const piece of pieces(bytes, cut)) events.decoder.decode(piece);
  return { events: events.list, forwarded };
}

function checkRequest(events: readonly DecoderEvent[], forwarded: readonly string[], outcome: RequestOutcome): void {
  assert.equal(failureOf(events), null);
  const head = firstHead(events);
  assert.ok(
    events.some((event) => event.event === "end"),
    "the message is complete",
  );
  const { body, forwards, messages, ...facts } = outcome;
  for (const [key, value] of Object.entries(facts)) assert.equal(head[key as keyof HeadFacts], value, key);
  if (body !== undefined) assert.equal(bodyOf(events), body);
  if (forwards !== undefined) assert.deepEqual(forwarded, forwards);
  if (messages !== undefined) assert.equal(events.filter((event) => event.event === "end").length, messages);
}

function checkResponse(events: readonly DecoderEvent[], outcome: ResponseOutcome): void {
  assert.equal(failureOf(events), outcome.afterwards ?? null);
  assert.ok(
    events.some((event) => event.event === "end"),
    "the message is complete",
  );
  const head = firstHead(events);
  if (outcome.status !== undefined) assert.equal(head.status, outcome.status);
  if (outcome.keepAlive !== undefined) assert.equal(head.keepAlive, outcome.keepAlive);
  if (outcome.body !== undefined) assert.equal(bodyOf(events), outcome.body);
  const interim = events.flatMap((event) => (event.event === "interim" ? [event.status] : []));
  assert.deepEqual(interim, outcome.interim ?? []);
}

function firstHead(events: readonly DecoderEvent[]): HeadFacts {
  const head = events.find((event): event is HeadFacts => event.event === "head");
  assert.ok(head !== undefined, "a head was reported");
  return head;
}

/** The body of the first message. */
function bodyOf(events: readonly DecoderEvent[]): string {
  const end = events.findIndex((event) => event.event === "end");
  return events.slice(0, end).reduce((text, event) => (event.event === "body" ? text + event.text : text), "");
}

function failureOf(events: readonly DecoderEvent[]): string | null {
  const failure = events.find((event) => event.event === "failure");
  return failure?.event === "failure" ? failure.detail : null;
}

function forwardedNames(head: Head): string[] {
  const text = Buffer.from(copyEncoded(encodeRequestHead, head)).toString("latin1");
  const lines = text.split("\r\n").slice(1, -2);
  const framing = new Set(["content-length", "transfer-encoding"]);
  return lines.map((line) => line.slice(0, line.indexOf(":")).toLowerCase()).filter((name) => !framing.has(name));
}

function pieces(text: string, cut: number): Buffer[] {
  const bytes = Buffer.from(text, "latin1");
  if (cut >= bytes.length) return bytes.length === 0 ? [] : [bytes];
  return Array.from({ length: Math.ceil(bytes.length / cut) }, (_, index) =>
    Buffer.from(bytes.subarray(index * cut, (index + 1) * cut)),
  );
}
