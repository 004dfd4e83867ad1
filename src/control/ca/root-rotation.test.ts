import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { systemRandom } from "../../random/system-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { createGivenAuthority } from "../../testing/given-authority.ts";
import { MemoryEtcd } from "../../testing/memory-etcd.ts";
import { EtcdSecrets } from "../secrets/etcd-secrets.ts";
import { FileSecrets } from "../secrets/file-secrets.ts";
import { SealingKey } from "../secrets/sealing-key.ts";
import type { SharedSecrets } from "../shared-secrets.ts";
import { type CertificateAuthority, openCertificateAuthority } from "./certificate-authority.ts";
import { listRoots, RootRotation } from "./root-rotation.ts";
import { formatFingerprint } from "./root-secret.ts";
import type { ProxyTrust, TrustEvidence } from "./trust-evidence.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-rotation-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;

const DAY_MS = 86_400_000;

/** A mesh of proxies that do what they are told, unless they are away. */
class Scene {
  readonly clock: FakeClock = new FakeClock();
  readonly secrets: SharedSecrets;
  authority: CertificateAuthority;
  rotation: RootRotation;
  upMs: number = 60_000;
  hasJobs: boolean = true;
  silent: readonly string[] = [];
  readonly revoked: Set<string> = new Set();
  readonly proxies: Map<string, ProxyTrust> = new Map();

  constructor(secrets: SharedSecrets, clock: FakeClock, authority: CertificateAuthority) {
    this.secrets = secrets;
    this.clock = clock;
    this.authority = authority;
    this.rotation = this.#createRotation();
  }

  /** As after a kill: nothing is left but the secrets, and it may be another one's. */
  async restart(): Promise<void> {
    this.rotation.close();
    this.authority = await openAuthority(this.secrets, this.clock);
    this.rotation = this.#createRotation();
  }

  put(id: string, change: Partial<ProxyTrust> = {}): void {
    const before = this.proxies.get(id);
    const certificateRoot = formatFingerprint(this.authority.root);
    const made = { id, connected: true, hasRoots: true, certificateRoot, notAfterMs: this.clock.wallMs() + DAY_MS };
    this.proxies.set(id, { ...made, ...before, ...change });
  }

  /** The proxies that are connected have the roots of now. */
  acknowledge(): void {
    for (const [id, { connected }] of this.proxies) if (connected) this.put(id, { hasRoots: true });
  }

  renew(): void {
    const certificateRoot = formatFingerprint(this.authority.root);
    for (const [id, { connected }] of this.proxies) if (connected) this.put(id, { certificateRoot });
  }

  step(): string {
    return this.authority.rotation()?.step ?? "none";
  }

  async awaited(): Promise<readonly string[]> {
    return ((await this.rotation.status())?.awaited ?? []).map(({ who }) => who);
  }

  async advance(): Promise<string> {
    const before = listRoots(this.authority).join();
    await this.rotation.advance();
    if (listRoots(this.authority).join() !== before) {
      for (const id of this.proxies.keys()) this.put(id, { hasRoots: false });
    }
    return this.step();
  }

  #createRotation(): RootRotation {
    const evidence = (): TrustEvidence => ({
      replica: "self",
      roots: listRoots(this.authority),
      upMs: this.upMs,
      proxies: [...this.proxies.values()],
    });
    const rotation = new RootRotation({
      authority: this.authority,
      evidence: () => Promise.resolve([evidence(), ...this.silent]),
      isRevoked: (id) => this.revoked.has(id),
      lease: { held: () => this.hasJobs },
      clock: this.clock,
      log: silentLog,
    });
    // Tests look when they want to.
    rotation.close();
    return rotation;
  }
}

function openAuthority(secrets: SharedSecrets, clock: FakeClock): Promise<CertificateAuthority> {
  return openCertificateAuthority({ secrets, trustDomain: "shop.mesh", clock, random: systemRandom });
}

function createFileSecrets(clock: FakeClock): FileSecrets {
  folders += 1;
  return new FileSecrets({ folder: join(folder, String(folders)), clock });
}

async function createScene(): Promise<Scene> {
  const clock = new FakeClock();
  const secrets = createFileSecrets(clock);
  const scene = new Scene(secrets, clock, await openAuthority(secrets, clock));
  scene.put("default/web-0");
  scene.put("default/cart-0");
  return scene;
}

function subjectsOf(authority: CertificateAuthority): readonly string[] {
  return authority.roots().map(formatFingerprint);
}

test("RootRotation goes from adding to signing to withdrawing, each once every proxy has proved it", async () => {
  const scene = await createScene();
  const [old = ""] = subjectsOf(scene.authority);
  const { to } = await scene.rotation.begin({ reason: "asked" });
  for (const id of scene.proxies.keys()) scene.put(id, { hasRoots: false });
  assert.deepEqual(subjectsOf(scene.authority), [old, to]);
  assert.equal(formatFingerprint(scene.authority.root), old);

  assert.equal(await scene.advance(), "adding");
  assert.deepEqual(await scene.awaited(), ["default/cart-0", "default/web-0"]);
  scene.put("default/web-0", { hasRoots: true });
  assert.equal(await scene.advance(), "adding");
  assert.deepEqual(await scene.awaited(), ["default/cart-0"]);
  scene.acknowledge();

  assert.equal(await scene.advance(), "signing");
  assert.deepEqual(subjectsOf(scene.authority), [to, old]);
  assert.equal((await scene.secrets.get("ca/root.pem"))?.match(/PRIVATE KEY/g)?.length, 2, "the old key is gone");
  scene.acknowledge();
  assert.equal(await scene.advance(), "signing");
  assert.deepEqual(await scene.awaited(), ["default/cart-0", "default/web-0"]);
  scene.renew();

  assert.equal(await scene.advance(), "withdrawing");
  assert.deepEqual(subjectsOf(scene.authority), [to]);
  assert.equal(await scene.advance(), "withdrawing");
  scene.acknowledge();
  assert.equal(await scene.advance(), "done");
  assert.deepEqual(await scene.awaited(), []);
  assert.equal(await scene.advance(), "done");
  assert.deepEqual(subjectsOf(scene.authority), [to]);
});

test("RootRotation goes on after a kill at any point, and a control plane that just started waits for its proxies", async () => {
  const scene = await createScene();
  const [old = ""] = subjectsOf(scene.authority);
  const { to } = await scene.rotation.begin({ reason: "asked" });
  const seen: string[] = [scene.step()];
  for (let turn = 0; turn < 12 && scene.step() !== "done"; turn += 1) {
    await scene.restart();
    scene.upMs = 0;
    assert.equal(await scene.advance(), seen.at(-1), "nobody is known yet");
    assert.ok((await scene.awaited()).includes("control plane self"));
    scene.upMs = 20_000;
    scene.acknowledge();
    scene.renew();
    seen.push(await scene.advance());
  }
  assert.deepEqual([...new Set(seen)], ["adding", "signing", "withdrawing", "done"]);
  assert.deepEqual(subjectsOf(scene.authority), [to]);
  assert.notEqual(to, old);
});

test("RootRotation survives every write that fails before or after it was done", async () => {
  for (const when of ["before", "after"] as const) {
    const clock = new FakeClock();
    const inner = createFileSecrets(clock);
    let fails = false;
    const secrets: SharedSecrets = {
      get: (name) => inner.get(name),
      putIfAbsent: (name, value) => inner.putIfAbsent(name, value),
      describe: (name) => inner.describe(name),
      async replace(name, expected, value) {
        if (fails && when === "before") throw new Error("killed");
        const replaced = await inner.replace(name, expected, value);
        if (fails) throw new Error("killed");
        return replaced;
      },
    };
    const scene = new Scene(secrets, clock, await openAuthority(secrets, clock));
    scene.put("default/web-0");
    fails = true;
    await assert.rejects(scene.rotation.begin({ reason: "asked" }), /killed/);
    await scene.restart();
    assert.equal(scene.step(), when === "before" ? "none" : "adding");
    fails = false;
    if (when === "before") await scene.rotation.begin({ reason: "asked" });
    for (const expected of ["signing", "withdrawing", "done"]) {
      scene.acknowledge();
      scene.renew();
      fails = true;
      await assert.rejects(scene.rotation.advance(), /killed/);
      await scene.restart();
      fails = false;
      if (when === "before") assert.equal(await scene.advance(), expected);
      assert.equal(scene.step(), expected);
    }
  }
});

test("RootRotation waits for a proxy that is away until its certificate ends, over a restart as well", async () => {
  const scene = await createScene();
  const endMs = scene.clock.wallMs() + DAY_MS;
  await scene.rotation.begin({ reason: "asked" });
  scene.put("default/web-0", { connected: false, hasRoots: false, notAfterMs: endMs });
  assert.equal(await scene.advance(), "adding");
  await scene.restart();
  scene.proxies.delete("default/web-0");
  const status = await scene.rotation.status();
  assert.deepEqual(
    status?.awaited.map(({ who, untilWallMs }) => [who, untilWallMs]),
    [["default/web-0", endMs]],
  );
  scene.clock.advance(DAY_MS);
  assert.equal(await scene.advance(), "signing");
});

test("RootRotation leaves who is away behind where it is told to, says so, and waits for nobody who is revoked", async () => {
  const scene = await createScene();
  scene.put("default/gone", { connected: false, hasRoots: false });
  scene.put("default/bad", { connected: false, hasRoots: false });
  scene.revoked.add("default/bad");
  await scene.rotation.begin({ reason: "asked", leavesOffline: true });
  assert.equal(await scene.advance(), "signing");
  scene.acknowledge();
  scene.renew();
  assert.equal(await scene.advance(), "withdrawing");
  scene.acknowledge();
  assert.equal(await scene.advance(), "done");
  assert.deepEqual(scene.authority.rotation()?.left, ["default/gone"]);
});

test("RootRotation waits for control planes that do not answer, and acts only with the jobs", async () => {
  const scene = await createScene();
  await scene.rotation.begin({ reason: "asked" });
  scene.silent = ["10.0.0.2:9339"];
  assert.equal(await scene.advance(), "adding");
  assert.deepEqual(await scene.awaited(), ["control plane 10.0.0.2:9339"]);
  scene.silent = [];
  scene.hasJobs = false;
  assert.equal(await scene.advance(), "adding");
  scene.hasJobs = true;
  assert.equal(await scene.advance(), "signing");
});

test("RootRotation.begin() refuses a second rotation, and an emergency withdraws the old root at once", async () => {
  const scene = await createScene();
  await scene.rotation.begin({ reason: "asked" });
  await assert.rejects(scene.rotation.begin({ reason: "asked" }), { code: "WEFT_CA_ROTATING" });
  const { to } = await scene.rotation.begin({ reason: "emergency" });
  assert.deepEqual(subjectsOf(scene.authority), [to]);
  scene.acknowledge();
  assert.equal(await scene.advance(), "done");
});

test("RootRotation begins by itself when a tenth of the root's life is left", async () => {
  const scene = await createScene();
  const { root } = scene.authority;
  scene.clock.advance(9 * 365 * DAY_MS - 60_000);
  assert.equal(await scene.advance(), "none");
  scene.clock.advance(120_000);
  assert.equal(await scene.advance(), "adding");
  assert.equal(scene.authority.rotation()?.reason, "due");
  assert.equal(scene.authority.root.fingerprint256, root.fingerprint256);
});

test("of two control planes on one etcd that begin or step at once, one does, and the other follows", async () => {
  const clock = new FakeClock();
  const etcd = new MemoryEtcd(clock);
  const key = new SealingKey(Buffer.alloc(32, 1), systemRandom);
  const open = async (): Promise<Scene> => {
    const secrets = new EtcdSecrets({ client: etcd, prefix: "/weft/m/secrets/", key, clock });
    const scene = new Scene(secrets, clock, await openAuthority(secrets, clock));
    scene.put("default/web-0");
    return scene;
  };
  const scenes = [await open(), await open()] as const;
  const begun = Promise.allSettled(scenes.map((scene) => scene.rotation.begin({ reason: "asked" })));
  for (let turn = 0; turn < 10; turn += 1) await clock.elapse(200);
  assert.deepEqual((await begun).map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  for (const scene of scenes) await scene.authority.refresh();
  for (const expected of ["signing", "withdrawing", "done"]) {
    for (const scene of scenes) {
      scene.acknowledge();
      scene.renew();
    }
    const stepping = Promise.allSettled(scenes.map((scene) => scene.advance()));
    for (let turn = 0; turn < 10; turn += 1) await clock.elapse(200);
    await stepping;
    for (const scene of scenes) await scene.authority.refresh();
    assert.deepEqual([scenes[0].step(), scenes[1].step()], [expected, expected]);
    assert.deepEqual(listRoots(scenes[0].authority), listRoots(scenes[1].authority));
  }
});

test("an intermediate that was given signs under its own root, with its chain, and the old root goes", async () => {
  const scene = await createScene();
  const { given, intermediate, root } = await createGivenAuthority(scene.clock);
  const { to } = await scene.rotation.begin({ reason: "import", given });
  assert.equal(to, formatFingerprint(intermediate));
  for (const expected of ["signing", "withdrawing", "done"]) {
    scene.acknowledge();
    scene.renew();
    assert.equal(await scene.advance(), expected);
  }
  assert.deepEqual(subjectsOf(scene.authority), [formatFingerprint(root)]);
  assert.equal(formatFingerprint(scene.authority.root), to);
});

test("RootRotation.begin() refuses an authority that the mesh could not sign with, and changes nothing", async () => {
  const scene = await createScene();
  const before = await scene.secrets.get("ca/root.pem");
  const { given, root } = await createGivenAuthority(scene.clock);
  const leaf = (
    await scene.authority.issueServer({
      hosts: ["x"],
      publicKeyDer: root.publicKey.export({ type: "spki", format: "der" }),
      lifetimeMs: DAY_MS,
    })
  ).certificateChainPem;
  const [key = "", ...certificates] = given.split(/(?=-----BEGIN CERTIFICATE)/);
  const [intermediate = ""] = certificates;
  for (const [text, found] of [
    ["", /no private key and certificate/],
    [certificates.join(""), /no private key and certificate/],
    [key, /no private key and certificate/],
    [key + root.toString(), /a certificate of another key/],
    [key + intermediate, /an authority without its root/],
    [given + leaf, /which is no authority's/],
  ] as const) {
    await assert.rejects(scene.rotation.begin({ reason: "import", given: text }), {
      code: "WEFT_CA_IMPORT",
      message: found,
    });
  }
  assert.equal(await scene.secrets.get("ca/root.pem"), before);
});
