import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "../../random/system-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { MemoryEtcd } from "../../testing/memory-etcd.ts";
import { openCertificateAuthority } from "../ca/certificate-authority.ts";
import { JoinCredentials } from "../ca/join-credentials.ts";
import type { EtcdTxn } from "../../store/etcd/etcd-client.ts";
import { ROOT_SECRET } from "../shared-secrets.ts";
import { EtcdSecrets } from "./etcd-secrets.ts";
import { SealingKey } from "./sealing-key.ts";

const key = new SealingKey(Buffer.alloc(32, 1), systemRandom);
const random = systemRandom;

function createSecrets(client: MemoryEtcd, clock: FakeClock, sealing: SealingKey = key): EtcdSecrets {
  return new EtcdSecrets({ client, prefix: "/weft/m/secrets/", key: sealing, clock });
}

test("EtcdSecrets.putIfAbsent() gives true to one of many calls, and keeps nothing in the clear", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const replicas = [createSecrets(etcd, clock), createSecrets(etcd, clock)] as const;
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) => replicas[i % 2 === 0 ? 0 : 1].putIfAbsent("a/b", `secret ${i}`)),
  );
  assert.equal(results.filter(Boolean).length, 1);
  const winner = `secret ${results.indexOf(true)}`;
  assert.equal(await replicas[0].get("a/b"), winner);
  assert.equal(await replicas[1].get("a/b"), winner);
  assert.ok(!(await etcd.get("/weft/m/secrets/a/b"))?.value.toString().includes("secret"));
});

test("EtcdSecrets.putIfAbsent() knows its own when the answer was lost, and another's too", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const secrets = createSecrets(etcd, clock);
  etcd.fault = "lost answer";
  const put = secrets.putIfAbsent("a/mine", "x");
  await clock.runUntilIdle();
  etcd.fault = "none";
  await clock.elapse(200);
  assert.equal(await put, true);
  assert.equal(await secrets.putIfAbsent("a/mine", "x"), false);
});

test("EtcdSecrets forgets what may be forgotten, also when etcd lost the lease that it shares", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const secrets = createSecrets(etcd, clock);
  await secrets.putIfAbsent("a/one", "1", { forgetAfterMs: 60_000 });
  await clock.elapse(59_000);
  assert.equal(await secrets.get("a/one"), "1");
  await secrets.putIfAbsent("a/two", "2", { forgetAfterMs: 60_000 });
  await clock.elapse(60_000);
  assert.equal(await secrets.get("a/two"), "2");
  await clock.elapse(60_000);
  assert.deepEqual(etcd.keys(), []);
  await secrets.putIfAbsent("a/three", "3", { forgetAfterMs: 60_000 });
  await etcd.revokeLease(2);
  const put = secrets.putIfAbsent("a/four", "4", { forgetAfterMs: 60_000 });
  await clock.elapse(200);
  assert.equal(await put, true);
});

test("EtcdSecrets.get() refuses what was sealed with another key, and says which key is needed", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  await createSecrets(etcd, clock).putIfAbsent("a/b", "x");
  const other = createSecrets(etcd, clock, new SealingKey(Buffer.alloc(32, 2), systemRandom));
  await assert.rejects(other.get("a/b"), { code: "WEFT_SECRETS_KEY", message: /sealed with another key/ });
});

test("control planes that start at once on an empty etcd agree on one root", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const authorities = await Promise.all(
    [1, 2, 3].map(() =>
      openCertificateAuthority({ secrets: createSecrets(etcd, clock), trustDomain: "m.mesh", clock, random }),
    ),
  );
  assert.equal(new Set(authorities.map((authority) => authority.trustBundlePem)).size, 1);
  assert.deepEqual(etcd.keys(), [`/weft/m/secrets/${ROOT_SECRET}`]);
});

test("a join credential granted by one control plane admits once among all", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const planes = [1, 2].map(() => new JoinCredentials({ secrets: createSecrets(etcd, clock), clock, random }));
  const binding = { namespace: "default", workload: "a-0", serviceAccount: "a" };
  const { credential } = (await planes[0]?.grant(binding)) ?? assert.fail();
  const results = await Promise.allSettled(planes.map((plane) => plane.redeem(credential, "a-0")));
  assert.deepEqual(results.map((result) => result.status).toSorted(), ["fulfilled", "rejected"]);
  assert.ok(etcd.keys().every((name) => !name.includes(credential)));
});

test("EtcdSecrets.replace() swaps what is expected and nothing else, and knows its own when the answer was lost", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const secrets = createSecrets(etcd, clock);
  assert.equal(await secrets.replace("a/b", "one", "two"), false);
  await secrets.putIfAbsent("a/b", "one");
  assert.equal(await secrets.replace("a/b", "other", "two"), false);
  assert.equal(await secrets.replace("a/b", "one", "two"), true);
  assert.equal(await secrets.get("a/b"), "two");
  assert.ok(!(await etcd.get("/weft/m/secrets/a/b"))?.value.toString().includes("two"));

  const results = Promise.all(
    ["three", "four", "five"].map((value) => createSecrets(etcd, clock).replace("a/b", "two", value)),
  );
  for (let turn = 0; turn < 10; turn += 1) await clock.elapse(200);
  assert.deepEqual((await results).filter(Boolean), [true]);

  const before = (await secrets.get("a/b")) ?? "";
  const client = {
    get: (key: string) => etcd.get(key),
    grantLease: (seconds: number) => etcd.grantLease(seconds),
    async txn(txn: EtcdTxn) {
      etcd.fault = "lost answer";
      try {
        return await etcd.txn(txn);
      } finally {
        etcd.fault = "none";
      }
    },
  };
  const lost = new EtcdSecrets({ client, prefix: "/weft/m/secrets/", key, clock }).replace("a/b", before, "six");
  for (let turn = 0; turn < 5; turn += 1) await clock.elapse(200);
  assert.equal(await lost, true);
  assert.equal(await secrets.get("a/b"), "six");
});
