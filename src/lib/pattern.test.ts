import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { compilePattern, type PatternMode } from "./pattern.ts";
import { WeftError } from "./weft-error.ts";

describe("compilePattern() matches", () => {
  const rows: readonly (readonly [string, PatternMode, readonly string[], readonly string[]])[] = [
    ["/metrics", "prefix", ["/metrics", "/metrics-admin", "/metrics/a"], ["/", "/metric", "/a/metrics"]],
    ["/metrics$", "prefix", ["/metrics"], ["/metrics-admin", "/metrics/"]],
    ["/metrics", "full", ["/metrics"], ["/metrics-admin", "a/metrics"]],
    ["/a|/b", "prefix", ["/a", "/b1"], ["/c/b", "x/a"]],
    ["/a|/b", "full", ["/a", "/b"], ["/a1", "1/b"]],
    [".*", "prefix", ["", "/", "/x\ny"], []],
    [".*", "full", ["", "/"], ["x\ny"]],
    ["", "prefix", ["", "/"], []],
    ["", "full", [""], ["/"]],
    ["/api/.*", "prefix", ["/api/", "/api/v1"], ["/api", "/ap"]],
    ["/api/.*", "full", ["/api/", "/api/v1"], ["/api", "/api/\n"]],
    ["Firefox", "search", ["Firefox", "Mozilla Firefox/1"], ["Fire fox", ""]],
    [".*Firefox.*", "search", ["a Firefox b"], ["firefox"]],
    ["^web$", "search", ["web"], ["web1", "1web"]],
    ["^web", "search", ["web1"], ["1web"]],
    ["web$", "search", ["1web"], ["web1"]],
    ["\\.html$", "search", ["/a.html"], ["/ahtml", "/a.html5"]],
    ["/v[0-9]+/", "prefix", ["/v1/", "/v22/x"], ["/v/", "/a/v1/"]],
    ["(?i)/api", "prefix", ["/API/x"], ["/x"]],
    ["é+", "full", ["éé"], ["e"]],
    ["\\Qa+b", "prefix", ["a+bc"], ["aab"]],
  ];
  for (const [source, mode, fits, others] of rows) {
    test(`${JSON.stringify(source)} in mode ${mode}`, () => {
      const pattern = compilePattern(source, mode);
      assert.equal(pattern.source, source);
      assert.equal(pattern.mode, mode);
      for (const text of fits) assert.ok(pattern.matches(text), `fits ${JSON.stringify(text)}`);
      for (const text of others) assert.ok(!pattern.matches(text), `does not fit ${JSON.stringify(text)}`);
    });
  }
});

describe("compilePattern() refuses", () => {
  for (const source of [
    "(",
    "a)",
    "a)(b",
    "*",
    "[a",
    "(?=a)",
    "(?<!a)b",
    "(a)\\1",
    "a{2000}",
    "\\",
    "((a{100}){100}){100}",
  ]) {
    test(JSON.stringify(source), () => {
      assert.throws(
        () => compilePattern(source, "prefix"),
        (error) =>
          error instanceof WeftError && error.code === "WEFT_REGEX_INVALID" && error.details["source"] === source,
      );
    });
  }
  test("a source that is too long, and shows only its beginning", () => {
    assert.throws(
      () => compilePattern("a".repeat(2049), "prefix"),
      (error) => error instanceof WeftError && error.code === "WEFT_REGEX_INVALID" && error.message.length < 200,
    );
  });
});

test("patterns compared as text answer as RE2 does", () => {
  const piece = fc.constantFrom("a", "b", "/", "\\.", "\\/", "\\$", "é", "-", " ", "\n", "😀");
  const source = fc
    .tuple(
      fc.constantFrom("", "^"),
      fc.array(piece, { maxLength: 4 }),
      fc.constantFrom("", ".*"),
      fc.constantFrom("", "$"),
    )
    .map(([start, pieces, open, end]) => start + pieces.join("") + open + end);
  const letter = fc.constantFrom("a", "b", "/", ".", "$", "é", "-", " ", "\n", "😀");
  const text = fc.array(letter, { maxLength: 8 }).map((letters) => letters.join(""));
  fc.assert(
    fc.property(source, text, (pattern, input) => {
      const matcher = RE2JS.compile(pattern).matcher(input);
      assert.equal(compilePattern(pattern, "prefix").matches(input), matcher.lookingAt());
      assert.equal(compilePattern(pattern, "full").matches(input), RE2JS.compile(pattern).matches(input));
      assert.equal(compilePattern(pattern, "search").matches(input), RE2JS.compile(pattern).test(input));
    }),
    { seed: 1, numRuns: 3000 },
  );
});

/** CPU time of matching, the least of several tries, so that a busy machine does not disturb it. */
function measureUs(source: string, length: number): number {
  const pattern = compilePattern(source, "full");
  const input = `${"a".repeat(length)}!`;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 7; i += 1) {
    const before = process.cpuUsage();
    for (let j = 0; j < 20; j += 1) assert.equal(pattern.matches(input), false);
    const used = process.cpuUsage(before);
    least = Math.min(least, used.user + used.system);
  }
  return least;
}

test("a pattern that is catastrophic for a backtracking engine stays linear", () => {
  // At 30 characters a backtracking engine needs minutes; these inputs have thousands.
  for (const source of ["(a+)+b", "(a|aa)*c", "(.*a){12}b", "(a*)*$b"]) {
    const short = measureUs(source, 2000);
    const long = measureUs(source, 16_000);
    // Eight times the input; quadratic would be 64 times.
    assert.ok(long < 32 * Math.max(short, 200), `${source}: ${short} us for 2000 characters, ${long} us for 16000`);
  }
});

test("the RE2 library is loaded only by the first pattern that needs it", () => {
  const url = new URL("./pattern.js", import.meta.url).href;
  const script = `
    import { createRequire } from "node:module";
    import { compilePattern } from ${JSON.stringify(url)};
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes("re2js"));
    for (const mode of ["prefix", "full", "search"]) for (const source of ["/a", "/a/.*", ".*", "^a\\\\.b$"]) {
      if (!(mode === "search" && source.endsWith(".*$"))) compilePattern(source, mode).matches("/a");
    }
    const before = loaded();
    compilePattern("a+", "full");
    process.stdout.write(before + " " + loaded());
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(stdout, "false true", stderr);
});
