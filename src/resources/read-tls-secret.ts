import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Secret, TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY_KEY, TLS_SECRET_TYPE } from "./secret.ts";

/** A certificate for a TLS server, proved to fit its key. */
export interface TlsSecretContent {
  /** PEM, the server's own first. */
  readonly certificateChainPem: string;
  readonly keyPem: string;
  readonly leaf: X509Certificate;
}

/** What a Secret holds for TLS, or what is wrong with it, in words that give nothing of it away. */
export type TlsSecret = { readonly content: TlsSecretContent } | { readonly fault: string };

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const MAX_CHAIN = 10;
const MIN_RSA_BITS = 2048;
const known: WeakMap<Secret, TlsSecret> = new WeakMap();

/** Says nothing about validity in time, which only whoever knows the time can. Never throws. */
export function readTlsSecret(secret: Secret): TlsSecret {
  const remembered = known.get(secret);
  if (remembered !== undefined) return remembered;
  const read = readContent(secret);
  known.set(secret, read);
  return read;
}

/** True when the certificate names `host`, which may be `*.` and a name. Common names do not count (RFC 9110 section 4.3.4). */
export function coversHost(leaf: X509Certificate, host: string): boolean {
  const names = (leaf.subjectAltName ?? "")
    .split(", ")
    .filter((name) => name.startsWith("DNS:"))
    .map((name) => name.slice(4).toLowerCase());
  if (names.includes(host)) return true;
  const dot = host.indexOf(".");
  return dot > 0 && names.includes(`*${host.slice(dot)}`);
}

function readContent(secret: Secret): TlsSecret {
  if (secret.type !== TLS_SECRET_TYPE) return { fault: `it has type ${secret.type}; expected ${TLS_SECRET_TYPE}` };
  const certificates = decode(secret, TLS_CERTIFICATE_KEY).match(BLOCK) ?? [];
  if (certificates.length === 0) return { fault: `${TLS_CERTIFICATE_KEY} has no certificate in PEM` };
  if (certificates.length > MAX_CHAIN)
    return { fault: `${TLS_CERTIFICATE_KEY} has more than ${MAX_CHAIN} certificates` };
  const keyPem = decode(secret, TLS_PRIVATE_KEY_KEY);
  try {
    const [leaf] = certificates.map((pem) => new X509Certificate(pem));
    const key = createPrivateKey(keyPem);
    if (leaf === undefined) return { fault: `${TLS_CERTIFICATE_KEY} has no certificate` };
    if (!leaf.checkPrivateKey(key)) return { fault: `${TLS_PRIVATE_KEY_KEY} is not the key of the certificate` };
    if (key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) {
      return { fault: `its RSA key is shorter than ${MIN_RSA_BITS} bits` };
    }
    return { content: { certificateChainPem: `${certificates.join("\n")}\n`, keyPem, leaf } };
  } catch {
    // What the platform says could quote what it was given.
    return {
      fault: `${TLS_CERTIFICATE_KEY} or ${TLS_PRIVATE_KEY_KEY} cannot be read; expected PEM, the key unencrypted`,
    };
  }
}

function decode(secret: Secret, key: string): string {
  return Buffer.from(secret.data[key] ?? "", "base64").toString("utf8");
}
