import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpiffeSan } from "./spiffe-san.ts";

const ID = "spiffe://shop.mesh/ns/default/sa/reviews";

const ACCEPTED: readonly (readonly [string, string])[] = [
  ["a single URI", `URI:${ID}`],
  ["a DNS name before it", `DNS:reviews.default, URI:${ID}`],
  ["names of every kind round it", `IP Address:127.0.0.1, URI:${ID}, DNS:a.b, email:a@b.c`],
  ["a quoted directory name that imitates an entry", `DirName:"CN = x, URI:spiffe://evil/x", URI:${ID}`],
  ["a quoted DNS name with escaped quotes", `DNS:"a\\", URI:spiffe://evil/x, \\"", URI:${ID}`],
];

for (const [what, text] of ACCEPTED) {
  test(`parseSpiffeSan() reads the SPIFFE ID beside ${what}`, () => {
    assert.equal(parseSpiffeSan(text), ID);
  });
}

const REFUSED: readonly (readonly [string, string | undefined])[] = [
  ["no names at all", undefined],
  ["an empty list", ""],
  ["only a DNS name", "DNS:reviews"],
  ["a DNS name that spells an ID", `DNS:${ID}`],
  ["two URIs", `URI:${ID}, URI:spiffe://shop.mesh/ns/default/sa/web`],
  ["the same URI twice", `URI:${ID}, URI:${ID}`],
  ["a second, quoted URI", `URI:${ID}, URI:"http://x/a,b"`],
  ["a URI that is not a SPIFFE ID", "URI:https://shop.mesh/ns/default/sa/reviews"],
  ["a quoted SPIFFE ID with a NUL", `URI:"${ID}\\u0000.evil"`],
  ["a quoted SPIFFE ID", `URI:"${ID}"`],
  ["a quoted DNS name that imitates an entry", `DNS:"a, URI:${ID}"`],
  ["a quote that never closes", `DNS:"a, URI:${ID}`],
  ["text after a closing quote", `DNS:"a"URI:${ID}`],
  ["a separator without its space", `DNS:a,URI:${ID}`],
  ["a separator at the end", `URI:${ID}, `],
  ["a kind in another case", `uri:${ID}`],
  ["a leading space", ` URI:${ID}`],
  ["trailing space in the URI", `URI:${ID} `],
];

for (const [what, text] of REFUSED) {
  test(`parseSpiffeSan() refuses ${what}`, () => {
    assert.equal(parseSpiffeSan(text), null);
  });
}
