import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { WeftError } from "../../lib/weft-error.ts";
import { formatWallTime, parseWallTime } from "../../time/wall-time.ts";
import type { EtcdTls } from "./etcd-client.ts";

const EXPECTED = "https endpoints with a certificate authority, and both or neither of certificate and key";

/**
 * Throws WEFT_STORE_INVALID for what cannot work with any member: certificates for plain endpoints, a certificate without its key, with
 * another's or past its end, what is no PEM.
 */
export function createEtcdCredentials(
  tls: EtcdTls | undefined,
  secure: boolean,
  nowWallMs: number,
): ChannelCredentials {
  if (!secure) {
    if (tls === undefined) return credentials.createInsecure();
    throw invalidError("certificates and endpoints without https", EXPECTED);
  }
  const { caPem, certificatePem, keyPem } = tls ?? {};
  if ((certificatePem === undefined) !== (keyPem === undefined)) {
    throw invalidError("a certificate without its key, or a key without its certificate", EXPECTED);
  }
  if (caPem !== undefined) readCertificate(caPem, "certificate authority");
  if (certificatePem !== undefined && keyPem !== undefined) {
    const certificate = readCertificate(certificatePem, "client's certificate");
    if (parseWallTime(certificate.validTo) <= nowWallMs) {
      const end = formatWallTime(parseWallTime(certificate.validTo));
      throw invalidError(
        `a client's certificate that ended on ${end}`,
        "one that is valid",
        "Renew it where it comes from",
      );
    }
    if (!certificate.checkPrivateKey(readKey(keyPem))) {
      throw invalidError("a client's certificate and the key of another one", "its own key");
    }
  }
  const toBuffer = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
  return credentials.createSsl(toBuffer(caPem), toBuffer(keyPem), toBuffer(certificatePem));
}

/** The first one of a chain or bundle. */
function readCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw invalidError(`a ${what} that cannot be read`, "PEM with -----BEGIN CERTIFICATE-----");
  }
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw invalidError("a key that cannot be read", "PEM of a private key without a passphrase");
  }
}

function invalidError(found: string, expected: string, hint?: string): WeftError {
  return new WeftError(
    "WEFT_STORE_INVALID",
    `Cannot use etcd: found ${found}; expected ${expected}`,
    hint === undefined ? {} : { hint },
  );
}
