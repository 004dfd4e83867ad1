import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { decodeHuffman, encodeHuffman, huffmanBound } from "./huffman.ts";

/** null when it is refused. */
function decode(bytes: Uint8Array): string | null {
  const out = Buffer.alloc(huffmanBound(bytes.length) + 8);
  const end = decodeHuffman(bytes, 0, bytes.length, out, 4);
  assert.ok(end <= out.length - 4);
  return end < 0 ? null : out.toString("latin1", 4, end);
}

// RFC 7541 sections C.4 and C.6.
const EXAMPLES: readonly (readonly [text: string, hex: string])[] = [
  ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
  ["no-cache", "a8eb10649cbf"],
  ["custom-key", "25a849e95ba97d7f"],
  ["custom-value", "25a849e95bb8e8b4bf"],
  ["302", "6402"],
  ["private", "aec3771a4b"],
  ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
  ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
  ["307", "640eff"],
  ["gzip", "9bd9ab"],
  [
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
  ],
];

for (const [text, hex] of EXAMPLES) {
  test(`decodeHuffman() and encodeHuffman() know RFC 7541's "${text.slice(0, 30)}"`, () => {
    assert.equal(decode(Buffer.from(hex, "hex")), text);
    assert.equal(Buffer.from(encodeHuffman(text)).toString("hex"), hex);
  });
}

test("decodeHuffman() gives back any bytes that encodeHuffman() coded", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString("latin1");
      assert.equal(decode(encodeHuffman(text)), text);
    }),
    { numRuns: 2_000, seed: 7541 },
  );
});

test("decodeHuffman() knows every symbol at every offset", () => {
  for (let byte = 0; byte < 256; byte += 1) {
    for (let before = 0; before < 8; before += 1) {
      const text = `${"0".repeat(before)}${String.fromCharCode(byte)}a`;
      assert.equal(decode(encodeHuffman(text)), text);
    }
  }
});

// RFC 7541 section 5.2: each of these is a decoding error.
const REFUSED: readonly (readonly [string, string])[] = [
  ["eight bits of padding", "ff"],
  ["eight bits of padding behind a symbol", "1fff"],
  ["padding that is not all ones", "18"],
  ["padding of zeros only", "f1e3c2e5f23a6ba0ab90f4fe"],
  ["EOS", "fffffffc"],
  ["EOS with padding", "ffffffff"],
  ["EOS behind symbols", "1c7fffffffff"],
  ["a long code that is cut off", "fffe"],
  ["a 30-bit code that is cut off", "ffffff"],
];

for (const [what, hex] of REFUSED) {
  test(`decodeHuffman() refuses ${what}`, () => assert.equal(decode(Buffer.from(hex, "hex")), null));
}

test("decodeHuffman() accepts no padding, and up to seven bits of it", () => {
  for (let count = 0; count <= 16; count += 1)
    assert.equal(decode(encodeHuffman("0".repeat(count))), "0".repeat(count));
});
