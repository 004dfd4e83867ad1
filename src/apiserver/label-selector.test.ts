import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLabelSelector } from "./label-selector.ts";

test("parseLabelSelector() follows Kubernetes", () => {
  const labels = { app: "web", "app.kubernetes.io/name": "web", empty: "" };
  for (const [selector, expected] of [
    ["", true],
    ["app", true],
    ["!app", false],
    ["!absent", true],
    ["app=web", true],
    ["app==web", true],
    ["app = web", true],
    ["app=db", false],
    ["app!=db", true],
    ["absent!=db", true],
    ["absent=db", false],
    ["empty=", true],
    ["app.kubernetes.io/name=web,!absent", true],
    ["app in (db, web)", true],
    ["app notin (db,web)", false],
    ["absent notin (db)", true],
    ["absent in (db)", false],
    ["app=web,empty,app in (web),absent notin (x)", true],
    ["toString", false],
  ] as const) {
    assert.equal(parseLabelSelector(selector)(labels), expected, selector);
  }
});

test("parseLabelSelector() refuses what it cannot read, and says so", () => {
  for (const selector of ["a b", "=x", "app in web", "app in (a", "a,,b", "-app", "app>1"]) {
    assert.throws(
      () => parseLabelSelector(selector),
      { name: "SyntaxError", message: /^found ".*"; expected requirements like app=web/ },
      selector,
    );
  }
});
