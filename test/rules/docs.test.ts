import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import type { CliContext } from "../../src/cli/context.ts";
import { createFullProgram } from "../../src/cli/program.ts";
import { FAILURES } from "../../src/proxy/failures.ts";
import { DECODE_FAILURES } from "../../src/proxy/http1/decode-failure.ts";
import { HEAD_FAILURES } from "../../src/proxy/http2/hpack/head-failure.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import {
  checkCommands,
  checkData,
  checkLanguages,
  type FencedBlock,
  listBlocks,
  listCommandLines,
} from "./docs-blocks.ts";
import { compareNames, listStrings, readFirstCells, readGeneratedRows } from "./docs-tables.ts";
import { findRoot, isTestCode, readRepository, readSources } from "./repository.ts";

const ROOT = findRoot();
const FILES = readRepository();
const PAGES = FILES.filter((file) => file.path.endsWith(".md"));
const SHIPPED = readSources().filter((file) => !isTestCode(file.path));

function page(name: string): string {
  return PAGES.find((file) => file.path === name)?.text ?? assert.fail(`no page ${name}`);
}

// ---- Tables

test("docs/errors.md has the table of failures as it is", () => {
  const rows = FAILURES.filter((failure) => failure.name !== "none").map(
    (f) =>
      `| \`${f.name}\` | ${f.httpStatus} | ${f.grpcStatus} | ${f.flag} | ${f.origin} | ${f.retry} | ${f.explanation} |`,
  );
  assert.ok(rows.length > 20);
  assert.deepEqual(readGeneratedRows(page("docs/errors.md"), "failures"), rows);
});

test("docs/errors.md has the table of malformed heads as it is", () => {
  const rows = [...DECODE_FAILURES, ...HEAD_FAILURES].map(
    (failure) => `| \`${failure.detail}\` | ${failure.status} | ${failure.message} |`,
  );
  assert.ok(rows.length > 20);
  assert.deepEqual(readGeneratedRows(page("docs/errors.md"), "details"), rows);
});

test("docs/errors.md has every WEFT_ code that the sources use, and no other", () => {
  const used = listStrings(SHIPPED, /^WEFT_[A-Z]+_[A-Z_]*[A-Z]$/).filter((code) => !isEnvironmentName(code));
  assert.ok(used.length > 40);
  assert.deepEqual(compareNames(used, readFirstCells(page("docs/errors.md"), /^WEFT_/), "docs/errors.md"), []);
});

test("docs/metrics.md has every metric that the sources use, and no other", () => {
  const used = listStrings(SHIPPED, /^weft_[a-z_]+$/);
  assert.ok(used.length > 15);
  assert.deepEqual(compareNames(used, readFirstCells(page("docs/metrics.md"), /^weft_/), "docs/metrics.md"), []);
});

test("the name rules catch what is missing and what is stale", () => {
  const files = [
    {
      path: "src/x.ts",
      text: 'new WeftError("WEFT_A_B", `no`); count("weft_new_total"); "not weft_x_total"; `WEFT_C: ${x}`',
    },
  ];
  assert.deepEqual(listStrings(files, /^WEFT_[A-Z_]+$/), ["WEFT_A_B", "WEFT_C"]);
  assert.deepEqual(listStrings(files, /^weft_[a-z_]+$/), ["weft_new_total"]);
  assert.deepEqual(readFirstCells("| `weft_a` | x |\n|---|\n| weft_b |\n| `other` | `weft_c` |", /^weft_/), ["weft_a"]);
  assert.deepEqual(compareNames(["a", "b"], ["b", "c"], "page"), ["page has c, which nothing uses", "page lacks a"]);
  const section = "<!-- x: generated -->\n| h |\n|---|\n| 1 |\n| 2 |\n<!-- x: end -->";
  assert.deepEqual(readGeneratedRows(section, "x"), ["| 1 |", "| 2 |"]);
  assert.throws(() => readGeneratedRows("nothing", "x"));
});

// ---- Commands

test("docs/cli.md has a section with an example for every command", async () => {
  assert.deepEqual(checkSections(await createProgram(), page("docs/cli.md")), []);
});

test("the command rule catches a command without a section or an example", () => {
  const program = new Command("weft");
  program.command("up");
  const proxy = program.command("proxy");
  proxy.command("list");
  const text = "## weft up\n\n```sh\nweft up\n```\n\n## weft proxy list\n\nNo example.\n";
  assert.deepEqual(checkSections(program, text), ["docs/cli.md: no example of `weft proxy list`"]);
  assert.deepEqual(checkSections(program, ""), [
    "docs/cli.md: no section `weft up`",
    "docs/cli.md: no section `weft proxy list`",
  ]);
});

// ---- Blocks

test("blocks in docs are of a kind that is checked", () => {
  assert.ok(listBlocks(PAGES).length > 10);
  assert.deepEqual(checkLanguages(listBlocks(PAGES)), []);
});

test("YAML and JSON in docs is valid", () => {
  assert.deepEqual(checkData(listBlocks(PAGES)), []);
});

test("commands in docs are commands that the program takes", async () => {
  assert.deepEqual(await checkCommands(listBlocks(PAGES), { createProgram, scripts: readScripts() }), []);
});

test("TypeScript in docs compiles", () => {
  assert.deepEqual(compileBlocks(listBlocks(PAGES)), []);
});

test("the block rules catch what is wrong", async () => {
  const tools = { createProgram, scripts: new Set(["test", "weft"]) };
  const wrong = [
    "weft fly",
    "weft get --nope x",
    "npm run nothing",
    "npm run weft -- fly",
    "cat x | weft apply --nope",
  ];
  for (const line of wrong) {
    assert.equal((await checkCommands([block("sh", line)], tools)).length, 1, line);
  }
  const fine = [
    "weft up # all of it",
    "npm test",
    "FOO=1 weft get services -o json",
    "curl x | weft apply -f -",
    "weft get --help",
  ];
  fine.push("weft completion bash > ~/x", "weft version >>x 2> y");
  assert.deepEqual(await checkCommands([block("sh", fine.join("\n"))], tools), []);
  assert.equal(checkLanguages([block("bash", "")]).length, 1);
  assert.equal(checkData([block("yaml", "mesh: 7\nservices: {}")]).length >= 1, true);
  assert.equal(
    checkData([block("yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}")]).length >= 1,
    true,
  );
  assert.deepEqual(checkData([block("yaml fragment", "anything: [")]), []);
  assert.equal(checkData([block("yaml invalid", "mesh: a\nservices: { web: { command: x } }")]).length, 1);
  assert.equal(checkData([block("json", "{")]).length, 1);
  assert.equal(compileBlocks([block("ts", "const a: number = 'b';\nexport { a };")]).length, 1);
});

test("listCommandLines() splits pipes, quotes, comments and continued lines", () => {
  const text = `weft run a -- sh -c "x | y" # note\n\nA=1 weft get x \\\n  -o json && npm test\n$ weft up`;
  assert.deepEqual(listCommandLines(text), [
    ["weft", "run", "a", "--", "sh", "-c", "x | y"],
    ["weft", "get", "x", "-o", "json"],
    ["npm", "test"],
    ["weft", "up"],
  ]);
});

// ---- Links and file names

test("links and file names in docs lead somewhere", () => {
  assert.deepEqual(
    PAGES.flatMap((file) => checkLinks(file.path, file.text)),
    [],
  );
});

test("the link rule catches a dead link and a file that is gone", () => {
  assert.equal(checkLinks("docs/x.md", "[a](nowhere.md)").length, 1);
  assert.equal(checkLinks("docs/x.md", "see `src/proxy/gone.ts`").length, 1);
  assert.deepEqual(checkLinks("docs/x.md", "[a](../README.md#try-it) [b](https://example.org) `src/version.ts`"), []);
});

function checkSections(program: Command, text: string): string[] {
  return listLeaves(program, "").flatMap((name) => {
    const start = text.indexOf(`\n## weft ${name}\n`) >= 0 ? text.indexOf(`\n## weft ${name}\n`) + 1 : -1;
    if (start < 0 && !text.startsWith(`## weft ${name}\n`)) return [`docs/cli.md: no section \`weft ${name}\``];
    const end = text.indexOf("\n## ", Math.max(0, start) + 1);
    const section = text.slice(Math.max(0, start), end < 0 ? text.length : end);
    const examples = listBlocks([{ path: "docs/cli.md", text: section }]).filter((found) => found.language === "sh");
    const hasExample = examples.some((found) => found.text.includes(`weft ${name}`));
    return hasExample ? [] : [`docs/cli.md: no example of \`weft ${name}\``];
  });
}

function listLeaves(command: Command, prefix: string): readonly string[] {
  return command.commands
    .filter((child) => child.name() !== "help")
    .flatMap((child) => {
      const name = `${prefix}${child.name()}`;
      return child.commands.length === 0 ? [name] : listLeaves(child, `${name} `);
    });
}

function checkLinks(file: string, text: string): string[] {
  const linked = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => (match[1] ?? "").replace(/#.*$/, ""));
  const problems = linked
    .filter((target) => target !== "" && !/^[a-z]+:/.test(target))
    .filter((target) => !existsSync(path.join(ROOT, path.dirname(file), target)))
    .map((target) => `${file}: the link to ${target} leads nowhere`);
  const named = [
    ...text.matchAll(/`((?:src|test|scripts|docs|bench|examples|proto)\/[\w./-]*\w\.\w+|(?:src|test)\/[\w./-]+\/)`/g),
  ];
  const gone = named.map((match) => match[1] ?? "").filter((target) => !existsSync(path.join(ROOT, target)));
  return [...problems, ...gone.map((target) => `${file}: there is no ${target}`)];
}

/** Type-checks the blocks with the repository's own settings. */
function compileBlocks(blocks: readonly FencedBlock[]): string[] {
  const chosen = blocks.filter((found) => found.language === "ts" && !found.marks.includes("fragment"));
  if (chosen.length === 0) return [];
  const folder = path.join(ROOT, ".build", `docs-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const names = chosen.map((found, index) => ({ file: path.join(folder, `block-${index}.ts`), found }));
    for (const { file, found } of names) writeFileSync(file, found.text);
    const settings = {
      extends: path.join(ROOT, "tsconfig.json"),
      compilerOptions: { noEmit: true, rootDir: ROOT },
      files: names.map(({ file }) => file),
      include: [],
    };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(settings));
    const tsc = path.join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { cwd: ROOT, encoding: "utf8" });
    return status === 0 ? [] : stdout.trim().split("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function block(info: string, text: string): FencedBlock {
  const [language = "", ...marks] = info.split(" ");
  return { file: "docs/sample.md", line: 1, language, marks, text };
}

function readScripts(): ReadonlySet<string> {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as { scripts: object };
  return new Set(Object.keys(scripts));
}

/** A program that is only parsed: nothing it is given here is used. */
function createProgram(): Promise<Command> {
  const terminal = { isTty: false, hasColor: false, size: () => ({ columns: 80, rows: 24 }), write: () => {} };
  const context: CliContext = {
    stdout: terminal,
    stderr: terminal,
    readStdin: () => Promise.resolve(""),
    clock: new FakeClock(),
    random: createSeededRandom(1),
    cwd: ROOT,
    environment: {},
    onInterrupt: () => () => {},
    findHome: () => ROOT,
    openApi: () => Promise.reject(new Error("not in this test")),
    fail: () => {},
  };
  return createFullProgram(context);
}

/** Variables, not codes. */
function isEnvironmentName(name: string): boolean {
  return /^WEFT_(HOME|SERVICE|VERSION|NAMES|OUTBOUND|TEST_STRICT|RUNTIME|PROXY_RUNTIME)$/.test(name);
}
