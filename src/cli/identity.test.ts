import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { formatSpiffeBundle } from "../identity/spiffe-bundle.ts";
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
