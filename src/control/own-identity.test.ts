import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Identity } from "../identity/identity-file.ts";
import { silentLog } from "../lib/log.ts";
import { systemRandom } from "../random/system-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { openCertificateAuthority } from "./ca/certificate-authority.ts";
import { FileSecrets } from "./secrets/file-secrets.ts";
import { OwnIdentity } from "./own-identity.ts";

const folders = mkdtempSync(join(tmpdir(), "weft-own-"));
after(() => rmSync(folders, { recursive: true, force: true }));

test("OwnIdentity renews at half of its life with a new key, and starts from what it stored", async () => {
  const clock = new FakeClock();
  const authority = await openCertificateAuthority({
    secrets: new FileSecrets({ folder: folders, clock }),
    trustDomain: "shop.mesh",
    clock,
    random: systemRandom,
  });
  let settle: (identity: Identity) => void = () => undefined;
  const changed = new Promise<Identity>((resolve) => {
    settle = resolve;
  });
  const create = (onChange: (identity: Identity) => void): OwnIdentity =>
    new OwnIdentity({
      authority,
      folder: join(folders, "identity"),
      lifetimeMs: () => 100_000,
      clock,
      log: silentLog,
      onChange,
    });

  const first = create(settle);
  const identity = await first.start();
  assert.equal(identity.spiffeId, "spiffe://shop.mesh/ns/weft/sa/control-plane");
  const again = create(() => assert.fail("not asked for"));
  assert.deepEqual(await again.start(), identity);
  again.close();

  await clock.elapse(45_000);
  const renewed = await changed;
  assert.notEqual(renewed.keyPem, identity.keyPem);
  assert.ok(renewed.notAfterMs > identity.notAfterMs);
  first.close();

  const later = create(() => assert.fail("not asked for"));
  assert.deepEqual(await later.start(), renewed);
  later.close();
  clock.advance(100_000);
  const expired = create(() => assert.fail("not asked for"));
  assert.ok((await expired.start()).notAfterMs > clock.wallMs());
  expired.close();
  assert.equal(clock.pendingTimers(), 0);
});
