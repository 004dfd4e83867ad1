import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import fc from "fast-check";
import { type DetectedProtocol, detectPreface, detectProtocol } from "./detect-protocol.ts";

interface Row {
  readonly what: string;
  readonly bytes: string;
  readonly found: DetectedProtocol;
  /** When nothing more is awaited; the same as `found` unless said. */
  readonly final?: DetectedProtocol;
}

const HELLO = "\x16\x03\x01\x02\x00\x01";

const rows: readonly Row[] = [
  { what: "nothing", bytes: "", found: "partial", final: "opaque" },
  // HTTP/1
  { what: "a request", bytes: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", found: "http1" },
  { what: "a request line", bytes: "GET /a?b=c HTTP/1.1\r\n", found: "http1" },
  { what: "HTTP/1.0", bytes: "GET / HTTP/1.0\r\n", found: "http1" },
  { what: "a bare LF, which the decoder judges", bytes: "GET / HTTP/1.1\n", found: "http1" },
  { what: "a method of one's own", bytes: "X-PURGE /a HTTP/1.1\r\n", found: "http1" },
  { what: "the asterisk form", bytes: "OPTIONS * HTTP/1.1\r\n", found: "http1" },
  { what: "the authority form", bytes: "CONNECT a:443 HTTP/1.1\r\n", found: "http1" },
  { what: "one empty line before", bytes: "\r\nGET / HTTP/1.1\r\n", found: "http1" },
  { what: "bytes over 127 in the target", bytes: "GET /\xe4 HTTP/1.1\r\n", found: "http1" },
  { what: "half a method", bytes: "GE", found: "partial", final: "opaque" },
  { what: "a method and a path", bytes: "GET /a", found: "partial", final: "http1" },
  { what: "an unfinished absolute form", bytes: "POST http://a/b", found: "partial", final: "http1" },
  { what: "an unfinished line of an unknown method", bytes: "FETCH /a", found: "partial", final: "opaque" },
  { what: "a line without its LF", bytes: "GET / HTTP/1.1\r", found: "partial", final: "http1" },
  { what: "a version that is not complete", bytes: "GET / HTT", found: "partial", final: "http1" },
  { what: "two empty lines", bytes: "\r\n\r\n", found: "opaque" },
  { what: "CR without LF", bytes: "\rGET / HTTP/1.1\r\n", found: "opaque" },
  { what: "HTTP/3 in text", bytes: "GET / HTTP/3.0\r\n", found: "opaque" },
  { what: "HTTP/0.9", bytes: "GET /\r\n", found: "opaque" },
  { what: "two spaces", bytes: "GET  / HTTP/1.1\r\n", found: "opaque" },
  { what: "an RTSP request", bytes: "OPTIONS rtsp://a RTSP/1.0\r\n", found: "opaque" },
  { what: "a SIP request", bytes: "INVITE sip:a SIP/2.0\r\n", found: "opaque" },
  { what: "a line of 16 KiB and more", bytes: `GET /${"a".repeat(17_000)}`, found: "opaque" },
  // HTTP/2
  { what: "the HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", found: "http2" },
  { what: "part of the HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nS", found: "partial", final: "opaque" },
  { what: "P", bytes: "P", found: "partial", final: "opaque" },
  { what: "a spoiled HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSX", found: "opaque" },
  // TLS
  { what: "a ClientHello", bytes: HELLO, found: "tls" },
  { what: "a ClientHello of TLS 1.3's record version", bytes: "\x16\x03\x03\x00\x10\x01", found: "tls" },
  { what: "five bytes of a ClientHello", bytes: HELLO.slice(0, 5), found: "partial", final: "opaque" },
  { what: "another handshake message", bytes: "\x16\x03\x01\x02\x00\x02", found: "opaque" },
  { what: "SSL 2", bytes: "\x80\x2e\x01\x00\x02", found: "opaque" },
  { what: "a record of a version to come", bytes: "\x16\x04\x01\x02\x00\x01", found: "opaque" },
  { what: "an empty record", bytes: "\x16\x03\x01\x00\x00\x01", found: "opaque" },
  { what: "an overlong record", bytes: "\x16\x03\x01\x40\x01\x01", found: "opaque" },
  // Others
  { what: "Redis", bytes: "*1\r\n$4\r\nPING\r\n", found: "opaque" },
  { what: "Redis inline", bytes: "PING\r\n", found: "opaque" },
  { what: "Redis inline with words", bytes: "SET a b\r\n", found: "opaque" },
  { what: "Memcached", bytes: "set a 0 0 1\r\nx\r\n", found: "opaque" },
  { what: "Memcached get", bytes: "get a\r\n", found: "opaque" },
  { what: "SMTP", bytes: "EHLO client.example\r\n", found: "opaque" },
  { what: "SMTP over LMTP", bytes: "LHLO a b\r\n", found: "opaque" },
  { what: "NATS", bytes: 'CONNECT {"verbose":false}\r\n', found: "opaque" },
  { what: "SSH", bytes: "SSH-2.0-OpenSSH_9.6\r\n", found: "opaque" },
  { what: "IRC", bytes: "NICK a\r\nUSER a 0 * :a\r\n", found: "opaque" },
  { what: "PostgreSQL", bytes: "\0\0\0\x08\x04\xd2\x16\x2f", found: "opaque" },
  { what: "MongoDB", bytes: "\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0", found: "opaque" },
  { what: "Kafka", bytes: "\0\0\0\x14\0\x12\0\x03", found: "opaque" },
  { what: "MQTT", bytes: "\x10\x0c\0\x04MQTT", found: "opaque" },
  { what: "AMQP", bytes: "AMQP\0\0\x09\x01", found: "opaque" },
];

describe("detectProtocol()", () => {
  for (const { what, bytes, found, final = found } of rows) {
    it(`takes ${what} for ${found === final ? found : `${found}, and ${final} in the end`}`, () => {
      const buffer = Buffer.from(bytes, "latin1");
      assert.deepEqual([detectProtocol(buffer), detectProtocol(buffer, true)], [found, final]);
    });
  }

  it("never changes its mind as more bytes come", () => {
    for (const { bytes } of rows) {
      const buffer = Buffer.from(bytes, "latin1");
      const last = detectProtocol(buffer);
      for (let length = 0; length < Math.min(buffer.length, 64); length += 1) {
        const early = detectProtocol(buffer.subarray(0, length));
        assert.ok(early === "partial" || early === last, `${JSON.stringify(bytes.slice(0, length))} is ${early}`);
      }
    }
  });

  it("judges any bytes, and needs no more than 16 KiB of them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.notEqual(detectProtocol(bytes, true), "partial");
      }),
      { numRuns: 2000, seed: 3 },
    );
    const endless = Buffer.alloc(16 * 1024 + 64, "a");
    endless.write("GET /", "latin1");
    assert.equal(detectProtocol(endless), "opaque");
  });
});

test("detectPreface() leaves everything but TLS and HTTP/2 to HTTP/1.1 with the first byte that tells", () => {
  const found = (text: string): string => detectPreface(Buffer.from(text, "latin1"));
  assert.deepEqual(
    ["", "P", "PR", "PU", "G", "\x16", "\x16\x03", "\x16\x05", HELLO, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].map(found),
    ["partial", "partial", "partial", "other", "other", "partial", "partial", "other", "tls", "http2"],
  );
});
