import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { BODY_TUNNEL, type Head } from "../head.ts";
import { DEFAULT_DECODER_LIMITS, type Http1Sink } from "./decoder-contract.ts";
import { Http1Decoder } from "./decoder.ts";
import { copyEncoded, encodeRequestHead, encodeResponseHead } from "./encoder.ts";
import { addWebSocketKey, completeSwitch, refuseSwitch } from "./upgrade-handshake.ts";
import { computeWebSocketAccept, createWebSocketKey } from "./websocket-key.ts";

const ASK = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
/** RFC 6455 section 1.3. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

function decode(role: "request" | "response", text: string): Head {
  const heads: Head[] = [];
  const sink: Http1Sink = {
    onInterim: () => assert.fail("no interim head is expected"),
    onHead: (head) => heads.push(head),
    onData: () => undefined,
    onEnd: () => undefined,
    onFailure: (failure) => assert.fail(failure.message),
  };
  const decoder = new Http1Decoder(role, sink, DEFAULT_DECODER_LIMITS);
  decoder.expect(false, true);
  decoder.decode(Buffer.from(text, "latin1"));
  return heads[0] ?? assert.fail("no head came");
}

function switchHead(fields: string): Head {
  return decode("response", `HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
}

test("computeWebSocketAccept() answers the key of the RFC's example", () => {
  assert.equal(computeWebSocketAccept(KEY), ACCEPT);
});

test("createWebSocketKey() makes 16 bytes in base64, another each time", () => {
  const random = createSeededRandom(1);
  const keys = [createWebSocketKey(random), createWebSocketKey(random)];
  for (const key of keys) assert.equal(Buffer.from(key, "base64").length, 16);
  assert.notEqual(keys[0], keys[1]);
});

test("addWebSocketKey() gives a key to a WebSocket request that has none, and to no other", () => {
  const request = decode("request", `${ASK}\r\n`);
  const key = addWebSocketKey(request, createSeededRandom(1)) ?? assert.fail("a key is expected");
  const text = Buffer.from(copyEncoded(encodeRequestHead, request)).toString("latin1");
  assert.ok(text.includes(`\r\nsec-websocket-key: ${key}\r\n`), text);
  assert.equal(
    addWebSocketKey(decode("request", `${ASK}Sec-WebSocket-Key: ${KEY}\r\n\r\n`), createSeededRandom(1)),
    null,
  );
  assert.equal(
    addWebSocketKey(decode("request", `${ASK.replace("websocket", "chat")}\r\n`), createSeededRandom(1)),
    null,
  );
});

test("refuseSwitch() takes the right answer to our own key, and hides it from a caller that sent none", () => {
  const request = decode("request", `${ASK}\r\n`);
  const good = switchHead(`Upgrade: WebSocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`);
  assert.equal(refuseSwitch(request, good, KEY), null);
  assert.doesNotMatch(Buffer.from(copyEncoded(encodeResponseHead, good)).toString("latin1"), /accept/i);
});

for (const [what, fields] of [
  ["no answer to our key", "Upgrade: websocket\r\n"],
  ["a wrong answer to our key", "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"],
  ["no protocol", `Sec-WebSocket-Accept: ${ACCEPT}\r\n`],
  ["a protocol that was not offered", `Upgrade: chat\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`],
] as const) {
  test(`refuseSwitch() refuses a 101 with ${what}`, () => {
    assert.match(refuseSwitch(decode("request", `${ASK}\r\n`), switchHead(fields), KEY) ?? "", /^101 /);
  });
}

test("completeSwitch() gives a 101 from HTTP/2 what a caller over HTTP/1.1 expects", () => {
  const request = decode("request", `${ASK.replace("websocket", "websocket, chat")}Sec-WebSocket-Key: ${KEY}\r\n\r\n`);
  const head = switchHead("Sec-WebSocket-Protocol: x\r\n");
  assert.equal(head.bodyKind, BODY_TUNNEL);
  completeSwitch(request, head);
  assert.equal(
    Buffer.from(copyEncoded(encodeResponseHead, head)).toString("latin1"),
    "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: x\r\nupgrade: websocket\r\n" +
      `sec-websocket-accept: ${ACCEPT}\r\nconnection: Upgrade\r\n\r\n`,
  );
});

test("completeSwitch() leaves a 101 from HTTP/1.1 as it is", () => {
  const head = switchHead(`Upgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`);
  completeSwitch(decode("request", `${ASK}Sec-WebSocket-Key: ${KEY}\r\n\r\n`), head);
  assert.equal(head.additionCount, 0);
});
