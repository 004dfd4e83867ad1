import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { MemoryEtcd } from "../../testing/memory-etcd.ts";
import type { Clock } from "../../time/clock.ts";
import { EtcdSession, SESSION_SECONDS } from "./etcd-session.ts";

/** A session's way to etcd, which can be cut for it alone. */
function createWay(etcd: MemoryEtcd): { readonly client: MemoryEtcd; isCut: boolean } {
  const way = {
    isCut: false,
    client: new Proxy(etcd, {
      get(target, name: keyof MemoryEtcd) {
        if (way.isCut) return () => Promise.reject(new Error("cut"));
        const member: unknown = target[name];
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    }),
  };
  return way;
}

function createSession(client: MemoryEtcd, id: string, clock: Clock): EtcdSession {
  return new EtcdSession({
    client,
    id,
    presenceKey: `/m/replicas/${id}`,
    presence: id,
    jobsKey: "/m/jobs",
    clock,
    log: silentLog,
  });
}

test("EtcdSession gives the jobs to one of several, and to another as soon as that one closes", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const sessions = ["a", "b", "c"].map((id) => createSession(etcd, id, clock));
  for (const session of sessions) await session.start();
  assert.deepEqual(
    sessions.map((session) => session.held()),
    [true, false, false],
  );
  await clock.elapse(600_000);
  assert.deepEqual(
    sessions.map((session) => session.held()),
    [true, false, false],
  );
  await sessions[0]?.close();
  assert.equal(sessions[0]?.held(), false);
  assert.deepEqual(etcd.keys(), ["/m/replicas/b", "/m/replicas/c"]);
  sessions[1]?.beat();
  await clock.runUntilIdle();
  assert.equal(sessions[1]?.held(), true);
  for (const session of sessions) await session.close();
  assert.deepEqual(etcd.keys(), []);
});

test("EtcdSession.held() is false well before another session can have the jobs", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const way = createWay(etcd);
  const cut = createSession(way.client, "a", clock);
  const other = createSession(etcd, "b", clock);
  await cut.start();
  await other.start();
  await clock.elapse(20_000);
  assert.ok(cut.held() && !other.held());
  way.isCut = true;
  let stoppedAtMs = 0;
  let takenAtMs = 0;
  for (let ms = 0; ms < 60_000 && takenAtMs === 0; ms += 100) {
    await clock.elapse(100);
    assert.ok(!(cut.held() && other.held()), "never both");
    if (!cut.held() && stoppedAtMs === 0) stoppedAtMs = clock.nowMs();
    if (other.held()) takenAtMs = clock.nowMs();
  }
  assert.ok(takenAtMs > 0, "the other one takes over");
  assert.ok(takenAtMs - stoppedAtMs >= 5_000, `${takenAtMs - stoppedAtMs} ms between`);
  // Back, it is seen again and leaves the jobs where they are.
  way.isCut = false;
  await clock.elapse(20_000);
  assert.ok(!cut.held() && other.held());
  assert.ok(etcd.keys().includes("/m/replicas/a"));
  await cut.close();
  await other.close();
});

test("EtcdSession gets over an etcd that is away for longer than the lease", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const session = createSession(etcd, "a", clock);
  await session.start();
  etcd.fault = "away";
  await clock.elapse(SESSION_SECONDS * 1000 * 3);
  assert.equal(session.held(), false);
  assert.deepEqual(etcd.keys(), []);
  etcd.fault = "none";
  await clock.elapse(10_000);
  assert.equal(session.held(), true);
  assert.deepEqual(etcd.keys(), ["/m/jobs", "/m/replicas/a"]);
  await session.close();
});

test("EtcdSession finds that it took the jobs when the answer to that was lost", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const first = createSession(etcd, "a", clock);
  await first.start();
  const second = createSession(etcd, "b", clock);
  await second.start();
  await first.close();
  etcd.fault = "lost answer";
  await clock.elapse(4_000);
  assert.equal(second.held(), false);
  etcd.fault = "none";
  await clock.elapse(4_000);
  assert.equal(second.held(), true);
  await second.close();
});
