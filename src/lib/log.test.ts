import assert from "node:assert/strict";
import { test } from "node:test";
import { JsonLog } from "./log.ts";
import type { LogFields, LogLevel } from "./log.ts";
import { WeftError } from "./weft-error.ts";

function createLog(level: LogLevel = "debug", fields?: LogFields): { log: JsonLog; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => {
    assert.ok(line.endsWith("\n") && line.indexOf("\n") === line.length - 1);
    lines.push(JSON.parse(line) as Record<string, unknown>);
  };
  return {
    log: new JsonLog({ level, timestamp: () => "now", write, ...(fields === undefined ? {} : { fields }) }),
    lines,
  };
}

test("JsonLog writes one line of JSON with time, level, message and fields", () => {
  const { log, lines } = createLog("info", { component: "proxy" });
  log.info("two\nlines", { count: 1 });
  assert.deepEqual(lines, [{ time: "now", level: "info", message: "two\nlines", component: "proxy", count: 1 }]);
});

test("JsonLog leaves out what is below its level, which can change", () => {
  const { log, lines } = createLog("warn");
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  log.setLevel("debug");
  log.debug("d2");
  assert.deepEqual(
    lines.map((line) => line["message"]),
    ["w", "e", "d2"],
  );
});

test("JsonLog writes no secrets: neither by name, at any depth, nor by form", () => {
  const { log, lines } = createLog();
  const key = "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----";
  log.info(`a key: ${key}`, {
    joinCredential: "s3cret",
    apiToken: "s3cret",
    headers: { authorization: "Bearer s3cret", cookie: "s3cret" },
    text: key,
    error: new Error(key),
    bytes: Buffer.from("s3cret"),
  });
  const text = JSON.stringify(lines);
  assert.doesNotMatch(text, /s3cret|MIG/);
  assert.match(text, /\[redacted\]/);
});

test("JsonLog writes errors with code and cause", () => {
  const { log, lines } = createLog();
  log.error("failed", { error: new WeftError("WEFT_X", "Cannot do", { cause: new TypeError("why") }) });
  assert.deepEqual(lines[0]?.["error"], {
    name: "WeftError",
    code: "WEFT_X",
    message: "Cannot do",
    cause: { name: "TypeError", message: "why" },
  });
});

test("JsonLog writes whatever it is given, bounded, and never throws", () => {
  const { log, lines } = createLog();
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  log.info("x".repeat(100_000), {
    loop,
    big: 1n,
    list: Array.from({ length: 1000 }, () => 1),
    run: () => 1,
    none: undefined,
    nan: Number.NaN,
  });
  assert.ok(JSON.stringify(lines[0]).length < 10_000);
});
