import "reflect-metadata";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { createTestCa } from "../../testing/test-ca.ts";
import type { TestSvidRequest } from "../../testing/test-ca.ts";
import { formatFingerprint } from "./root-secret.ts";
import { PeerVerifier } from "./peer-verifier.ts";
import type { PeerIdentity } from "./peer-verifier.ts";

const ID = "spiffe://shop.mesh/ns/default/sa/reviews";
const REQUEST: TestSvidRequest = { namespace: "default", serviceAccount: "reviews", workload: "reviews-v1-0" };

const clock = new FakeClock();
const ca = await createTestCa({ trustDomain: "shop.mesh" });
let roots: readonly X509Certificate[] = [new X509Certificate(ca.trustBundlePem)];
const verifier = new PeerVerifier({ trustDomain: "shop.mesh", roots: () => roots, clock });

async function identify(change: Partial<TestSvidRequest>): Promise<PeerIdentity | null> {
  const { certificateChainPem } = await ca.issue({ ...REQUEST, ...change });
  return verifier.identifyCertificate(new X509Certificate(certificateChainPem).raw);
}

test("PeerVerifier reads identity and workload from a certificate of the mesh", async () => {
  const notAfterMs = clock.wallMs() + 60_000;
  assert.deepEqual(await identify({ notAfterWallMs: notAfterMs }), {
    spiffeId: ID,
    namespace: "default",
    serviceAccount: "reviews",
    workload: "reviews-v1-0",
    notAfterMs,
    issuer: formatFingerprint(new X509Certificate(ca.trustBundlePem)),
  });
});

const REFUSED: readonly (readonly [string, Partial<TestSvidRequest>])[] = [
  ["that ends now", { notAfterWallMs: clock.wallMs() }],
  ["that begins later", { notBeforeWallMs: clock.wallMs() + 1_000 }],
  ["without a URI name", { uris: [] }],
  ["with two URI names", { uris: [ID, "spiffe://shop.mesh/ns/default/sa/web"] }],
  ["of another trust domain", { uris: ["spiffe://other.mesh/ns/default/sa/reviews"] }],
  ["whose SPIFFE ID is no workload's", { uris: ["spiffe://shop.mesh/reviews"] }],
  ["whose URI is no SPIFFE ID", { uris: ["https://shop.mesh/ns/default/sa/reviews"] }],
  ["whose URI hides a second one", { uris: [`${ID}, URI:${ID}`] }],
  ["whose URI goes on after a NUL", { uris: [`${ID}\u0000.evil`] }],
  ["whose subject has two names", { workload: "reviews-v1-0, CN=web" }],
];
for (const [what, change] of REFUSED) {
  test(`PeerVerifier takes a certificate ${what} for nobody's`, async () => {
    assert.equal(await identify(change), null);
  });
}

test("PeerVerifier takes a root for nobody's certificate", () => {
  assert.equal(verifier.identifyCertificate(new X509Certificate(ca.trustBundlePem).raw), null);
});

test("PeerVerifier takes bytes that are no certificate for nobody's", () => {
  assert.equal(verifier.identifyCertificate(Buffer.from("no certificate")), null);
});

test("PeerVerifier takes a caller whose chain TLS did not verify for nobody", () => {
  assert.equal(verifier.identify({ getAuthContext: () => ({}) }), null);
  assert.equal(verifier.identify({ getAuthContext: () => ({ transportSecurityType: "ssl" }) }), null);
});

test("PeerVerifier follows the roots: a certificate of a withdrawn root is nobody's", async () => {
  const { certificateChainPem } = await ca.issue(REQUEST);
  const der = new X509Certificate(certificateChainPem).raw;
  assert.equal(verifier.identifyCertificate(der)?.spiffeId, ID);
  const before = roots;
  roots = [new X509Certificate((await createTestCa({ trustDomain: "shop.mesh" })).trustBundlePem)];
  assert.equal(verifier.identifyCertificate(der), null);
  roots = before;
  assert.equal(verifier.identifyCertificate(der)?.spiffeId, ID);
});

test("PeerVerifier stops believing a certificate when it ends", async () => {
  const { certificateChainPem } = await ca.issue({ ...REQUEST, notAfterWallMs: clock.wallMs() + 10_000 });
  const der = new X509Certificate(certificateChainPem).raw;
  clock.advance(9_999);
  assert.notEqual(verifier.identifyCertificate(der), null);
  clock.advance(1);
  assert.equal(verifier.identifyCertificate(der), null);
});
