import type { X509Certificate } from "node:crypto";

/**
 * What `X509Certificate` of Node 20 and Bun does not tell about a certificate: how it is signed and what its extensions say
 * (RFC 5280, 4.1 and 4.2). Read by hand, as a proxy would otherwise load an X.509 library for these few bytes.
 */
export interface CertificateFacts {
  /** Signed with SHA-256 or better: ECDSA, RSA with PKCS#1 or PSS, or Ed25519, Ed448. */
  readonly isStronglySigned: boolean;
  /** Of basicConstraints; null = no limit. */
  readonly pathLength: number | null;
  /** Bits of keyUsage, bit 0 = digitalSignature; null = the extension is missing. */
  readonly keyUsage: readonly boolean[] | null;
  /** Object identifiers in hexadecimal; null = the extension is missing. */
  readonly extendedKeyUsage: readonly string[] | null;
}

export const DIGITAL_SIGNATURE = 0;
export const KEY_CERT_SIGN = 5;
export const CRL_SIGN = 6;
/** id-kp-serverAuth and id-kp-clientAuth, 1.3.6.1.5.5.7.3.1 and .2 (RFC 5280, 4.2.1.12). */
export const SERVER_AUTH = "2b06010505070301";
export const CLIENT_AUTH = "2b06010505070302";

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const EXTENSIONS = 0xa3;

const BASIC_CONSTRAINTS = "551d13";
const KEY_USAGE = "551d0f";
const EXTENDED_KEY_USAGE = "551d25";

/** ecdsa-with- and sha-WithRSAEncryption of SHA-256, 384, 512 (RFC 5758, 3.2; RFC 4055, 5), Ed25519, Ed448 (RFC 8410, 3). */
const STRONG_SIGNATURES: ReadonlySet<string> = new Set([
  "2a8648ce3d040302",
  "2a8648ce3d040303",
  "2a8648ce3d040304",
  "2a864886f70d01010b",
  "2a864886f70d01010c",
  "2a864886f70d01010d",
  "2b6570",
  "2b6571",
]);
/** id-RSASSA-PSS: the hash is in the parameters, and SHA-1 where it is left out (RFC 4055, 3.1). */
const RSA_PSS = "2a864886f70d01010a";
/** id-sha256, 384, 512. */
const STRONG_HASHES: ReadonlySet<string> = new Set(["608648016503040201", "608648016503040202", "608648016503040203"]);

/** Throws RangeError for what is not the DER of a certificate. */
export function readCertificateFacts(certificate: X509Certificate): CertificateFacts {
  const [body, signature] = list(first(list(certificate.raw)).content);
  if (body === undefined || signature === undefined)
    throw new RangeError("Cannot read a certificate without signature");
  const extensions = new Map<string, Uint8Array>();
  for (const part of list(body.content)) {
    if (part.tag !== EXTENSIONS) continue;
    for (const extension of list(first(list(part.content)).content)) {
      // Identifier, then maybe "critical", then the value in an OCTET STRING.
      const fields = list(extension.content);
      extensions.set(toHex(first(fields).content), last(fields).content);
    }
  }
  const constraints = extensions.get(BASIC_CONSTRAINTS);
  const usage = extensions.get(KEY_USAGE);
  const extended = extensions.get(EXTENDED_KEY_USAGE);
  return {
    isStronglySigned: isStrong(list(signature.content)),
    pathLength: constraints === undefined ? null : readPathLength(constraints),
    keyUsage: usage === undefined ? null : readBits(first(list(usage))),
    extendedKeyUsage:
      extended === undefined ? null : list(first(list(extended)).content).map((purpose) => toHex(purpose.content)),
  };
}

function isStrong([algorithm, parameters]: readonly Element[]): boolean {
  const name = algorithm?.tag === OBJECT_IDENTIFIER ? toHex(algorithm.content) : "";
  if (name !== RSA_PSS) return STRONG_SIGNATURES.has(name);
  // RSASSA-PSS-params: hashAlgorithm is [0].
  const hash = parameters === undefined ? undefined : list(parameters.content).find((part) => part.tag === 0xa0);
  if (hash === undefined) return false;
  return STRONG_HASHES.has(toHex(first(list(first(list(hash.content)).content)).content));
}

function readPathLength(value: Uint8Array): number | null {
  const found = list(first(list(value)).content).find((part) => part.tag === INTEGER);
  if (found === undefined) return null;
  // A limit too long to be read is no limit that a chain of ours could pass.
  return found.content.length > 4 ? null : found.content.reduce((sum, byte) => sum * 256 + byte, 0);
}

function readBits({ tag, content }: Element): boolean[] {
  if (tag !== BIT_STRING) throw new RangeError("Cannot read key usage; expected a BIT STRING");
  const unused = content[0] ?? 0;
  const bits: boolean[] = [];
  for (let at = 0; at < (content.length - 1) * 8 - unused; at += 1) {
    bits.push((((content[1 + (at >> 3)] ?? 0) >> (7 - (at & 7))) & 1) === 1);
  }
  return bits;
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** The DER elements that stand one after the other in `bytes`. */
function list(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? Number.NaN;
    at += 2;
    if (length > 0x80) {
      const octets = length - 0x80;
      length = 0;
      for (let octet = 0; octet < octets; octet += 1) length = length * 256 + (bytes[at + octet] ?? Number.NaN);
      at += octets;
    }
    if (!(at + length <= bytes.length))
      throw new RangeError("Cannot read DER: an element is longer than what holds it");
    elements.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return elements;
}

function first(elements: readonly Element[]): Element {
  const element = elements[0];
  if (element === undefined) throw new RangeError("Cannot read DER: an element is missing");
  return element;
}

function last(elements: readonly Element[]): Element {
  return elements[elements.length - 1] ?? first(elements);
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
