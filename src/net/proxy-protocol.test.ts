import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeProxyHeader } from "../capture/encode-proxy-header.ts";
import { decodeProxyHeader } from "./proxy-protocol.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";

interface Vector {
  readonly fact: string;
  readonly hex: string;
  readonly expected: ReturnType<typeof decodeProxyHeader>;
}

const VECTORS: readonly Vector[] = [
  {
    fact: "reads name and port over IPv4",
    hex: `${SIGNATURE}21110016${"00".repeat(10)}005002000772657669657773`,
    expected: { length: 38, authority: "reviews", destinationPort: 80 },
  },
  {
    fact: "reads the port over IPv6",
    hex: `${SIGNATURE}21210024${"00".repeat(32)}0000ffff`,
    expected: { length: 52, authority: null, destinationPort: 65_535 },
  },
  {
    fact: "skips entries of other types, before and after",
    hex: `${SIGNATURE}21110018${"00".repeat(10)}1538040002aabb02000161040000`,
    expected: { length: 40, authority: "a", destinationPort: 5432 },
  },
  {
    fact: "keeps the name as written",
    hex: `${SIGNATURE}21110012${"00".repeat(10)}0050020003413a2e`,
    expected: { length: 34, authority: "A:.", destinationPort: 80 },
  },
  {
    fact: "takes LOCAL without a name",
    hex: `${SIGNATURE}20000000`,
    expected: { length: 16, authority: null, destinationPort: 0 },
  },
  {
    fact: "discards what LOCAL carries",
    hex: `${SIGNATURE}20110002ffff`,
    expected: { length: 18, authority: null, destinationPort: 0 },
  },
  { fact: "refuses other first bytes", hex: Buffer.from("GET / HTTP/1.1\r\n").toString("hex"), expected: "invalid" },
  { fact: "refuses version 1", hex: Buffer.from("PROXY TCP4 1.1.1.1").toString("hex"), expected: "invalid" },
  { fact: "refuses another version", hex: `${SIGNATURE}31110000`, expected: "invalid" },
  { fact: "refuses an unknown command", hex: `${SIGNATURE}22110000`, expected: "invalid" },
  { fact: "refuses datagrams", hex: `${SIGNATURE}2112000c${"00".repeat(12)}`, expected: "invalid" },
  {
    fact: "refuses a header too short for its addresses",
    hex: `${SIGNATURE}2111000b${"00".repeat(11)}`,
    expected: "invalid",
  },
  { fact: "refuses a header over 1024 bytes", hex: `${SIGNATURE}211103f1`, expected: "invalid" },
  {
    fact: "refuses an entry that runs past the end",
    hex: `${SIGNATURE}21110010${"00".repeat(12)}02000261`,
    expected: "invalid",
  },
  { fact: "refuses half an entry head", hex: `${SIGNATURE}2111000e${"00".repeat(12)}0200`, expected: "invalid" },
  { fact: "refuses an empty name", hex: `${SIGNATURE}2111000f${"00".repeat(12)}020000`, expected: "invalid" },
  {
    fact: "refuses a control byte in the name",
    hex: `${SIGNATURE}21110010${"00".repeat(12)}0200010a`,
    expected: "invalid",
  },
  { fact: "refuses a space in the name", hex: `${SIGNATURE}21110010${"00".repeat(12)}02000120`, expected: "invalid" },
];

for (const { fact, hex, expected } of VECTORS) {
  test(`decodeProxyHeader() ${fact}`, () => {
    assert.deepEqual(decodeProxyHeader(Buffer.from(hex, "hex")), expected);
  });
}

test("decodeProxyHeader() refuses a name over 255 bytes", () => {
  assert.equal(decodeProxyHeader(encodeProxyHeader("a".repeat(256), 80)), "invalid");
});

test("decodeProxyHeader() reads back what encodeProxyHeader() wrote, and says partial for every prefix of it", () => {
  const name = fc.string({ minLength: 1, maxLength: 255, unit: fc.constantFrom(..."abcXYZ019.-_") });
  fc.assert(
    fc.property(
      name,
      fc.integer({ min: 0, max: 65_535 }),
      fc.uint8Array({ maxLength: 20 }),
      (authority, port, rest) => {
        const header = encodeProxyHeader(authority, port);
        assert.deepEqual(decodeProxyHeader(Buffer.concat([header, rest])), {
          length: header.length,
          authority,
          destinationPort: port,
        });
        for (let end = 0; end < header.length; end += 1) {
          assert.equal(decodeProxyHeader(header.subarray(0, end)), "partial");
        }
      },
    ),
    { seed: 20_261_122, numRuns: 100 },
  );
});

test("decodeProxyHeader() never throws and never reads past 1024 bytes", () => {
  const afterSignature = fc.uint8Array({ minLength: 0, maxLength: 1100 });
  fc.assert(
    fc.property(afterSignature, (tail) => {
      const decoded = decodeProxyHeader(Buffer.concat([Buffer.from(SIGNATURE, "hex"), tail]));
      if (typeof decoded === "object") assert.ok(decoded.length <= 1024);
      if (decoded === "partial") assert.ok(tail.length + 12 < 1024);
    }),
    { seed: 20_261_122, numRuns: 500 },
  );
});
