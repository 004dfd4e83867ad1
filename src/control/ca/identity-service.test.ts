import assert from "node:assert/strict";
import { generateKeyPairSync, type X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { Server } from "@grpc/grpc-js";
import { weft } from "#gen/protos.js";
import { encodeCertificateRequest } from "../../identity/csr.ts";
import { createIdentityClient } from "../../identity/identity-client.ts";
import { checkIdentity } from "../../identity/identity-file.ts";
import { NO_REVOCATIONS, RevocationList } from "../../identity/revocation-list.ts";
import { silentLog } from "../../lib/log.ts";
import { systemRandom } from "../../random/system-random.ts";
import { createTestCa } from "../../testing/test-ca.ts";
import { systemClock } from "../../time/system-clock.ts";
import type { KeyPair } from "../../transport/transport.ts";
import { encodeGrpcMessage } from "../../xds/grpc-message-codec.ts";
import { GrpcClient } from "../../xds/grpc-client.ts";
import { MeshServerCredentials } from "../server-credentials.ts";
import { openCertificateAuthority } from "./certificate-authority.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { FileSecrets } from "../secrets/file-secrets.ts";
import { addIdentityService } from "./identity-service.ts";
import { JoinCredentials } from "./join-credentials.ts";
import { PeerVerifier } from "./peer-verifier.ts";
import { CertificateExpiries } from "./certificate-expiries.ts";
import { SvidIssuer } from "./svid-issuer.ts";

const TRUST_DOMAIN = "shop.mesh";
const SERVER_ID = "spiffe://shop.mesh/ns/weft/sa/control-plane";
const BINDING = { namespace: "default", workload: "reviews-v1-0", serviceAccount: "reviews" };
const SPIFFE_ID = "spiffe://shop.mesh/ns/default/sa/reviews";

const folder = mkdtempSync(join(tmpdir(), "weft-identity-"));
const secrets = new FileSecrets({ folder, clock: systemClock });
let authority: CertificateAuthority;
let issuer: SvidIssuer;
let revoked: RevocationList = NO_REVOCATIONS;
let server: Server;
let port: number;
const clients: GrpcClient[] = [];

before(async () => {
  authority = await openCertificateAuthority({
    secrets,
    trustDomain: TRUST_DOMAIN,
    clock: systemClock,
    random: systemRandom,
  });
  const credentials = new JoinCredentials({ secrets, clock: systemClock, random: systemRandom });
  const revocations = (): RevocationList => revoked;
  const expiries = new CertificateExpiries();
  issuer = new SvidIssuer({ authority, credentials, lifetimeMs: () => 3_600_000, expiries, revocations });
  const roots = (): readonly X509Certificate[] => [authority.root];
  const verifier = new PeerVerifier({ trustDomain: TRUST_DOMAIN, roots, revocations, clock: systemClock });
  server = new Server();
  addIdentityService(server, { issuer, verifier, log: silentLog });
  const own = await issueFor({ namespace: "weft", serviceAccount: "control-plane", workload: "control-plane" });
  port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", new MeshServerCredentials(own, authority.trustBundlePem), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
});

after(() => {
  for (const client of clients) client.close();
  server.forceShutdown();
  rmSync(folder, { recursive: true, force: true });
});

function createKey(): ReturnType<typeof generateKeyPairSync>["privateKey"] {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

async function issueFor(
  binding: typeof BINDING,
  lifetimeMs = 3_600_000,
  from: CertificateAuthority = authority,
): Promise<KeyPair> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyDer = publicKey.export({ type: "spki", format: "der" });
  const { certificateChainPem } = await from.issue({ ...binding, publicKeyDer, lifetimeMs });
  return { keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), certificateChainPem };
}

function createClient(keyPair: KeyPair | null): GrpcClient {
  const client = new GrpcClient({
    host: "127.0.0.1",
    port,
    serverSpiffeId: SERVER_ID,
    credentials: () => ({ keyPair, trustBundlePem: authority.trustBundlePem }),
    clock: systemClock,
  });
  clients.push(client);
  return client;
}

/** Rejects with the server's words. */
async function requestCertificate(
  keyPair: KeyPair | null,
  joinCredential: string | null,
  workload = BINDING.workload,
): Promise<string> {
  const signed = await createIdentityClient(createClient(keyPair))(
    encodeCertificateRequest(createKey()),
    workload,
    joinCredential,
  );
  return signed.certificateChainPem;
}

test("SignCertificate admits the holder of a join credential, for its key and its identity", async () => {
  const { credential } = await issuer.grant(BINDING);
  const key = createKey();
  const signed = await createIdentityClient(createClient(null))(
    encodeCertificateRequest(key),
    BINDING.workload,
    credential,
  );
  const identity = checkIdentity(
    { keyPem: key.export({ type: "pkcs8", format: "pem" }).toString(), ...signed },
    SPIFFE_ID,
  );
  assert.equal(identity.notAfterMs, signed.notAfterMs);
  assert.equal(identity.notBeforeMs, signed.notBeforeMs);
  assert.equal(signed.trustBundlePem, authority.trustBundlePem);
});

test("SignCertificate refuses a credential used before, and says so", async () => {
  const { credential } = await issuer.grant(BINDING);
  await requestCertificate(null, credential);
  await assert.rejects(requestCertificate(null, credential), /WEFT_CA_JOIN_USED: .*reviews-v1-0.* used before/);
});

test("SignCertificate admits exactly one of several concurrent callers with one credential", async () => {
  const { credential } = await issuer.grant(BINDING);
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => requestCertificate(null, credential)));
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
});

test("SignCertificate refuses a credential nobody granted", async () => {
  await assert.rejects(requestCertificate(null, "A".repeat(43)), /WEFT_CA_JOIN_UNKNOWN/);
});

test("SignCertificate refuses the credential of another workload", async () => {
  const { credential } = await issuer.grant(BINDING);
  await assert.rejects(requestCertificate(null, credential, "reviews-v2-0"), /WEFT_CA_JOIN_WORKLOAD/);
});

test("SignCertificate renews for the holder of the current certificate", async () => {
  const current = await issueFor(BINDING);
  assert.match(await requestCertificate(current, null), /BEGIN CERTIFICATE/);
});

test("SignCertificate refuses to renew for another workload", async () => {
  const current = await issueFor(BINDING);
  await assert.rejects(
    requestCertificate(current, null, "reviews-v2-0"),
    /WEFT_CA_WORKLOAD: .*found the certificate of "reviews-v1-0"/,
  );
});

test("SignCertificate refuses a caller without certificate and credential", async () => {
  await assert.rejects(requestCertificate(null, null), /WEFT_CA_UNAUTHENTICATED/);
});

test("SignCertificate takes a certificate of another CA for none", async () => {
  const other = await createTestCa({ trustDomain: TRUST_DOMAIN });
  await assert.rejects(requestCertificate(await other.issue(BINDING), null), /WEFT_CA_UNAUTHENTICATED/);
});

test("SignCertificate takes a certificate of a CA with our name and another key for none", async () => {
  const options = { trustDomain: TRUST_DOMAIN, clock: systemClock, random: systemRandom };
  const impostor = await openCertificateAuthority({
    secrets: new FileSecrets({ folder: join(folder, "impostor"), clock: systemClock }),
    ...options,
  });
  await assert.rejects(
    requestCertificate(await issueFor(BINDING, 3_600_000, impostor), null),
    /WEFT_CA_UNAUTHENTICATED/,
  );
});

test("SignCertificate takes an expired certificate for none", async () => {
  const past = { ...systemClock, wallMs: () => systemClock.wallMs() - 7_200_000 };
  const old = await openCertificateAuthority({
    secrets,
    trustDomain: TRUST_DOMAIN,
    clock: past,
    random: systemRandom,
  });
  await assert.rejects(requestCertificate(await issueFor(BINDING, 3_600_000, old), null), /WEFT_CA_UNAUTHENTICATED/);
});

test("SignCertificate admits a join credential beside a certificate that has expired", async () => {
  const past = { ...systemClock, wallMs: () => systemClock.wallMs() - 7_200_000 };
  const old = await openCertificateAuthority({
    secrets,
    trustDomain: TRUST_DOMAIN,
    clock: past,
    random: systemRandom,
  });
  const { credential } = await issuer.grant(BINDING);
  assert.match(await requestCertificate(await issueFor(BINDING, 3_600_000, old), credential), /BEGIN CERTIFICATE/);
});

test("SignCertificate refuses what is no request with a proven P-256 key, and leaves the credential usable", async () => {
  const { credential } = await issuer.grant(BINDING);
  const sign = createIdentityClient(createClient(null));
  const good = encodeCertificateRequest(createKey());
  const badSignature = Uint8Array.from(good);
  badSignature[badSignature.length - 1] = (badSignature[badSignature.length - 1] ?? 0) ^ 1;
  const otherCurve = encodeCertificateRequest(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey);
  const rsa = encodeCertificateRequest(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
  const requests = [new Uint8Array(), good.subarray(0, 40), badSignature, otherCurve, rsa, new Uint8Array(5000)];
  for (const request of requests) {
    await assert.rejects(sign(request, BINDING.workload, credential), /WEFT_CA_REQUEST/);
  }
  await sign(good, BINDING.workload, credential);
});

test("SvidIssuer.grant() refuses the control plane's own identity and names no certificate can carry", async () => {
  const reserved = { namespace: "weft", workload: "x", serviceAccount: "control-plane" };
  await assert.rejects(issuer.grant(reserved), { code: "WEFT_CA_JOIN_NAME" });
  for (const name of ["", "A", "a/b", "a b", "..", "-a", "a".repeat(254), "a,CN=b"]) {
    await assert.rejects(issuer.grant({ ...BINDING, workload: name }), { code: "WEFT_CA_JOIN_NAME" }, name);
  }
});

test("a resumed TLS session without a certificate proves nobody, though Node calls it authorised", async () => {
  const tls = {
    host: "127.0.0.1",
    port,
    ca: authority.trustBundlePem,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  };
  const session = await takeSession(tls);
  const resumed = await openTls({ ...tls, session });
  assert.equal(resumed.isSessionReused(), true);
  const status = await signOver(resumed);
  assert.equal(status, "16");
});

test("a resumed TLS session with a certificate still proves its holder", async () => {
  const current = await issueFor(BINDING);
  const tls = {
    host: "127.0.0.1",
    port,
    ca: authority.trustBundlePem,
    cert: current.certificateChainPem,
    key: current.keyPem,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  };
  const resumed = await openTls({ ...tls, session: await takeSession(tls) });
  assert.equal(resumed.isSessionReused(), true);
  assert.equal(await signOver(resumed), "0");
});

test("the control plane speaks TLS 1.3 only", async () => {
  const tls = {
    host: "127.0.0.1",
    port,
    ca: authority.trustBundlePem,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  };
  await assert.rejects(openTls({ ...tls, maxVersion: "TLSv1.2" }), /protocol version|alert/i);
});

function openTls(options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(options, () => resolve(socket));
    socket.once("error", reject);
  });
}

async function takeSession(options: ConnectionOptions): Promise<Buffer> {
  const socket = await openTls(options);
  const ticket = new Promise<Buffer>((resolve) => socket.once("session", resolve));
  // Tickets of TLS 1.3 come after the handshake, with the first bytes read.
  socket.resume();
  const session = await ticket;
  socket.destroy();
  return session;
}

/** The gRPC status of a renewal over this connection. */
function signOver(socket: TLSSocket): Promise<string> {
  const session = connectHttp2("https://127.0.0.1", { createConnection: () => socket });
  const request = weft.v1.SignCertificateRequest.encode({
    csrDer: encodeCertificateRequest(createKey()),
    workload: BINDING.workload,
  }).finish();
  return new Promise((resolve, reject) => {
    session.once("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": "/weft.v1.IdentityService/SignCertificate",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const settle = (headers: Readonly<Record<string, unknown>>): void => {
      if (headers["grpc-status"] === undefined) return;
      resolve(String(headers["grpc-status"]));
      session.destroy();
    };
    stream.on("response", settle);
    stream.on("trailers", settle);
    stream.resume();
    stream.end(encodeGrpcMessage(request));
  });
}

test("a revoked workload neither joins nor renews, and its join credential is not used up", async () => {
  const current = await issueFor(BINDING);
  const { credential } = await issuer.grant(BINDING);
  const none = { spiffeId: null, workload: null, serialNumber: null };
  try {
    for (const subject of [
      { ...none, workload: "default/reviews-v1-0" },
      { ...none, spiffeId: SPIFFE_ID },
    ]) {
      revoked = new RevocationList([subject]);
      await assert.rejects(requestCertificate(null, credential), /WEFT_CA_REVOKED/);
      await assert.rejects(requestCertificate(current, null), /WEFT_CA_UNAUTHENTICATED/);
    }
  } finally {
    revoked = NO_REVOCATIONS;
  }
  await requestCertificate(null, credential);
  await requestCertificate(current, null);
});
