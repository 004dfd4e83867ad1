import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { formatSpiffeBundle } from "../identity/spiffe-bundle.ts";
import type { ProxyStatus } from "../control/views.ts";
import type { Revocation } from "../resources/revocation.ts";
import { createTestCa } from "../testing/test-ca.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});
afterEach(() => cli.close());

async function revocations(): Promise<readonly Revocation[]> {
  const { items } = await cli.api.store.list({ group: "weft.dev", kind: "Revocation" });
  return items as readonly Revocation[];
}

test("weft identity revoke makes a Revocation of a workload, an identity or a serial number, and unrevoke deletes it", async () => {
  const table = [
    ["default/web-0", { workload: "default/web-0", reason: "leaked" }],
    ["spiffe://shop/ns/default/sa/web", { spiffeId: "spiffe://shop/ns/default/sa/web", reason: "leaked" }],
    ["4F:1A:00:00:09", { serialNumber: "4f1a000009", reason: "leaked" }],
  ] as const;
  for (const [subject, expected] of table) {
    for (const time of ["first", "second"]) {
      const run = await cli.run("identity", "revoke", subject, "--reason", "leaked");
      assert.equal(run.exitCode, 0, `${time}: ${run.stderr}`);
    }
    const [found, ...more] = await revocations();
    assert.deepEqual(more, []);
    const { notAfter, ...spec } = found?.spec ?? {};
    assert.deepEqual(spec, expected);
    assert.equal(notAfter !== undefined, "serialNumber" in expected);
    assert.equal((await cli.run("identity", "unrevoke", subject)).exitCode, 0);
    assert.deepEqual(await revocations(), []);
  }
});

test("weft identity revoke refuses what is no subject, and unrevoke what is not revoked", async () => {
  const wrong = await cli.run("identity", "revoke", "web");
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.stderr, /expected <namespace>\/<workload>, a SPIFFE ID or a serial number/);
  const missing = await cli.run("identity", "unrevoke", "default/web-0");
  assert.equal(missing.exitCode, 1);
  assert.match(missing.stderr, /WEFT_API_NOT_FOUND/);
});

test("a SPIFFE bundle has a key with its certificate for each root", async () => {
  const { trustBundlePem } = await createTestCa({ trustDomain: "shop.mesh" });
  const { keys } = formatSpiffeBundle(trustBundlePem);
  const [key, ...more] = keys;
  assert.deepEqual(more, []);
  assert.deepEqual([key?.use, key?.kty, key?.["crv"]], ["x509-svid", "EC", "P-256"]);
  assert.ok(trustBundlePem.replaceAll("\n", "").includes(key?.x5c[0] ?? "none"));
});

test("weft identity status shows authorities, the rotation with whom it waits for, and what ends soon", async () => {
  const { trustView } = cli.api.views;
  cli.api.views.trustView = {
    ...trustView,
    rotation: {
      step: "signing",
      reason: "asked",
      from: "a".repeat(64),
      to: "b".repeat(64),
      begunWallMs: trustView.wallMs,
      stepWallMs: trustView.wallMs,
      leavesOffline: false,
      left: [],
      awaited: [{ who: "default/web-0", why: "it has yet to use a certificate of the new root", untilWallMs: null }],
    },
    bundles: [{ name: "bank", trustDomain: "bank", notAfterWallMs: trustView.wallMs + 3 * 86_400_000 }],
    expiries: [{ kind: "trust-bundle", name: "bank", notAfterWallMs: trustView.wallMs + 3 * 86_400_000 }],
  };
  const { exitCode, stdout } = await cli.run("identity", "status");
  assert.equal(exitCode, 0);
  assert.match(stdout, /FINGERPRINT +KIND +SIGNS +WORKLOADS +ENDS +SUBJECT\naaaaaaaaaaaaaaaa +root +yes +0 /);
  assert.match(stdout, /signing: the new root signs.*\n {2}waits for default\/web-0: it has yet to use a certificate/);
  assert.match(stdout, /Ends within 30 days\ntrust-bundle bank +\S+ \S+ \(in 3d\)/);
  const json = await cli.run("identity", "status", "-o", "json");
  assert.equal(JSON.parse(json.stdout).rotation.step, "signing");
});

test("weft identity rotate begins, refuses --now without --yes, and begins nothing with --dry-run", async () => {
  const { views } = cli.api;
  assert.equal((await cli.run("identity", "rotate", "--now")).exitCode, 2);
  const dry = await cli.run("identity", "rotate", "--dry-run");
  assert.match(dry.stdout, /would make a new root for test\.mesh and give it to 0 proxies/);
  assert.deepEqual(views.rotations, []);
  const begun = await cli.run("identity", "rotate", "--leave-offline");
  assert.equal(begun.exitCode, 0, begun.stderr);
  assert.deepEqual(views.rotations, [{ now: false, leaveOffline: true }]);
  assert.equal(begun.stdout, "rotation begun: aaaaaaaaaaaaaaaa to bbbbbbbbbbbbbbbb\n");
});

test("weft identity verify says of each proxy what is wrong and what to do", async () => {
  const { views } = cli.api;
  const proxy = (name: string, change: Partial<ProxyStatus>): ProxyStatus => ({
    id: `default/${name}`,
    role: "sidecar",
    spiffeId: "",
    runtime: "node",
    weftVersion: "",
    connected: true,
    sinceWallMs: 0,
    state: "SYNCED",
    types: [],
    hasRoots: true,
    certificateIssuer: "a".repeat(64),
    certificateNotAfterWallMs: views.trustView.wallMs + 3_600_000,
    ...change,
  });
  views.proxyList = [proxy("good", {})];
  const fine = await cli.run("identity", "verify", "good");
  assert.deepEqual(
    [fine.exitCode, fine.stdout],
    [0, "1 proxy: the roots, certificates and their ends are as they should be\n"],
  );
  // The control plane of the test has a clock of its own.
  assert.match(
    (await cli.run("identity", "verify")).stdout,
    /^clocks: this machine's and the control plane's are \d+d apart/,
  );
  for (const [change, found] of [
    [{ connected: false }, /it is not connected/],
    [{ hasRoots: false }, /it has not acknowledged the mesh's roots/],
    [{ certificateIssuer: null }, /no certificate of it was seen yet/],
    [{ certificateIssuer: "c".repeat(64) }, /an authority that the mesh no longer believes/],
    [{ certificateNotAfterWallMs: views.trustView.wallMs - 60_000 }, /its certificate ended 60s ago/],
  ] as const) {
    views.proxyList = [proxy("good", {}), proxy("bad", change)];
    const run = await cli.run("identity", "verify", "bad");
    assert.equal(run.exitCode, 1);
    assert.match(run.stdout, found);
    assert.equal((await cli.run("identity", "verify", "default/good")).exitCode, 0);
  }
  assert.match((await cli.run("identity", "verify", "nobody")).stderr, /WEFT_API_NOT_FOUND/);
});
