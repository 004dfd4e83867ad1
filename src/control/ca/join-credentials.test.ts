import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemRandom } from "../../random/system-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FileSecrets } from "../secrets/file-secrets.ts";
import { JoinCredentials } from "./join-credentials.ts";
import type { JoinCredentialsOptions } from "./join-credentials.ts";

const folders = mkdtempSync(join(tmpdir(), "weft-join-"));
after(() => rmSync(folders, { recursive: true, force: true }));
let count = 0;

interface TestOptions extends JoinCredentialsOptions {
  readonly clock: FakeClock;
  readonly folder: string;
}

function createOptions(change: Partial<JoinCredentialsOptions> = {}): TestOptions {
  count += 1;
  const folder = join(folders, String(count));
  const clock = new FakeClock();
  return { folder, secrets: new FileSecrets({ folder, clock }), random: systemRandom, ...change, clock };
}

/** As after a restart. */
function reopen(options: TestOptions): JoinCredentials {
  return new JoinCredentials({ ...options, secrets: new FileSecrets(options) });
}

const BINDING = { namespace: "default", workload: "reviews-v1-0", serviceAccount: "reviews" };

test("JoinCredentials.redeem() says whom the credential admits, once", async () => {
  const credentials = new JoinCredentials(createOptions());
  const { credential } = await credentials.grant(BINDING);
  assert.match(credential, /^[A-Za-z0-9_-]{43}$/);
  const { namespace, workload, serviceAccount } = await credentials.redeem(credential, BINDING.workload);
  assert.deepEqual({ namespace, workload, serviceAccount }, BINDING);
  await assert.rejects(credentials.redeem(credential, BINDING.workload), { code: "WEFT_CA_JOIN_USED" });
});

test("JoinCredentials.redeem() admits exactly one of many concurrent calls at several control planes", async () => {
  const options = createOptions();
  const planes = [new JoinCredentials(options), new JoinCredentials(options), new JoinCredentials(options)] as const;
  const { credential } = await planes[0].grant(BINDING);
  const calls = Array.from({ length: 51 }, (_, i) => (planes[i % 3] ?? planes[0]).redeem(credential, BINDING.workload));
  const results = await Promise.allSettled(calls);
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
  for (const result of results) {
    if (result.status === "rejected") assert.equal((result.reason as { code: string }).code, "WEFT_CA_JOIN_USED");
  }
});

test("JoinCredentials keeps a grant over a restart, and a use too", async () => {
  const options = createOptions();
  const { credential } = await new JoinCredentials(options).grant(BINDING);
  const { workload } = await reopen(options).redeem(credential, BINDING.workload);
  assert.equal(workload, BINDING.workload);
  await assert.rejects(reopen(options).redeem(credential, BINDING.workload), { code: "WEFT_CA_JOIN_USED" });
});

test("JoinCredentials.redeem() refuses what it did not grant", async () => {
  const credentials = new JoinCredentials(createOptions());
  const { credential } = await credentials.grant(BINDING);
  for (const other of [
    "",
    "x",
    credential.slice(1),
    `${credential}A`,
    `${credential}=`,
    credential.split("").toReversed().join(""),
  ]) {
    await assert.rejects(credentials.redeem(other, BINDING.workload), { code: "WEFT_CA_JOIN_UNKNOWN" }, other);
  }
  await credentials.redeem(credential, BINDING.workload);
});

test("JoinCredentials.redeem() refuses another workload and leaves the credential usable", async () => {
  const credentials = new JoinCredentials(createOptions());
  const { credential } = await credentials.grant(BINDING);
  await assert.rejects(credentials.redeem(credential, "reviews-v1-1"), { code: "WEFT_CA_JOIN_WORKLOAD" });
  await credentials.redeem(credential, BINDING.workload);
});

test("JoinCredentials.redeem() refuses an expired credential, and forgets it after as long again", async () => {
  const options = createOptions({ lifetimeMs: 1_000 });
  const credentials = new JoinCredentials(options);
  const { credential, expiresWallMs } = await credentials.grant(BINDING);
  assert.equal(expiresWallMs, options.clock.wallMs() + 1_000);
  options.clock.advance(999);
  await credentials.check(credential, BINDING.workload);
  options.clock.advance(1);
  await assert.rejects(credentials.redeem(credential, BINDING.workload), { code: "WEFT_CA_JOIN_EXPIRED" });
  options.clock.advance(1_000);
  await credentials.grant(BINDING);
  await assert.rejects(credentials.redeem(credential, BINDING.workload), { code: "WEFT_CA_JOIN_UNKNOWN" });
});

test("JoinCredentials.grant() refuses more than may be open, until some expire", async () => {
  const options = createOptions({ maxCount: 2, lifetimeMs: 1_000 });
  const credentials = new JoinCredentials(options);
  const grants = await Promise.allSettled([1, 2, 3].map(() => credentials.grant(BINDING)));
  assert.deepEqual(
    grants.map((grant) => grant.status),
    ["fulfilled", "fulfilled", "rejected"],
  );
  await assert.rejects(credentials.grant(BINDING), { code: "WEFT_CA_JOIN_LIMIT" });
  options.clock.advance(1_000);
  await credentials.grant(BINDING);
});

test("JoinCredentials keeps no credential on the disk, and its files private", async () => {
  const options = createOptions();
  const credentials = new JoinCredentials(options);
  const { credential } = await credentials.grant(BINDING);
  await credentials.redeem(credential, BINDING.workload);
  for (const part of ["join", "used"]) {
    const [file = "", ...more] = readdirSync(join(options.folder, part));
    assert.deepEqual(more, []);
    const path = join(options.folder, part, file);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(!`${file}${readFileSync(path, "utf8")}`.includes(credential));
  }
});

test("JoinCredentials passes over files that a crash left half-written", async () => {
  const options = createOptions();
  const { credential } = await new JoinCredentials(options).grant(BINDING);
  const later = options.clock.wallMs() + 60_000;
  const folder = join(options.folder, "join");
  writeFileSync(join(folder, `${"a".repeat(64)}~${later}`), "{", { mode: 0o600 });
  writeFileSync(join(folder, `${"b".repeat(64)}~${later}.0123.tmp`), "", { mode: 0o600 });
  await reopen(options).redeem(credential, BINDING.workload);
});

test("JoinCredentials.redeem() admits nobody when the use cannot be noted", async () => {
  const options = createOptions();
  const credentials = new JoinCredentials(options);
  const { credential } = await credentials.grant(BINDING);
  mkdirSync(join(options.folder, "used"), { mode: 0o755 });
  await assert.rejects(credentials.redeem(credential, BINDING.workload), { code: "WEFT_STATE_PERMISSIONS" });
});
