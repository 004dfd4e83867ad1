import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { WeftError } from "../lib/weft-error.ts";
import { systemRandom } from "../random/system-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { createAuthority, Scene, UNREACHABLE } from "../testing/svid-scene.ts";
import type { Identity } from "./identity-file.ts";

test("SvidManager.setTrustBundle() stores and tells new roots, and renews at random once another root signs", async () => {
  const clock = new FakeClock();
  const scene = new Scene(clock, await createAuthority(clock));
  const old = scene.authority;
  const next = await createAuthority(clock);
  const manager = scene.createManager({ random: { ...systemRandom, next: () => 0.25 } });
  const first = await manager.start();
  const told: Identity[] = [];
  manager.onChange((identity) => told.push(identity));

  const overlapping = `${old.trustBundlePem}${next.trustBundlePem}`;
  manager.setTrustBundle(overlapping);
  manager.setTrustBundle(overlapping);
  assert.deepEqual(told, [{ ...first, trustBundlePem: overlapping }]);
  await clock.elapse(15_000);
  assert.equal(scene.requests.length, 1);

  scene.authority = next;
  manager.setTrustBundle(`${next.trustBundlePem}${old.trustBundlePem}`);
  await clock.elapse(14_999);
  assert.equal(scene.requests.length, 1);
  const renewed = new Promise<Identity>((resolve) => manager.onChange(resolve));
  await clock.elapse(1);
  await renewed;
  assert.deepEqual(scene.requests, ["one-time", null]);
  const leaf = new X509Certificate(manager.current()?.certificateChainPem ?? "");
  assert.equal(leaf.verify(next.root.publicKey), true);
  manager.close();

  const restarted = scene.createManager({ joinCredential: null });
  assert.equal((await restarted.start()).certificateChainPem, manager.current()?.certificateChainPem);
  restarted.close();
});

test("SvidManager asks for a credential when its certificate will not do, and joins anew with the one that is offered", async () => {
  const clock = new FakeClock();
  const scene = new Scene(clock, await createAuthority(clock));
  let asked = 0;
  const manager = scene.createManager({ onWanting: () => (asked += 1) });
  await manager.start();
  scene.authority = await createAuthority(clock);
  scene.answer = new WeftError("WEFT_IDENTITY_REFUSED", "no");
  manager.setTrustBundle(scene.authority.trustBundlePem);
  assert.equal(asked, 1);
  await clock.elapse(29_000);
  assert.equal(asked, 1, "at most every 30 s");
  await clock.elapse(61_000);
  assert.ok(asked >= 2);

  scene.answer = "sign";
  const changed = new Promise<Identity>((resolve) => {
    manager.onChange((identity) => {
      if (identity.trustBundlePem === scene.authority.trustBundlePem) resolve(identity);
    });
  });
  manager.offer({ joinCredential: "offered", trustBundlePem: scene.authority.trustBundlePem });
  await clock.elapse(0);
  await changed;
  assert.equal(scene.requests.at(-1), "offered");
  assert.equal(
    new X509Certificate(manager.current()?.certificateChainPem ?? "").verify(scene.authority.root.publicKey),
    true,
  );
  manager.close();
});

test("SvidManager asks while the control plane is out of reach, and takes nothing but the roots where its certificate is good", async () => {
  const clock = new FakeClock();
  const scene = new Scene(clock, await createAuthority(clock));
  let asked = 0;
  let isCutOff = false;
  const manager = scene.createManager({ onWanting: () => (asked += 1), isCutOff: () => isCutOff });
  const first = await manager.start();
  scene.answer = UNREACHABLE;
  await clock.elapse(39_000);
  assert.equal(asked, 0);
  isCutOff = true;
  await clock.elapse(1_000);
  assert.equal(asked, 1);
  const next = await createAuthority(clock);
  manager.offer({
    joinCredential: "offered",
    trustBundlePem: `${scene.authority.trustBundlePem}${next.trustBundlePem}`,
  });
  await clock.elapse(0);
  assert.ok(!scene.requests.includes("offered"));
  assert.equal(manager.current()?.certificateChainPem, first.certificateChainPem);
  assert.equal(manager.current()?.trustBundlePem, `${scene.authority.trustBundlePem}${next.trustBundlePem}`);
  manager.close();
});

test("SvidManager that starts with a stored certificate of a root that signs no more renews it soon", async () => {
  const clock = new FakeClock();
  const scene = new Scene(clock, await createAuthority(clock));
  const first = scene.createManager();
  await first.start();
  first.close();
  const old = scene.authority.trustBundlePem;
  scene.authority = await createAuthority(clock);
  const bundles = `${scene.authority.trustBundlePem}${old}`;
  const random = { ...systemRandom, next: () => 0.25 };
  const manager = scene.createManager({ trustBundlePem: bundles, joinCredential: "unused", random });
  assert.equal((await manager.start()).trustBundlePem, bundles);
  await clock.elapse(14_999);
  assert.deepEqual(scene.requests, ["one-time"]);
  await clock.elapse(1);
  assert.deepEqual(scene.requests, ["one-time", null]);
  manager.close();
});
