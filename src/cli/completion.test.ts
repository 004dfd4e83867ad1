import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { formatCompletion } from "./completion-script.ts";
import { COMMANDS } from "./commands.ts";
import { startTestCli } from "./test-host.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

async function print(shell: string): Promise<string> {
  const cli = await startTestCli();
  try {
    const run = await cli.run("completion", shell);
    assert.deepEqual([run.exitCode, run.stderr], [0, ""]);
    return run.stdout;
  } finally {
    await cli.close();
  }
}

test("weft completion names every command in every shell's script", async () => {
  for (const shell of SHELLS) {
    const script = await print(shell);
    for (const name of Object.keys(COMMANDS)) assert.ok(script.includes(name), `${shell}: ${name}`);
    assert.ok(script.includes("trafficsplits"), shell);
  }
});

const hasBash = spawnSync("bash", ["--version"]).status === 0;

test(
  "weft completion bash completes commands, kinds, options and their values",
  { skip: !hasBash && "bash is not installed" },
  async () => {
    const script = await print("bash");
    const complete = (...words: readonly string[]): readonly string[] => {
      const line = words.map((word) => `'${word}'`).join(" ");
      const source = `${script}\nCOMP_WORDS=(weft ${line}); COMP_CWORD=${words.length}; _weft; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, status, stderr } = spawnSync("bash", ["--norc", "-c", source], { encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
      return stdout.split("\n").filter((word) => word !== "");
    };
    assert.deepEqual(complete("de"), ["describe", "delete"]);
    assert.deepEqual(complete("get", "traffic"), ["trafficsplits", "traffictargets", "trafficpolicies"]);
    assert.deepEqual(complete("--home", "/x", "proxy", ""), ["list", "config"]);
    assert.deepEqual(complete("proxy", "config", "web-0", "--type", "l"), ["listener"]);
    assert.deepEqual(complete("stat", "-o", ""), ["table", "json", "yaml"]);
    assert.deepEqual(complete("check", "--fail"), ["--fail-on-warning"]);
    assert.deepEqual(complete("completion", ""), ["bash", "zsh", "fish"]);
  },
);

test("formatCompletion() keeps quotes in summaries inside their word", () => {
  const words = [{ path: "", words: [{ text: "up", summary: "the mesh's own" }], options: [] }];
  assert.match(formatCompletion("fish", words), /-d 'the mesh'\\''s own'/);
});
