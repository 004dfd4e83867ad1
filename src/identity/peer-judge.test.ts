import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestCa } from "../testing/test-ca.ts";
import { createWrongCertificates } from "../testing/wrong-certificates.ts";
import { parseCertificates, PeerJudge } from "./peer-judge.ts";
import { PEER_REFUSALS, toPeerRefusal } from "./peer-refusal.ts";
import { RevocationList } from "./revocation-list.ts";

const WALL_MS = 1_767_225_600_000;
const WEB = { namespace: "default", serviceAccount: "web", workload: "web-0" };
const WEB_ID = "spiffe://shop.mesh/ns/default/sa/web";

test("PeerJudge refuses every wrong certificate by its own code, on the side it is wrong for", () => {
  const collection = createWrongCertificates();
  try {
    const { trustDomain, trustBundlePem } = collection;
    const judge = new PeerJudge({ ownTrustDomain: trustDomain, bundles: new Map([[trustDomain, trustBundlePem]]) });
    const seen = new Set<string>();
    for (const side of ["client", "server"] as const) {
      for (const { what, certificate } of collection.good) {
        const chain = parseCertificates(certificate.keyPair.certificateChainPem);
        assert.equal(judge.judge(chain, side, WALL_MS).refusal, null, what);
      }
      for (const { what, refusal, certificate, side: wrongSide } of collection.wrong) {
        const chain = parseCertificates(certificate.keyPair.certificateChainPem);
        const expected = wrongSide === null || wrongSide === side ? refusal : null;
        assert.equal(judge.judge(chain, side, WALL_MS).refusal, expected, `${side}: ${what}`);
        seen.add(refusal);
      }
    }
    const others = ["peer_no_certificate", "peer_malformed", "peer_revoked", "peer_unverified"];
    assert.deepEqual([...seen, ...others].toSorted(), Object.keys(PEER_REFUSALS).toSorted());
  } finally {
    collection.close();
  }
});

test("PeerJudge refuses a peer without certificate", () => {
  const judge = new PeerJudge({ ownTrustDomain: "shop.mesh", bundles: new Map() });
  assert.deepEqual(judge.judge([], "client", WALL_MS), { refusal: "peer_no_certificate", subject: null });
});

test("PeerJudge takes the roots of a trust domain for that domain only", async () => {
  const shop = await createTestCa({ trustDomain: "shop.mesh" });
  const bank = await createTestCa({ trustDomain: "bank.mesh" });
  const bundles = new Map([
    ["shop.mesh", shop.trustBundlePem],
    ["bank.mesh", bank.trustBundlePem],
  ]);
  const judge = new PeerJudge({ ownTrustDomain: "shop.mesh", bundles });
  const own = parseCertificates((await shop.issue(WEB)).certificateChainPem);
  const foreign = parseCertificates((await bank.issue(WEB)).certificateChainPem);
  const posing = parseCertificates((await bank.issue({ ...WEB, uris: [WEB_ID] })).certificateChainPem);
  assert.equal(judge.judge(own, "client", WALL_MS).refusal, null);
  const accepted = judge.judge(foreign, "client", WALL_MS);
  assert.equal(accepted.refusal, null);
  assert.equal(accepted.subject?.spiffeId, "spiffe://bank.mesh/ns/default/sa/web");
  assert.equal(judge.judge(posing, "client", WALL_MS).refusal, "peer_unknown_root");

  judge.setTrust({ ownTrustDomain: "shop.mesh", bundles: new Map([["shop.mesh", shop.trustBundlePem]]) });
  assert.equal(judge.judge(foreign, "client", WALL_MS).refusal, "peer_foreign_domain");
  assert.ok(accepted.subject !== null);
  assert.equal(judge.refuseStanding(accepted.subject), "peer_foreign_domain");
});

test("PeerJudge refuses who is revoked by SPIFFE ID, workload or serial number, and nobody else", async () => {
  const shop = await createTestCa({ trustDomain: "shop.mesh" });
  const bundles = new Map([["shop.mesh", shop.trustBundlePem]]);
  const judge = new PeerJudge({ ownTrustDomain: "shop.mesh", bundles });
  const first = parseCertificates((await shop.issue(WEB)).certificateChainPem);
  const second = parseCertificates((await shop.issue({ ...WEB, workload: "web-1" })).certificateChainPem);
  const { subject } = judge.judge(first, "client", WALL_MS);
  assert.equal(subject?.workload, "default/web-0");
  const none = { spiffeId: null, workload: null, serialNumber: null };
  const table = [
    [{ ...none, spiffeId: WEB_ID }, "peer_revoked"],
    [{ ...none, workload: "default/web-0" }, null],
    [{ ...none, serialNumber: subject?.serialNumber ?? "" }, null],
  ] as const;
  for (const [revoked, ofSecond] of table) {
    judge.setRevocations(new RevocationList([revoked]));
    assert.equal(judge.judge(first, "server", WALL_MS).refusal, "peer_revoked");
    assert.equal(judge.refuseStanding(subject), "peer_revoked");
    assert.equal(judge.judge(second, "server", WALL_MS).refusal, ofSecond);
  }
  judge.setRevocations(new RevocationList([]));
  assert.equal(judge.judge(first, "client", WALL_MS).refusal, null);
});

test("a verdict of the platform has one of our codes, whatever it says", () => {
  assert.equal(toPeerRefusal("CERT_HAS_EXPIRED"), "peer_expired");
  assert.equal(toPeerRefusal("PERMITTED_VIOLATION"), "peer_unverified");
});
