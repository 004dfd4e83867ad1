import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { SvidManager } from "../../identity/svid-manager.ts";
import { systemRandom } from "../../random/system-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FileSecrets } from "../secrets/file-secrets.ts";
import { readProvenKey } from "./certificate-request.ts";
import { type CertificateAuthority, openCertificateAuthority } from "./certificate-authority.ts";
import { recoverRoot } from "./recover-root.ts";
import { formatFingerprint } from "./root-secret.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-recover-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const HOUR_MS = 3_600_000;
const random = systemRandom;

test("after a month without a control plane, with an ended root: refused by name, recovered, and every workload joins anew", async () => {
  const clock = new FakeClock();
  const secrets = new FileSecrets({ folder: join(folder, "control"), clock });
  const open = (): Promise<CertificateAuthority> =>
    openCertificateAuthority({ secrets, trustDomain: "shop.mesh", clock, random, rootLifetimeMs: 30 * 24 * HOUR_MS });
  const first = await open();
  const stateDir = join(folder, "proxy");
  const before = await admit(first, "first", stateDir, clock);
  await assert.rejects(recoverRoot({ secrets, trustDomain: null, isForced: false, clock, random }), {
    code: "WEFT_CA_VALID",
  });

  clock.advance(31 * 24 * HOUR_MS);
  await assert.rejects(open(), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.code, "WEFT_CA_EXPIRED");
    assert.match(error.hint, /weft identity recover/);
    return true;
  });
  const { fingerprint, trustDomain } = await recoverRoot({
    secrets,
    trustDomain: null,
    isForced: false,
    clock,
    random,
  });
  assert.equal(trustDomain, "shop.mesh");
  const second = await open();
  assert.equal(formatFingerprint(second.root), fingerprint);
  assert.equal(second.roots().length, 1);

  // As its runner starts it: with the roots of now and a credential.
  const after = await admit(second, "second", stateDir, clock);
  assert.notEqual(after, before);
});

/** The chain that a proxy on this folder comes to, with this credential. */
async function admit(
  authority: CertificateAuthority,
  joinCredential: string,
  stateDir: string,
  clock: FakeClock,
): Promise<string> {
  const manager = new SvidManager({
    workload: "web-0",
    spiffeId: "spiffe://shop.mesh/ns/default/sa/web",
    trustBundlePem: authority.trustBundlePem,
    stateDir,
    joinCredential,
    sign: async (requestDer, workload, credential) => {
      assert.equal(credential, joinCredential);
      const publicKeyDer = await readProvenKey(requestDer);
      const request = { namespace: "default", serviceAccount: "web", workload, publicKeyDer, lifetimeMs: HOUR_MS };
      return { ...(await authority.issue(request)), trustBundlePem: authority.trustBundlePem };
    },
    clock,
    random,
    log: silentLog,
  });
  const { certificateChainPem } = await manager.start();
  manager.close();
  return certificateChainPem;
}

test("recoverRoot() asks for the trust domain where the root names none, and refuses where there is no root", async () => {
  const clock = new FakeClock();
  const secrets = new FileSecrets({ folder: join(folder, "empty"), clock });
  const options = { secrets, isForced: false, clock, random };
  await assert.rejects(recoverRoot({ ...options, trustDomain: "shop.mesh" }), { code: "WEFT_CA_DAMAGED" });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await secrets.putIfAbsent("ca/root.pem", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  await assert.rejects(recoverRoot({ ...options, trustDomain: null }), {
    code: "WEFT_CA_DAMAGED",
    message: /no trust domain/,
  });
  assert.equal((await recoverRoot({ ...options, trustDomain: "shop.mesh" })).trustDomain, "shop.mesh");
});
