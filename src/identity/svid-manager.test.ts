import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemRandom } from "../random/system-random.ts";
import type { Identity } from "./identity-file.ts";
import type { SvidManager } from "./svid-manager.ts";
import {
  BACKDATE_MS,
  createAuthority,
  createScene,
  LIFETIME_MS,
  REFUSED,
  RENEW_AFTER_MS,
  SPIFFE_ID,
  UNREACHABLE,
} from "../testing/svid-scene.ts";

function nextChange(manager: SvidManager): Promise<Identity> {
  return new Promise((resolve) => {
    const stop = manager.onChange((identity) => {
      stop();
      resolve(identity);
    });
  });
}

test("SvidManager joins with the credential and keeps a private file of the identity", async () => {
  const scene = await createScene();
  const manager = scene.createManager();
  const identity = await manager.start();
  assert.equal(identity.spiffeId, SPIFFE_ID);
  assert.equal(manager.current(), identity);
  assert.deepEqual(scene.requests, ["one-time"]);
  assert.deepEqual(readdirSync(scene.stateDir), ["identity.json"]);
  assert.equal(statSync(join(scene.stateDir, "identity.json")).mode & 0o777, 0o600);
  assert.equal(statSync(scene.stateDir).mode & 0o777, 0o700);
  manager.close();
  assert.equal(scene.clock.pendingTimers(), 0);
});

test("SvidManager starts from the stored identity without the control plane", async () => {
  const scene = await createScene();
  const first = scene.createManager();
  const identity = await first.start();
  first.close();
  scene.answer = UNREACHABLE;
  const second = scene.createManager({ joinCredential: null });
  assert.deepEqual(await second.start(), identity);
  assert.equal(scene.requests.length, 1);
  second.close();
});

test("SvidManager renews at about half of the lifetime, with a new key and no credential", async () => {
  const scene = await createScene();
  const manager = scene.createManager();
  const first = await manager.start();
  const changed = nextChange(manager);
  await scene.clock.elapse(RENEW_AFTER_MS - 1);
  assert.equal(scene.requests.length, 1);
  await scene.clock.elapse(1);
  const second = await changed;
  assert.deepEqual(scene.requests, ["one-time", null]);
  assert.notEqual(second.keyPem, first.keyPem);
  assert.ok(second.notAfterMs > first.notAfterMs);
  assert.equal(manager.current(), second);
  assert.equal(manager.status().renewals, 1);
  manager.close();
});

test("SvidManager spreads renewals over a tenth of the lifetime", async () => {
  const scene = await createScene();
  const manager = scene.createManager({ random: { ...systemRandom, next: () => 0.999 } });
  await manager.start();
  const changed = nextChange(manager);
  await scene.clock.elapse(RENEW_AFTER_MS + 0.099 * (LIFETIME_MS + BACKDATE_MS));
  assert.equal(scene.requests.length, 1);
  await scene.clock.elapse(0.001 * (LIFETIME_MS + BACKDATE_MS));
  await changed;
  manager.close();
});

test("SvidManager renews at once after a restart past half of the lifetime", async () => {
  const scene = await createScene();
  const first = scene.createManager();
  await first.start();
  first.close();
  scene.clock.advance(RENEW_AFTER_MS + 1);
  const second = scene.createManager({ joinCredential: null });
  const changed = nextChange(second);
  await second.start();
  assert.equal((await changed).notAfterMs, scene.clock.wallMs() + LIFETIME_MS - (scene.clock.wallMs() % 1000));
  second.close();
});

test("SvidManager keeps trying while the control plane is away, warns as the end nears, and says when it has expired", async () => {
  const scene = await createScene();
  const manager = scene.createManager();
  const identity = await manager.start();
  scene.answer = UNREACHABLE;
  await scene.clock.elapse(identity.notAfterMs - scene.clock.wallMs() - 1);
  const attempts = scene.requests.length;
  assert.ok(attempts >= 12 && attempts <= 100, `${attempts} attempts`);
  assert.equal(manager.status().state, "valid");
  assert.equal(manager.current(), identity);
  assert.equal(scene.lines.filter((line) => line.startsWith("warn: the certificate ends in")).length, 3);
  assert.equal(scene.lines.filter((line) => line.startsWith("warn: cannot renew")).length, 1);
  await scene.clock.elapse(1);
  assert.equal(manager.status().state, "expired");
  await scene.clock.elapse(600_000);
  assert.equal(scene.lines.filter((line) => line.startsWith("error: the certificate has expired")).length, 1);
  assert.ok(
    scene.requests.length > attempts && scene.requests.length < attempts + 25,
    "tries on, at most twice a minute or so",
  );
  manager.close();
  assert.equal(scene.clock.pendingTimers(), 0);
});

test("SvidManager takes up renewing when the control plane is back", async () => {
  const scene = await createScene();
  const manager = scene.createManager();
  await manager.start();
  scene.answer = UNREACHABLE;
  await scene.clock.elapse(RENEW_AFTER_MS + 10_000);
  assert.ok(manager.status().failures > 0);
  scene.answer = "sign";
  const changed = nextChange(manager);
  await scene.clock.elapse(10_000);
  await changed;
  assert.equal(manager.status().failures, 0);
  assert.equal(manager.status().lastFailure, null);
  manager.close();
});

test("SvidManager.start() waits for a control plane that is not there yet", async () => {
  const scene = await createScene();
  scene.answer = UNREACHABLE;
  const manager = scene.createManager();
  const started = manager.start();
  await scene.clock.elapse(30_000);
  assert.ok(scene.requests.length > 3);
  assert.deepEqual(new Set(scene.requests), new Set(["one-time"]));
  scene.answer = "sign";
  await scene.clock.elapse(60_000);
  assert.equal((await started).spiffeId, SPIFFE_ID);
  assert.equal(scene.lines.filter((line) => line.startsWith("warn")).length, 1);
  manager.close();
});

test("SvidManager.start() rejects with the control plane's refusal", async () => {
  const scene = await createScene();
  scene.answer = REFUSED;
  await assert.rejects(scene.createManager().start(), REFUSED);
  assert.equal(scene.requests.length, 1);
  assert.equal(scene.clock.pendingTimers(), 0);
});

test("SvidManager.start() rejects when it is closed while it waits", async () => {
  const scene = await createScene();
  scene.answer = UNREACHABLE;
  const manager = scene.createManager();
  const started = assert.rejects(manager.start(), { code: "WEFT_IDENTITY_CLOSED" });
  await scene.clock.runUntilIdle();
  manager.close();
  await started;
  assert.equal(scene.clock.pendingTimers(), 0);
});

test("SvidManager.start() refuses to begin without identity and credential", async () => {
  const scene = await createScene();
  await assert.rejects(scene.createManager({ joinCredential: null }).start(), { code: "WEFT_IDENTITY_MISSING" });
});

test("SvidManager.start() joins anew when the stored identity has expired, and says so without a credential", async () => {
  const scene = await createScene();
  const first = scene.createManager();
  await first.start();
  first.close();
  scene.clock.advance(LIFETIME_MS);
  await assert.rejects(scene.createManager({ joinCredential: null }).start(), { code: "WEFT_IDENTITY_EXPIRED" });
  const second = scene.createManager({ joinCredential: "another" });
  await second.start();
  assert.deepEqual(scene.requests, ["one-time", "another"]);
  second.close();
});

test("SvidManager.start() does not use an identity of another mesh's CA", async () => {
  const scene = await createScene();
  const first = scene.createManager();
  await first.start();
  first.close();
  scene.authority = await createAuthority(scene.clock);
  await assert.rejects(scene.createManager({ joinCredential: null }).start(), { code: "WEFT_IDENTITY_INVALID" });
  const second = scene.createManager({ joinCredential: "another" });
  await second.start();
  assert.deepEqual(scene.requests, ["one-time", "another"]);
  second.close();
});

for (const [what, text] of [
  ["no JSON", "{"],
  ["another form", `{"keyPem":1}`],
  ["broken PEM", JSON.stringify({ keyPem: "x", certificateChainPem: "y", trustBundlePem: "z" })],
] as const) {
  test(`SvidManager.start() joins anew when the stored identity is ${what}`, async () => {
    const scene = await createScene();
    const first = scene.createManager();
    await first.start();
    first.close();
    const manager = scene.createManager();
    writeFileSync(join(scene.stateDir, "identity.json"), text);
    await manager.start();
    assert.equal(scene.requests.length, 2);
    manager.close();
  });
}

test("SvidManager.start() refuses a stored key that others could read", async () => {
  const scene = await createScene();
  const first = scene.createManager();
  await first.start();
  first.close();
  chmodSync(join(scene.stateDir, "identity.json"), 0o644);
  await assert.rejects(scene.createManager({ joinCredential: null }).start(), { code: "WEFT_STATE_PERMISSIONS" });
});

test("SvidManager refuses a certificate of another identity", async () => {
  const scene = await createScene();
  scene.serviceAccount = "web";
  await assert.rejects(
    scene.createManager().start(),
    /found a certificate of spiffe:\/\/shop\.mesh\/ns\/default\/sa\/web; expected spiffe:.*reviews/,
  );
});

test("SvidManager falls back on an unused credential when its certificate is not known any more", async () => {
  const scene = await createScene();
  const first = scene.createManager();
  await first.start();
  first.close();
  const second = scene.createManager({ joinCredential: "fresh" });
  await second.start();
  scene.answer = REFUSED;
  await scene.clock.elapse(RENEW_AFTER_MS);
  assert.deepEqual(scene.requests, ["one-time", null]);
  scene.answer = "sign";
  const changed = nextChange(second);
  await scene.clock.elapse(1_000);
  await changed;
  assert.deepEqual(scene.requests, ["one-time", null, "fresh"]);
  second.close();
});

test("SvidManager keeps the new certificate when it cannot be stored, and says so", async () => {
  const scene = await createScene();
  const manager = scene.createManager();
  await manager.start();
  rmSync(scene.stateDir, { recursive: true });
  const changed = nextChange(manager);
  await scene.clock.elapse(RENEW_AFTER_MS);
  const identity = await changed;
  assert.equal(new X509Certificate(identity.certificateChainPem).subject, "CN=reviews-v1-0");
  assert.ok(scene.lines.includes("warn: cannot store the identity; a restart will have to join anew"));
  manager.close();
});

test("SvidManager goes on renewing when a listener throws", async () => {
  const scene = await createScene();
  const manager = scene.createManager();
  await manager.start();
  manager.onChange(() => {
    throw new Error("listener");
  });
  const changed = nextChange(manager);
  await scene.clock.elapse(RENEW_AFTER_MS);
  await changed;
  assert.equal(manager.status().failures, 0);
  assert.ok(scene.lines.some((line) => line.startsWith("error: a listener failed")));
  manager.close();
});
