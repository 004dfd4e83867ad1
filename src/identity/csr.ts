import { createPublicKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;
/** `attributes [0]`, of which we send none. */
const ATTRIBUTES = 0xa0;

/** ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758, 3.2). */
export const ECDSA_WITH_SHA256: Uint8Array = Buffer.from("2a8648ce3d040302", "hex");

/**
 * A PKCS#10 certificate request (RFC 2986), DER, for a P-256 key: an empty subject and no attributes, since the control
 * plane takes nothing from it but the public key and the proof that we hold the private one. Written by hand because the
 * proxy would otherwise load an X.509 library for these few bytes.
 */
export function encodeCertificateRequest(privateKey: KeyObject): Uint8Array {
  const publicKeyInfo = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const information = encodeDer(
    SEQUENCE,
    encodeDer(INTEGER, Buffer.of(0)),
    encodeDer(SEQUENCE),
    publicKeyInfo,
    encodeDer(ATTRIBUTES),
  );
  const signature = sign("sha256", information, privateKey);
  return encodeDer(
    SEQUENCE,
    information,
    encodeDer(SEQUENCE, encodeDer(OBJECT_IDENTIFIER, ECDSA_WITH_SHA256)),
    // The leading byte counts the unused bits of the last one.
    encodeDer(BIT_STRING, Buffer.of(0), signature),
  );
}

/** One DER element. Lengths up to 65,535, far above what a request has. */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}
