import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateExpiries } from "./certificate-expiries.ts";

test("CertificateExpiries keeps the newest end of a workload's certificates", () => {
  const expiries = new CertificateExpiries();
  assert.equal(expiries.find("default/web-0"), null);
  expiries.note("default", "web-0", 2000);
  expiries.note("default", "web-0", 1000);
  assert.equal(expiries.find("default/web-0"), 2000);
});

test("CertificateExpiries forgets the longest unseen workload past its limit", () => {
  const expiries = new CertificateExpiries();
  for (let i = 0; i < 10_000; i += 1) expiries.note("default", `w-${i}`, 1);
  expiries.note("default", "w-0", 1);
  expiries.note("default", "new", 1);
  assert.equal(expiries.find("default/w-1"), null);
  assert.equal(expiries.find("default/w-0"), 1);
});
