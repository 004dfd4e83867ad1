import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { COMMANDS } from "./commands.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});

afterEach(() => cli.close());

test("weft --help names every command, and weft alone shows it", async () => {
  const help = await cli.run("--help");
  assert.equal(help.exitCode, 0);
  for (const name of Object.keys(COMMANDS)) assert.match(help.stdout, new RegExp(`^  ${name} `, "m"));
  assert.equal((await cli.run()).stdout, help.stdout);
});

test("weft COMMAND --help shows examples, for every command", async () => {
  for (const name of Object.keys(COMMANDS)) {
    const argv =
      name === "proxy"
        ? [
            ["proxy", "list"],
            ["proxy", "config"],
          ]
        : [[name]];
    for (const command of argv) {
      const help = await cli.run(...command, "--help");
      assert.equal(help.exitCode, 0);
      assert.match(help.stdout, new RegExp(`^Usage: weft ${command.join(" ")} `), command.join(" "));
      assert.match(help.stdout, new RegExp(`\\nExamples:\\n {2}\\$ weft ${command.join(" ")}`), command.join(" "));
      assert.match(help.stdout, /--home <folder>/);
      assert.equal((await cli.run("help", ...command.slice(0, 1))).exitCode, 0);
    }
  }
});

test("weft with a wrong command line exits 2 and says the nearest command", async () => {
  const wrong = await cli.run("aply", "-f", "x");
  assert.deepEqual([wrong.exitCode, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /unknown command 'aply'\n\(Did you mean apply\?\)/);
  for (const argv of [
    ["get"],
    ["get", "svc", "--nope"],
    ["get", "svc", "-o", "xml"],
    ["apply"],
    ["proxy", "lst"],
    ["completion", "tcsh"],
    ["stat", "-w", "soon"],
  ]) {
    assert.equal((await cli.run(...argv)).exitCode, 2, argv.join(" "));
  }
});

test("weft without a mesh says where it looked", async () => {
  for (const argv of [
    ["--home", "elsewhere", "get", "svc"],
    ["get", "svc", "--home", "elsewhere"],
  ]) {
    const run = await cli.run(...argv);
    assert.equal(run.exitCode, 1);
    assert.ok(run.stderr.startsWith(`error: Cannot find a mesh in ${cli.folder}/elsewhere: `), run.stderr);
    assert.match(run.stderr, /\n code: WEFT_API_NOT_STARTED\n$/);
  }
  const byEnvironment = await cli.runWith({ environment: { WEFT_HOME: `${cli.folder}/other` } }, "proxy", "list");
  assert.match(byEnvironment.stderr, /Cannot find a mesh in .*\/other:/);
});

test("weft --debug adds the stack", async () => {
  assert.ok(!(await cli.run("--home", "x", "stat")).stderr.includes("    at "));
  assert.match((await cli.run("--debug", "--home", "x", "stat")).stderr, /\n {4}at .*\ncaused by:\n/s);
});

test("weft version shows both versions, and that nothing runs", async () => {
  assert.equal(
    (await cli.run("version")).stdout,
    `weft 0.1.0 (node ${process.version})\ncontrol plane: 0.1.0 at ${cli.api.baseUrl}\n`,
  );
  assert.equal((await cli.run("version", "--client")).stdout, `weft 0.1.0 (node ${process.version})\n`);
  assert.equal((await cli.run("--version")).stdout, "weft 0.1.0\n");
  await cli.api.close();
  const without = await cli.run("version", "-o", "json");
  assert.deepEqual(
    [without.exitCode, JSON.parse(without.stdout).controlPlane],
    [0, { version: null, url: cli.api.baseUrl, problem: "not running" }],
  );
});

test("weft run takes a version of its own, and leaves what stands behind -- to the program", async () => {
  const mine = await cli.run("run", "web", "--version", "v3", "--home", "mine", "--", "true");
  assert.ok(mine.stderr.startsWith(`error: Cannot find a mesh in ${cli.folder}/mine: `), mine.stderr);
  const theirs = await cli.run("--home", "mine", "run", "web", "--", "true", "--home", "theirs", "--help", "--version");
  assert.deepEqual([theirs.exitCode, theirs.stdout, theirs.stderr], [1, "", mine.stderr]);
});
