import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { WEFT_VERSION } from "../../src/version.ts";
import { blankTexts, listImports } from "./code-text.ts";
import { checkFileShape } from "./file-shape.ts";
import { checkImportEdges } from "./import-edges.ts";
import { checkPlatformUse } from "./platform-use.ts";
import { findRoot, readRepository, readSources, type RepositoryFile } from "./repository.ts";
import { checkWorkplaceWords } from "./workplace-words.ts";

function sample(file: string, text: string): RepositoryFile[] {
  return [{ path: file, text }];
}

test("the rules read the repository", () => {
  const files = readRepository().map((file) => file.path);
  for (const expected of ["package.json", "src/version.ts", "docs/errors.md", ".ci/run", "scripts/test.mjs"]) {
    assert.ok(files.includes(expected), expected);
  }
  assert.ok(readSources().length > 100);
});

test("blankTexts() keeps code and blanks comments, strings, templates and regular expressions", () => {
  const table: readonly [string, string][] = [
    ['a("b"); // c', 'a(" ");     '],
    ["/* Date. */ x", "            x"],
    ["`a${b(`c`)}d`;e", "` ${b(` `)} `;e"],
    ["`${{ a: 1 }}x`", "`${{ a: 1 }} `"],
    ["x = /a[/]'b/g; y", "x = /      /g; y"],
    ["a / b / c", "a / b / c"],
    ["'it\\'s' + d", "'     ' + d"],
  ];
  for (const [source, expected] of table) assert.equal(blankTexts(source), expected);
});

test("listImports() finds every form of import and none in a text", () => {
  const source = `import a from "./a.ts"; import type { B } from './b.ts';
    export * from "./c.ts"; const d = await import("./d.ts"); import "./e.ts"; const f = 'from "./no.ts"'; require("net");`;
  assert.deepEqual(listImports(source), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "net"]);
});

test("sources keep the import edges", () => {
  assert.deepEqual(checkImportEdges(readSources()), []);
});

test("the import rule catches what it forbids", () => {
  const caught: readonly [string, string][] = [
    ["src/proxy/x.ts", "../control/views.ts"],
    ["src/control/x.ts", "../proxy/head.ts"],
    ["src/lib/x.ts", "../time/clock.ts"],
    ["src/transport/x.ts", "../proxy/head.ts"],
    ["src/resources/x.ts", "../store/store.ts"],
    ["src/cli/x.ts", "../proxy/failures.ts"],
    ["src/proxy/x.ts", "../testing/fake-clock.ts"],
    ["src/proxy/x.ts", "../transport/transport-table.ts"],
    ["src/proxy/x.ts", "../../test/rules/code-text.ts"],
    ["src/novel/x.ts", "../lib/weft-error.ts"],
    ["src/proxy/x.ts", "node:net"],
    ["src/proxy/deep/er/x.ts", "node:http"],
    ["src/observe/x.ts", "tls"],
    ["src/transport/x.ts", "node:http2"],
  ];
  for (const [file, imported] of caught) {
    assert.equal(checkImportEdges(sample(file, `import "${imported}";`)).length, 1, `${file} ${imported}`);
  }
  const fine = [sample("src/proxy/x.ts", 'import "../lib/x.ts";'), sample("src/proxy/x.test.ts", 'import "node:net";')];
  assert.deepEqual(fine.flatMap(checkImportEdges), []);
});

test("sources take time, randomness, environment and console from their folders", () => {
  assert.deepEqual(checkPlatformUse(readRepository()), []);
});

test("the platform rule catches what it forbids", () => {
  const caught = [
    "setTimeout(run, 1);",
    "await new Promise((r) => setImmediate(r));",
    "const now = Date.now();",
    "const d = new Date();",
    "performance.now()",
    "process.hrtime.bigint()",
    "Math.random()",
    "crypto.randomUUID()",
    "process.env.HOME",
    'process["env"]',
    "console.log(1)",
    "const t = `${Date.now()}`;",
  ];
  for (const code of caught) {
    assert.equal(checkPlatformUse(sample("src/proxy/x.ts", `\n${code}`)).length, 1, code);
    assert.match(checkPlatformUse(sample("src/proxy/x.ts", `\n${code}`))[0] ?? "", /^src\/proxy\/x\.ts:2: /);
  }
  for (const code of ["// Date.now()", 'const a = "console.log";', "clock.setTimeout(1)", "this.#console.log()"]) {
    assert.deepEqual(checkPlatformUse(sample("src/proxy/x.ts", code)), [], code);
  }
  assert.equal(checkPlatformUse(sample("src/x.test.ts", "setTimeout(f, 10)")).length, 1, "tests do not sleep");
  assert.deepEqual(checkPlatformUse(sample("src/time/x.ts", "setTimeout(f, Date.now())")), []);
});

test("files have names and lengths that the style allows", () => {
  assert.deepEqual(checkFileShape(readRepository()), []);
});

test("the file rule catches what it forbids", () => {
  assert.equal(checkFileShape(sample("src/lib/utils.ts", "")).length, 1);
  assert.equal(checkFileShape(sample("src/lib/index.ts", "")).length, 1);
  assert.equal(checkFileShape(sample("src/lib/helpers.test.ts", "")).length, 1);
  assert.equal(checkFileShape(sample("src/lib/retryBudget.ts", "")).length, 1);
  assert.equal(checkFileShape(sample("src/lib/a.ts", "\n".repeat(401))).length, 1);
  assert.equal(checkFileShape(sample("src/lib/a.ts", `// Long because it is a table.\n${"\n".repeat(600)}`)).length, 1);
  assert.deepEqual(checkFileShape(sample("src/lib/a.ts", `// Long because it is a table.\n${"\n".repeat(500)}`)), []);
});

test("no file speaks of a machine, a registry or a document that readers do not have", () => {
  assert.deepEqual(checkWorkplaceWords(readRepository()), []);
});

test("the workplace rule catches what it forbids", () => {
  for (const text of [
    "see /work/main",
    "/root/x/",
    "/home/ann/weft/",
    "https://registry.example.org/a",
    "shared/research/x",
  ]) {
    const withSlash = text === "see /work/main" ? "see /work/main/x" : text;
    assert.equal(checkWorkplaceWords(sample("docs/x.md", withSlash)).length, 1, withSlash);
  }
  assert.deepEqual(checkWorkplaceWords(sample("docs/x.md", "/usr/bin/ and ./work/ and https://example.org/")), []);
});

test("WEFT_VERSION is the version of package.json", () => {
  const { version } = JSON.parse(readFileSync(path.join(findRoot(), "package.json"), "utf8")) as { version: string };
  assert.equal(WEFT_VERSION, version);
});
