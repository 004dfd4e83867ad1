import { webcrypto } from "node:crypto";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import { toDate } from "../../time/wall-time.ts";
import { loadX509 } from "./lazy-x509.ts";
import { KEY_ALGORITHM } from "./root-set.ts";

export interface CreateRootOptions {
  readonly trustDomain: string;
  readonly clock: Pick<Clock, "wallMs">;
  readonly random: Random;
  /** Default 10 years. */
  readonly rootLifetimeMs?: number;
}

/** It is changed for another when a tenth of it is left. */
const DEFAULT_ROOT_LIFETIME_MS = 10 * 365 * 24 * 3_600_000;
/** A certificate is valid from a little before its birth, for hosts whose clock is behind: 60 s, at most a tenth of its life. */
export const MAX_BACKDATE_MS = 60_000;
export const SIGNING_ALGORITHM: webcrypto.EcdsaParams = { name: "ECDSA", hash: "SHA-256" };

/** A key and a self-signed certificate for it, PEM, in the form of `readRootSecret`. */
export async function createRoot(options: CreateRootOptions): Promise<string> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const nowMs = options.clock.wallMs();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: createSerialNumber(options.random),
      name: [{ O: [options.trustDomain] }, { CN: ["weft root CA"] }],
      notBefore: toDate(toSeconds(nowMs - MAX_BACKDATE_MS)),
      notAfter: toDate(toSeconds(nowMs + (options.rootLifetimeMs ?? DEFAULT_ROOT_LIFETIME_MS))),
      signingAlgorithm: SIGNING_ALGORITHM,
      keys,
      extensions: [
        // No intermediate authorities below it.
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        new x509.SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${options.trustDomain}` }]),
      ],
    },
    webcrypto,
  );
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n${certificate.toString("pem")}\n`;
}

/** X.509 times have whole seconds. */
export function toSeconds(wallMs: number): number {
  return Math.floor(wallMs / 1000) * 1000;
}

/** 126 random bits. The fixed bits keep the integer positive and of one length (RFC 5280, 4.1.2.2). */
export function createSerialNumber(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
