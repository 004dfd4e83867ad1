import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { parseSpiffeSan } from "../identity/spiffe-san.ts";
import { createTestCa } from "./test-ca.ts";

test("createTestCa() issues a certificate that its root verifies, with the SPIFFE ID and the workload in it", async () => {
  const ca = await createTestCa({ trustDomain: "test.mesh" });
  const pair = await ca.issue({ namespace: "shop", serviceAccount: "reviews", workload: "reviews-v1-0" });
  const root = new X509Certificate(ca.trustBundlePem);
  const leaf = new X509Certificate(pair.certificateChainPem);
  assert.equal(leaf.checkIssued(root), true);
  assert.equal(leaf.verify(root.publicKey), true);
  assert.equal(parseSpiffeSan(leaf.subjectAltName), "spiffe://test.mesh/ns/shop/sa/reviews");
  assert.equal(leaf.subject, "CN=reviews-v1-0");
  assert.match(pair.keyPem, /^-----BEGIN PRIVATE KEY-----/);
});

test("createTestCa() issues a certificate without names or with an end in the past when asked", async () => {
  const ca = await createTestCa({ trustDomain: "test.mesh" });
  const base = { namespace: "shop", serviceAccount: "reviews", workload: "reviews-v1-0" };
  const nameless = new X509Certificate((await ca.issue({ ...base, uris: [] })).certificateChainPem);
  assert.equal(nameless.subjectAltName, undefined);
  const expired = await ca.issue({ ...base, notAfterWallMs: 1_600_000_000_000 });
  assert.equal(new X509Certificate(expired.certificateChainPem).validTo, "Sep 13 12:26:40 2020 GMT");
});
