import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeProcesses } from "../testing/fake-processes.ts";
import { describeExit } from "./child.ts";
import { APP_BACKOFF, RestartBackoff } from "./restart-backoff.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor.ts";

function createSupervisor(changes: Partial<SupervisorOptions> = {}): {
  readonly clock: FakeClock;
  readonly processes: FakeProcesses;
  readonly supervisor: Supervisor;
  readonly delays: readonly number[];
  readonly seen: readonly unknown[];
} {
  const clock = new FakeClock();
  const processes = new FakeProcesses();
  const delays: number[] = [];
  const seen: unknown[] = [];
  const supervisor = new Supervisor({
    clock,
    spawn: processes.spawn,
    backoff: APP_BACKOFF,
    createSpec: () => ({
      title: "app",
      command: { kind: "shell", line: "node app.mjs" },
      cwd: "/",
      environment: {},
      stdin: "ignore",
      output: "lines",
      hasStatus: true,
      ownGroup: true,
    }),
    onStart: () => undefined,
    onStatus: (status) => seen.push(status),
    onLine: () => undefined,
    onExit: (_, delayMs) => {
      delays.push(delayMs);
      return "restart";
    },
    ...changes,
  });
  return { clock, processes, supervisor, delays, seen };
}

test("Supervisor starts a process that ended again, later each time, up to 30 s", async () => {
  const { clock, processes, supervisor, delays } = createSupervisor();
  supervisor.start();
  for (let i = 0; i < 7; i += 1) {
    processes.latest("app").exit({ code: 1 });
    assert.equal(processes.children.length, i + 1);
    await clock.elapse((delays.at(-1) ?? 0) - 1);
    assert.equal(processes.children.length, i + 1);
    await clock.elapse(1);
    assert.equal(processes.children.length, i + 2);
  }
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("Supervisor begins with a short delay again after a process that lived for 30 s", async () => {
  const { clock, processes, supervisor, delays } = createSupervisor();
  supervisor.start();
  processes.latest("app").exit({ code: 1 });
  await clock.elapse(1000);
  processes.latest("app").exit({ code: 1 });
  await clock.elapse(2000);
  await clock.elapse(30_000);
  processes.latest("app").exit({ code: 1 });
  assert.deepEqual(delays, [1000, 2000, 1000]);
  await supervisor.stop(1000);
});

test("Supervisor waits for what the process started to be gone before it starts the next one", async () => {
  const { clock, processes, supervisor } = createSupervisor();
  supervisor.start();
  const first = processes.latest("app");
  let release: () => void = () => undefined;
  first.stop = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  first.exit({ code: 0 });
  await clock.elapse(5000);
  assert.equal(processes.children.length, 1);
  release();
  await clock.runUntilIdle();
  assert.equal(processes.children.length, 2);
});

test("Supervisor.stop() stops the process and starts none again", async () => {
  const { clock, processes, supervisor } = createSupervisor();
  supervisor.start();
  await supervisor.stop(1000);
  await clock.elapse(60_000);
  assert.deepEqual(processes.latest("app").signals, ["SIGTERM"]);
  assert.equal(processes.children.length, 1);
  assert.equal(supervisor.state(), "stopped");
  assert.equal(clock.pendingTimers(), 0);
});

test("Supervisor.stop() during the delay starts none again", async () => {
  const { clock, processes, supervisor } = createSupervisor();
  supervisor.start();
  processes.latest("app").exit({ signal: "SIGKILL" });
  await supervisor.stop(1000);
  await clock.elapse(60_000);
  assert.equal(processes.children.length, 1);
});

test("Supervisor.kill() ends the process at once and starts none again, also before stop()", async () => {
  const { clock, processes, supervisor } = createSupervisor();
  supervisor.start();
  supervisor.kill();
  await clock.elapse(60_000);
  assert.deepEqual(processes.latest("app").signals, ["SIGKILL"]);
  assert.equal(processes.children.length, 1);
  await supervisor.stop(1000);
  assert.equal(clock.pendingTimers(), 0);
});

test("Supervisor leaves a process alone when told so", async () => {
  const { clock, processes, supervisor } = createSupervisor({ onExit: () => "leave" });
  supervisor.start();
  processes.latest("app").exit({ code: 0 });
  await clock.elapse(60_000);
  assert.equal(processes.children.length, 1);
});

test("Supervisor.restart() replaces the process without a delay and hears no more of the old one", async () => {
  const { clock, processes, supervisor, delays, seen } = createSupervisor();
  supervisor.start();
  const first = processes.latest("app");
  await supervisor.restart(1000);
  assert.equal(processes.children.length, 2);
  first.status("late");
  processes.latest("app").status("now");
  assert.deepEqual(seen, ["now"]);
  assert.deepEqual(delays, []);
  await supervisor.stop(1000);
  assert.equal(clock.pendingTimers(), 0);
});

test("RestartBackoff grows from its first to its longest delay", () => {
  const backoff = new RestartBackoff({ firstMs: 100, maxMs: 500, resetAfterMs: 1000 });
  assert.deepEqual(
    [0, 0, 0, 0, 999, 1000].map((livedMs) => backoff.next(livedMs)),
    [100, 200, 400, 500, 500, 100],
  );
});

test("describeExit() says how a process ended", () => {
  assert.equal(describeExit({ code: 3, signal: null, error: null }), "exited with code 3");
  assert.equal(describeExit({ code: null, signal: "SIGKILL", error: null }), "was killed by SIGKILL");
  assert.equal(describeExit({ code: null, signal: null, error: "ENOENT" }), "could not be started (ENOENT)");
});
