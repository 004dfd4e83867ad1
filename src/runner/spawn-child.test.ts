import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import type { Child, ChildExit, ChildSpec } from "./child.ts";
import { readEnvironment } from "./environment.ts";
import { ProcessJournal } from "./process-journal.ts";
import { isProcessAlive, readProcessStamp } from "./process-stamp.ts";
import { createSpawnChild } from "./spawn-child.ts";
import { toShellLine } from "./shell-line.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-spawn-"));
// Timers of the clock keep no process alive, and some tests wait for nothing else.
const { port1: holder } = new MessageChannel();
holder.ref();
const started: Child[] = [];
after(() => {
  holder.close();
  for (const child of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Node, also where the tests run on Bun. */
const NODE = process.versions["bun"] === undefined ? process.execPath : "node";

class Watched {
  readonly child: Child;
  readonly lines: string[] = [];
  readonly statuses: unknown[] = [];
  readonly exit: Promise<ChildExit>;
  #onLine: (() => void)[] = [];

  constructor(spec: Partial<ChildSpec>, journal: ProcessJournal = new ProcessJournal(folder)) {
    const spawn = createSpawnChild(systemClock, journal);
    let onExit: (exit: ChildExit) => void = () => undefined;
    this.exit = new Promise((resolve) => {
      onExit = resolve;
    });
    this.child = spawn(
      {
        title: "test",
        command: { kind: "shell", line: "true" },
        cwd: folder,
        environment: readEnvironment(),
        stdin: "ignore",
        output: "lines",
        hasStatus: false,
        ownGroup: true,
        ...spec,
      },
      {
        onExit,
        onLine: (line) => {
          this.lines.push(line);
          for (const listener of this.#onLine.splice(0)) listener();
        },
        onStatus: (status) => this.statuses.push(status),
      },
    );
    started.push(this.child);
  }

  async line(count: number): Promise<string> {
    while (this.lines.length < count) {
      await within(`line ${count}`, new Promise<void>((resolve) => this.#onLine.push(resolve)));
    }
    return this.lines[count - 1] ?? "";
  }
}

test("spawnChild() gives lines of output and the exit code", async () => {
  const watched = new Watched({ command: { kind: "shell", line: "echo one; echo two >&2; exit 7" } });
  assert.deepEqual(await watched.exit, { code: 7, signal: null, error: null });
  await watched.line(2);
  assert.deepEqual(watched.lines.toSorted(), ["one", "two"]);
});

test("spawnChild() reads JSON lines of file descriptor 3 and drops what is not JSON", async () => {
  const line = `echo '{"event":"ready"}' >&3; echo nonsense >&3; echo '[1]' >&3`;
  const watched = new Watched({ command: { kind: "shell", line }, hasStatus: true });
  await watched.exit;
  assert.deepEqual(watched.statuses, [{ event: "ready" }, [1]]);
});

test("spawnChild() hands lines to standard input, whose end the child sees when it is not sent more", async () => {
  const watched = new Watched({ command: { kind: "shell", line: "read -r line; echo got $line" }, stdin: "pipe" });
  watched.child.sendLine("hello");
  assert.equal(await watched.line(1), "got hello");
  await watched.exit;
  watched.child.sendLine("nobody reads this");
});

test("spawnChild() appends output to a file", async () => {
  const file = join(folder, "out.log");
  for (const word of ["a", "b"]) {
    const watched = new Watched({ command: { kind: "shell", line: `echo ${word}` }, output: { file } });
    await watched.exit;
  }
  assert.equal(readFileSync(file, "utf8"), "a\nb\n");
});

test("spawnChild() reports a program that cannot be started as an exit", async () => {
  const watched = new Watched({ command: { kind: "program", file: "/no/such/program", parameters: [] } });
  assert.deepEqual(await watched.exit, { code: null, signal: null, error: "ENOENT" });
  await watched.child.stop(1000);
});

test("Child.stop() ends all that the shell started", async () => {
  const watched = new Watched({ command: { kind: "shell", line: "sleep 300 & echo $!; sleep 300 & echo $!; wait" } });
  const pids = [Number(await watched.line(1)), Number(await watched.line(2))];
  assert.ok(pids.every((pid) => isProcessAlive(pid, null)));
  await watched.child.stop(2000);
  assert.deepEqual(
    pids.filter((pid) => isProcessAlive(pid, null)),
    [],
  );
});

test("Child.stop() lets a program end in its own time, also when its shell is gone first", async () => {
  const done = join(folder, "done");
  const code = `process.on("SIGTERM", () => setTimeout(() => { require("fs").writeFileSync(${JSON.stringify(done)}, ""); process.exit(); }, 100)); console.log("up"); setInterval(() => {}, 1000);`;
  const line = `'${NODE}' -e '${code}' & wait`;
  const watched = new Watched({ command: { kind: "shell", line } });
  await watched.line(1);
  await watched.child.stop(10_000);
  assert.ok(existsSync(done));
});

test("Child.stop() kills what does not end in time", async () => {
  const watched = new Watched({ command: { kind: "shell", line: "trap '' TERM; echo up; while :; do sleep 1; done" } });
  await watched.line(1);
  await watched.child.stop(50);
  assert.deepEqual(await watched.exit, { code: null, signal: "SIGKILL", error: null });
});

test("ProcessJournal ends what an earlier runner left behind, and nobody else", async () => {
  const own = mkdtempSync(join(folder, "journal-"));
  const journal = new ProcessJournal(own);
  const watched = new Watched({ title: "left", command: { kind: "shell", line: "echo up; sleep 300" } }, journal);
  await watched.line(1);
  const entries = JSON.parse(readFileSync(join(own, "processes.json"), "utf8")) as { pid: number; stamp: string }[];
  assert.deepEqual(
    entries.map((entry) => entry.pid),
    [watched.child.pid],
  );
  // The number alone is not enough: by now it may belong to somebody else.
  assert.equal(isProcessAlive(watched.child.pid ?? 0, "another start"), false);
  assert.deepEqual(new ProcessJournal(own).endLeftovers(), ["left"]);
  assert.deepEqual(await watched.exit, { code: null, signal: "SIGKILL", error: null });
  assert.deepEqual(new ProcessJournal(own).endLeftovers(), []);
});

test("ProcessJournal forgets a process that ended", async () => {
  const own = mkdtempSync(join(folder, "journal-"));
  const watched = new Watched({ command: { kind: "shell", line: "true" } }, new ProcessJournal(own));
  await watched.exit;
  await watched.child.stop(1000);
  assert.equal(readFileSync(join(own, "processes.json"), "utf8"), "[]\n");
});

test("readProcessStamp() tells this process and no other", () => {
  assert.notEqual(readProcessStamp(process.pid), null);
  assert.equal(readProcessStamp(2 ** 22 + 1), null);
});

test("toShellLine() lets a plain command replace the shell and leaves everything else as it is", () => {
  assert.equal(toShellLine(" node web.mjs --port $PORT "), "exec node web.mjs --port $PORT");
  assert.equal(toShellLine('python3 "my app.py"'), 'exec python3 "my app.py"');
  for (const line of [
    "a && b",
    "cd x; node y",
    "A=b node y",
    "source env",
    "node y > log",
    "(node y)",
    "node y & wait",
    "! true",
  ]) {
    assert.equal(toShellLine(line), line);
  }
});
