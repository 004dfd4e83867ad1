import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate, createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { WeftError } from "../../lib/weft-error.ts";
import { systemRandom } from "../../random/system-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { parseWallTime } from "../../time/wall-time.ts";
import { FileSecrets } from "../secrets/file-secrets.ts";
import { openCertificateAuthority } from "./certificate-authority.ts";
import type { CertificateAuthority, CertificateAuthorityOptions, IssuedSvid } from "./certificate-authority.ts";

const folders = mkdtempSync(join(tmpdir(), "weft-ca-"));
after(() => rmSync(folders, { recursive: true, force: true }));
let count = 0;

interface TestOptions extends CertificateAuthorityOptions {
  /** Of the root. */
  readonly folder: string;
}

function createOptions(change: Partial<CertificateAuthorityOptions> = {}): TestOptions {
  count += 1;
  const clock = change.clock ?? new FakeClock();
  const folder = join(folders, String(count));
  return {
    folder: join(folder, "ca"),
    secrets: new FileSecrets({ folder, clock }),
    trustDomain: "shop.mesh",
    random: systemRandom,
    ...change,
    clock,
  };
}

const publicKeyDer = createPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey).export({
  type: "spki",
  format: "der",
});

function issue(authority: CertificateAuthority, lifetimeMs: number): Promise<IssuedSvid> {
  return authority.issue({
    namespace: "default",
    serviceAccount: "reviews",
    workload: "reviews-v1-0",
    publicKeyDer,
    lifetimeMs,
  });
}

test("openCertificateAuthority() makes a private root once and loads it later", async () => {
  const options = createOptions();
  const first = await openCertificateAuthority(options);
  const second = await openCertificateAuthority(options);
  assert.equal(second.trustBundlePem, first.trustBundlePem);
  assert.equal(statSync(join(options.folder, "root.pem")).mode & 0o777, 0o600);
  assert.equal(statSync(options.folder).mode & 0o777, 0o700);
});

test("openCertificateAuthority() makes a root of 10 years that may sign leaves only", async () => {
  const options = createOptions();
  const { root } = await openCertificateAuthority(options);
  assert.equal(root.ca, true);
  assert.equal(root.subjectAltName, "URI:spiffe://shop.mesh");
  assert.equal(root.verify(root.publicKey), true);
  const days = (parseWallTime(root.validTo) - options.clock.wallMs()) / 86_400_000;
  assert.equal(Math.round(days), 3650);
});

for (const [what, path, mode] of [
  ["folder that others may enter", "", 0o750],
  ["root that others may read", "root.pem", 0o640],
] as const) {
  test(`openCertificateAuthority() refuses a ${what} and says how to fix it`, async () => {
    const options = createOptions();
    await openCertificateAuthority(options);
    chmodSync(join(options.folder, path), mode);
    await assert.rejects(openCertificateAuthority(options), (error: WeftError) => {
      assert.equal(error.code, "WEFT_STATE_PERMISSIONS");
      assert.match(error.message, new RegExp(`mode 0${mode.toString(8)}`));
      assert.match(error.hint ?? "", /^chmod 0[67]00 "/);
      return true;
    });
  });
}

test("openCertificateAuthority() refuses the root of another trust domain", async () => {
  const options = createOptions();
  await openCertificateAuthority(options);
  await assert.rejects(openCertificateAuthority({ ...options, trustDomain: "other.mesh" }), {
    code: "WEFT_CA_TRUST_DOMAIN",
  });
});

test("openCertificateAuthority() refuses a damaged root and keeps the file", async () => {
  const options = createOptions();
  await openCertificateAuthority(options);
  const path = join(options.folder, "root.pem");
  const whole = readFileSync(path, "utf8");
  for (const text of [
    "",
    whole.slice(0, 100),
    whole.replace(/MI/g, "XX"),
    whole.slice(whole.indexOf("-----BEGIN CERT")),
  ]) {
    writeFileSync(path, text);
    await assert.rejects(openCertificateAuthority(options), { code: "WEFT_CA_DAMAGED" });
    assert.equal(readFileSync(path, "utf8"), text);
  }
});

test("openCertificateAuthority() refuses a certificate that belongs to another key", async () => {
  const [a, b] = [createOptions(), createOptions()];
  await openCertificateAuthority(a);
  await openCertificateAuthority(b);
  const key = readFileSync(join(a.folder, "root.pem"), "utf8").split("-----BEGIN CERT")[0] ?? "";
  const certificate = (await openCertificateAuthority(b)).trustBundlePem;
  writeFileSync(join(a.folder, "root.pem"), key + certificate);
  await assert.rejects(openCertificateAuthority(a), { code: "WEFT_CA_DAMAGED" });
});

test("CertificateAuthority.issue() makes an SVID: one URI name, a leaf, for both ends of TLS, with key identifiers", async () => {
  const authority = await openCertificateAuthority(createOptions());
  const issued = await issue(authority, 86_400_000);
  const svid = new X509Certificate(issued.certificateChainPem);
  assert.equal(issued.spiffeId, "spiffe://shop.mesh/ns/default/sa/reviews");
  assert.equal(svid.subjectAltName, `URI:${issued.spiffeId}`);
  assert.equal(svid.subject, "CN=reviews-v1-0");
  assert.equal(svid.ca, false);
  assert.deepEqual(svid.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  assert.equal(svid.checkIssued(authority.root), true);
  assert.equal(svid.verify(authority.root.publicKey), true);
  assert.deepEqual(svid.publicKey.export({ type: "spki", format: "der" }), publicKeyDer);
});

test(
  "CertificateAuthority.issue() gives what OpenSSL accepts as a TLS client and server",
  { skip: hasOpenssl() ? false : "no openssl on this machine" },
  async () => {
    const options = createOptions();
    const authority = await openCertificateAuthority(options);
    const issued = await issue(authority, 86_400_000);
    writeFileSync(join(options.folder, "bundle.pem"), authority.trustBundlePem);
    writeFileSync(join(options.folder, "leaf.pem"), issued.certificateChainPem);
    const at = String(Math.floor(options.clock.wallMs() / 1000) + 1);
    for (const purpose of ["sslclient", "sslserver"]) {
      const run = spawnSync("openssl", [
        "verify",
        "-x509_strict",
        "-attime",
        at,
        "-purpose",
        purpose,
        "-CAfile",
        join(options.folder, "bundle.pem"),
        join(options.folder, "leaf.pem"),
      ]);
      assert.equal(run.status, 0, `${purpose}: ${run.stdout}${run.stderr}`);
    }
    const text = spawnSync("openssl", [
      "x509",
      "-in",
      join(options.folder, "leaf.pem"),
      "-noout",
      "-text",
    ]).stdout.toString();
    assert.match(text, /X509v3 Basic Constraints: critical\s+CA:FALSE/);
    assert.match(text, /X509v3 Key Usage: critical\s+Digital Signature\n/);
    assert.match(text, /X509v3 Subject Key Identifier/);
    assert.match(text, /X509v3 Authority Key Identifier/);
  },
);

const LIFETIMES: readonly (readonly [string, number, number, number])[] = [
  ["24 h, backdated by 60 s", 86_400_000, 60_000, 86_400_000],
  ["20 s, backdated by a tenth", 20_000, 2_000, 20_000],
  ["10 s when asked for less", 1, 1_000, 10_000],
];
for (const [what, asked, before, lifetime] of LIFETIMES) {
  test(`CertificateAuthority.issue() gives ${what}`, async () => {
    const options = createOptions();
    const nowMs = options.clock.wallMs();
    const issued = await issue(await openCertificateAuthority(options), asked);
    assert.equal(nowMs - issued.notBeforeMs, before);
    assert.equal(issued.notAfterMs - nowMs, lifetime);
    const svid = new X509Certificate(issued.certificateChainPem);
    assert.equal(parseWallTime(svid.validFrom), issued.notBeforeMs);
    assert.equal(parseWallTime(svid.validTo), issued.notAfterMs);
  });
}

test("CertificateAuthority.issue() never outlives its root, and says when the root has ended", async () => {
  const clock = new FakeClock();
  const authority = await openCertificateAuthority(createOptions({ clock, rootLifetimeMs: 3_600_000 }));
  assert.equal((await issue(authority, 86_400_000)).notAfterMs, authority.notAfterMs());
  clock.advance(3_600_000);
  await assert.rejects(issue(authority, 86_400_000), { code: "WEFT_CA_EXPIRED" });
});

test("CertificateAuthority.issue() takes a workload name of 253 characters, the longest of Kubernetes", async () => {
  const authority = await openCertificateAuthority(createOptions());
  const workload = "a".repeat(253);
  const issued = await authority.issue({
    namespace: "default",
    serviceAccount: "reviews",
    workload,
    publicKeyDer,
    lifetimeMs: 60_000,
  });
  assert.equal(new X509Certificate(issued.certificateChainPem).subject, `CN=${workload}`);
});

test("CertificateAuthority.issue() gives every certificate another positive serial number", async () => {
  const authority = await openCertificateAuthority(createOptions());
  const serials = await Promise.all(
    Array.from({ length: 20 }, async () => (await issue(authority, 60_000)).serialNumber),
  );
  assert.equal(new Set(serials).size, 20);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9a-f]{31}$/);
});

/** The secret of a mesh that has both roots, signing with the one of `first`. */
async function createTwoRoots(clock: FakeClock): Promise<{
  readonly options: TestOptions;
  readonly old: string;
  readonly next: string;
  readonly write: (text: string) => void;
}> {
  const [options, other] = [createOptions({ clock }), createOptions({ clock })];
  await openCertificateAuthority(options);
  await openCertificateAuthority(other);
  const path = join(options.folder, "root.pem");
  const next = readFileSync(join(other.folder, "root.pem"), "utf8");
  return { options, old: readFileSync(path, "utf8"), next, write: (text) => writeFileSync(path, text) };
}

function certificateOf(pem: string): string {
  return pem.slice(pem.indexOf("-----BEGIN CERT")).trim();
}

test("CertificateAuthority.refresh() goes from one root to another while certificates of both are believed", async () => {
  const { options, old, next, write } = await createTwoRoots(new FakeClock());
  const authority = await openCertificateAuthority(options);
  const bundles: string[] = [];
  authority.onChange(() => bundles.push(authority.trustBundlePem));
  const ofOld = new X509Certificate((await issue(authority, 60_000)).certificateChainPem);
  const isBelieved = (leaf: X509Certificate): boolean => authority.roots().some((root) => leaf.verify(root.publicKey));

  await authority.refresh();
  assert.equal(bundles.length, 0);
  for (const [text, expected] of [
    [old + certificateOf(next), [old, next]],
    [next + certificateOf(old), [next, old]],
  ] as const) {
    write(text);
    await authority.refresh();
    assert.deepEqual(
      authority.roots().map((root) => root.toString().trim()),
      expected.map(certificateOf),
    );
    assert.ok(isBelieved(ofOld));
  }
  const ofNext = new X509Certificate((await issue(authority, 60_000)).certificateChainPem);
  assert.equal(ofNext.verify(new X509Certificate(certificateOf(next)).publicKey), true);
  write(next);
  await authority.refresh();
  assert.deepEqual([isBelieved(ofOld), isBelieved(ofNext)], [false, true]);
  assert.deepEqual(
    bundles.map((pem) => pem.match(/BEGIN/g)?.length),
    [2, 2, 1],
  );
});

test("openCertificateAuthority() goes on wherever a change of roots was broken off", async () => {
  const { options, old, next, write } = await createTwoRoots(new FakeClock());
  for (const text of [old, old + next, old + certificateOf(next), next + certificateOf(old), next]) {
    write(text);
    const authority = await openCertificateAuthority(options);
    assert.equal(authority.root.toString().trim(), certificateOf(text === old || text.startsWith(old) ? old : next));
    assert.equal((await issue(authority, 60_000)).notAfterMs > 0, true);
  }
});

test("CertificateAuthority.refresh() refuses roots that cannot be used and keeps those of before", async () => {
  const { options, old, next, write } = await createTwoRoots(new FakeClock());
  const authority = await openCertificateAuthority(options);
  const leaf = (await issue(authority, 60_000)).certificateChainPem;
  const foreign = createOptions({ trustDomain: "other.mesh" });
  await openCertificateAuthority(foreign);
  const other = certificateOf(readFileSync(join(foreign.folder, "root.pem"), "utf8"));
  for (const [text, code] of [
    [certificateOf(next), "WEFT_CA_DAMAGED"],
    [old.replace(certificateOf(old), certificateOf(next)), "WEFT_CA_DAMAGED"],
    [old + leaf, "WEFT_CA_TRUST_DOMAIN"],
    [old + other, "WEFT_CA_TRUST_DOMAIN"],
    [old + `${certificateOf(old)}\n`.repeat(8), "WEFT_CA_DAMAGED"],
  ] as const) {
    write(text);
    await assert.rejects(authority.refresh(), { code });
    assert.equal(authority.trustBundlePem.trim(), certificateOf(old));
  }
});

test("openCertificateAuthority() leaves out a root that has ended, unless it is to sign", async () => {
  const clock = new FakeClock();
  const { options, old, write } = await createTwoRoots(clock);
  const short = createOptions({ clock, rootLifetimeMs: 3_600_000 });
  await openCertificateAuthority(short);
  const ended = readFileSync(join(short.folder, "root.pem"), "utf8");
  clock.advance(3_600_000);
  write(old + certificateOf(ended));
  assert.equal((await openCertificateAuthority(options)).roots().length, 1);
  write(ended + certificateOf(old));
  await assert.rejects(openCertificateAuthority(options), { code: "WEFT_CA_EXPIRED" });
});

function hasOpenssl(): boolean {
  return spawnSync("openssl", ["version"]).status === 0;
}
