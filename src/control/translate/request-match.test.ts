import assert from "node:assert/strict";
import { test } from "node:test";
import type { envoy } from "#gen/protos.js";
import { compilePattern } from "../../lib/pattern.ts";
import type { HttpMatchModel } from "../model/mesh-model.ts";
import { toHeaderMatchers, toPathMatcher, toRouteMatch } from "./request-match.ts";

const PATTERNS = [
  "",
  ".*",
  "/",
  "/api",
  "/api.*",
  "/api/.*",
  "^/api",
  "/api$",
  "^/api$",
  "^$",
  "$",
  "/a(b|c)",
  "/a|/b",
  "api",
  "(?i)/API",
  "/api/[0-9]+$",
  "/a.c",
  "/a\\.c",
  "\\Q/a.c",
  "\\Q/a.c\\E/d",
  "\\\\Q",
  "\\Q\\",
  ".*x$",
  "x.*$",
  "/a\\/b",
  "[/]api",
];
const TEXTS = [
  "",
  "/",
  "/api",
  "/API",
  "/api/",
  "/api/1",
  "/api/12x",
  "/api-admin",
  "/v1/api",
  "/a",
  "/b",
  "/ab",
  "/acx",
  "/a.c",
  "/abc",
  "/a.c/d",
  "\\Q",
  "\\",
  "x",
  "/x",
  "/xy",
  "/a/b",
  "api",
  "api/1",
];

for (const pattern of PATTERNS) {
  test(`toPathMatcher() keeps SMI's meaning of ${JSON.stringify(pattern)}`, () => {
    const smi = compilePattern(pattern, "prefix");
    const matcher = toPathMatcher(pattern);
    for (const text of TEXTS) {
      assert.equal(matcher === null || fits(matcher, text), smi.matches(text), JSON.stringify(text));
    }
  });

  test(`toHeaderMatchers() keeps SMI's meaning of ${JSON.stringify(pattern)}`, () => {
    const smi = compilePattern(pattern, "search");
    const [matcher] = toHeaderMatchers(matchOf({ headers: [["x-a", pattern]] }));
    assert.equal(matcher?.name, "x-a");
    for (const text of TEXTS) {
      const isFit: boolean = matcher?.presentMatch === true || fits(matcher?.stringMatch ?? {}, text);
      assert.equal(isFit, smi.matches(text), JSON.stringify(text));
    }
  });
}

test("toHeaderMatchers() says one method exactly, several as alternatives and any not at all", () => {
  assert.deepEqual(toHeaderMatchers(matchOf({ methods: null })), []);
  assert.deepEqual(toHeaderMatchers(matchOf({ methods: ["GET"] })), [
    { name: ":method", stringMatch: { exact: "GET" } },
  ]);
  const several = toHeaderMatchers(matchOf({ methods: ["GET", "POST"] }));
  assert.deepEqual(several, [{ name: ":method", stringMatch: { safeRegex: { regex: "GET|POST" } } }]);
});

test("A26 the header host is the authority", () => {
  const [matcher] = toHeaderMatchers(matchOf({ headers: [["host", "^web"]] }));
  assert.deepEqual(matcher, { name: ":authority", stringMatch: { prefix: "web" } });
});

test("toRouteMatch() compares plain text without a regular expression", () => {
  assert.deepEqual(toRouteMatch(matchOf({ pathRegex: ".*" })), { prefix: "/", headers: [] });
  assert.deepEqual(toRouteMatch(matchOf({ pathRegex: "/api" })), { prefix: "/api", headers: [] });
  assert.deepEqual(toRouteMatch(matchOf({ pathRegex: "/api$" })), { path: "/api", headers: [] });
  assert.deepEqual(toRouteMatch(matchOf({ pathRegex: "/a|/b" })), {
    safeRegex: { regex: "(?:/a|/b)(?s:.*)" },
    headers: [],
  });
});

function matchOf(parts: Partial<HttpMatchModel>): HttpMatchModel {
  return { pathRegex: ".*", methods: null, headers: [], ...parts };
}

/** What xDS says of a StringMatcher. */
function fits(matcher: envoy.type.matcher.v3.StringMatcher, text: string): boolean {
  if (matcher.exact != null) return text === matcher.exact;
  if (matcher.prefix != null) return text.startsWith(matcher.prefix);
  if (matcher.suffix != null) return text.endsWith(matcher.suffix);
  if (matcher.contains != null) return text.includes(matcher.contains);
  return compilePattern(matcher.safeRegex?.regex ?? "", "full").matches(text);
}
