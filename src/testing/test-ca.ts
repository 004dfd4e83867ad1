import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { formatWorkloadId } from "../identity/spiffe-id.ts";
import { toDate } from "../time/wall-time.ts";
import type { KeyPair } from "../transport/transport.ts";

export interface TestCaOptions {
  readonly trustDomain: string;
}

export interface TestSvidRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The subject CN. */
  readonly workload: string;
  /** Default: the year 2100. */
  readonly notAfterWallMs?: number;
  /** Default: the year 2020. */
  readonly notBeforeWallMs?: number;
  /** Instead of the SPIFFE ID of namespace and service account; an empty list leaves the extension out. */
  readonly uris?: readonly string[];
  /** IP addresses beside them; default: none. */
  readonly addresses?: readonly string[];
}

/** Issues SVIDs in the form of weft's own CA (ECDSA P-256, one URI name, CN = workload), for tests of TLS peers. */
export interface TestCa {
  readonly trustBundlePem: string;
  issue(request: TestSvidRequest): Promise<KeyPair>;
}

/** The two validity ends are fixed, so that no test depends on the day it runs. */
const NOT_BEFORE_WALL_MS = 1_577_836_800_000;
const NOT_AFTER_WALL_MS = 4_102_444_800_000;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export async function createTestCa(options: TestCaOptions): Promise<TestCa> {
  const caKeys = await generateKeys();
  const root = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: createSerial(),
      name: `CN=${options.trustDomain} test root`,
      notBefore: toDate(NOT_BEFORE_WALL_MS),
      notAfter: toDate(NOT_AFTER_WALL_MS),
      signingAlgorithm: ALGORITHM,
      keys: caKeys,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(caKeys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );

  async function issue(request: TestSvidRequest): Promise<KeyPair> {
    const keys = await generateKeys();
    const uris = request.uris ?? [formatWorkloadId({ trustDomain: options.trustDomain, ...request })];
    const names = [
      ...uris.map((value) => ({ type: "url" as const, value })),
      ...(request.addresses ?? []).map((value) => ({ type: "ip" as const, value })),
    ];
    const certificate = await X509CertificateGenerator.create(
      {
        serialNumber: createSerial(),
        subject: `CN=${request.workload}`,
        issuer: root.subject,
        notBefore: toDate(request.notBeforeWallMs ?? NOT_BEFORE_WALL_MS),
        notAfter: toDate(request.notAfterWallMs ?? NOT_AFTER_WALL_MS),
        signingAlgorithm: ALGORITHM,
        signingKey: caKeys.privateKey,
        publicKey: keys.publicKey,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          await AuthorityKeyIdentifierExtension.create(caKeys.publicKey, false, webcrypto),
          ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
        ],
      },
      webcrypto,
    );
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return { keyPem: PemConverter.encode(pkcs8, "PRIVATE KEY"), certificateChainPem: certificate.toString("pem") };
  }

  return { trustBundlePem: root.toString("pem"), issue };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
}

function createSerial(): string {
  // The top bit stays clear: a serial number is a positive integer (RFC 5280, 4.1.2.2).
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return Buffer.from(bytes).toString("hex");
}
