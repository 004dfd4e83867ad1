import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { AuthorityNames } from "./authority-names.ts";
import { normaliseAuthority } from "./find-route.ts";

function find(names: AuthorityNames, text: string): string {
  const bytes = Buffer.from(`Host: ${text}\r\n`, "latin1");
  return names.find(bytes, 6, 6 + text.length);
}

test("AuthorityNames.find() gives what normaliseAuthority() gives, again and again", () => {
  const names = new AuthorityNames();
  for (const text of ["reviews", "Reviews.Default:8080", "reviews.", "reviews.:80", "[::1]:80", "", "a".repeat(300)]) {
    for (let round = 0; round < 3; round += 1) assert.equal(find(names, text), normaliseAuthority(text));
  }
});

test("AuthorityNames.find() is never wrong, however many names share its places", () => {
  const names = new AuthorityNames();
  const random = createSeededRandom(3);
  for (let index = 0; index < 20_000; index += 1) {
    const length = 1 + random.below(4);
    const text = Array.from(random.bytes(length), (byte) => "abAB.:19"[byte & 7]).join("");
    assert.equal(find(names, text), normaliseAuthority(text));
  }
});

test("AuthorityNames.findText() reads a text as normaliseAuthority() does, and keeps a bounded number", () => {
  const names = new AuthorityNames();
  for (let index = 0; index < 2000; index += 1) {
    assert.equal(names.findText(`Host-${index % 700}.:80`), `host-${index % 700}:80`);
  }
});
