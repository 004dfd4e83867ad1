import "reflect-metadata";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync, webcrypto } from "node:crypto";
import { test } from "node:test";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { encodeCertificateRequest } from "./csr.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicKeyInfo = createPublicKey(privateKey).export({ type: "spki", format: "der" });

test("encodeCertificateRequest() makes a request that another library reads and verifies", async () => {
  const request = new Pkcs10CertificateRequest(encodeCertificateRequest(privateKey));
  assert.equal(request.subject, "");
  assert.equal(request.attributes.length, 0);
  assert.deepEqual(Buffer.from(request.publicKey.rawData), publicKeyInfo);
  assert.equal(await request.verify(webcrypto), true);
});

test("encodeCertificateRequest() is canonical DER: another library writes the same bytes", () => {
  const der = encodeCertificateRequest(privateKey);
  assert.deepEqual(Buffer.from(new Pkcs10CertificateRequest(der).rawData), Buffer.from(der));
});

test("encodeCertificateRequest() signs what it says: one changed byte does not verify", async () => {
  const der = encodeCertificateRequest(privateKey);
  const at = Buffer.from(der).indexOf(publicKeyInfo.subarray(-32));
  const other = Buffer.from(
    createPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey).export({
      type: "spki",
      format: "der",
    }),
  );
  const forged = Buffer.from(der);
  other.copy(forged, at + 32 - other.length);
  assert.equal(await new Pkcs10CertificateRequest(forged).verify(webcrypto), false);
});

const openssl = spawnSync("openssl", ["version"]).status === 0;
test(
  "encodeCertificateRequest() makes a request that OpenSSL verifies",
  { skip: openssl ? false : "no openssl on this machine" },
  () => {
    const run = spawnSync("openssl", ["req", "-inform", "DER", "-verify", "-noout", "-text"], {
      input: encodeCertificateRequest(privateKey),
    });
    const output = `${run.stdout}${run.stderr}`;
    assert.equal(run.status, 0, output);
    assert.match(output, /verify OK/);
    assert.match(output, /NIST CURVE: P-256/);
  },
);
