import { createPrivateKey, type X509Certificate } from "node:crypto";

/**
 * The text of the mesh's roots as they are kept: where a rotation of the roots stands, private keys, certificates. The first
 * key is that of the first certificate, and signs.
 */
export interface RootSecret {
  readonly rotation: RotationRecord | null;
  /** PEM. */
  readonly keys: readonly string[];
  /** PEM. */
  readonly certificates: readonly string[];
}

/**
 * How far a rotation has come. All control planes of a mesh read it, so whichever is there goes on.
 *
 * ```text
 *            every proxy has both roots        every certificate is of the new root     every proxy has the new root alone
 *   adding ──────────────────────────▶ signing ───────────────────────────────▶ withdrawing ──────────────────▶ done
 *   old signs, both believed           new signs, both believed                 new alone believed
 * ```
 */
export interface RotationRecord {
  readonly step: "adding" | "signing" | "withdrawing" | "done";
  /** "due": the old root neared its end. "emergency": the old root was withdrawn at once. "import": to a root that was given. */
  readonly reason: "asked" | "due" | "emergency" | "import";
  /** SHA-256 fingerprints, 64 hexadecimal digits in lower case. */
  readonly from: string;
  readonly to: string;
  readonly begunWallMs: number;
  /** When this step began. */
  readonly stepWallMs: number;
  /** Proxies that are not connected are not waited for. */
  readonly leavesOffline: boolean;
  /** Proxies that were not connected when they were last looked for, and when their certificates end (wall clock). */
  readonly offline: Readonly<Record<string, number>>;
  /** Proxies that were away in every step: they have to join anew. */
  readonly left: readonly string[];
}

const LABEL = "weft-rotation: ";
const PEM_KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Whatever does not parse is left out; `parseRootSet` says what is wrong. */
export function readRootSecret(text: string): RootSecret {
  const line = text.startsWith(LABEL) ? text.slice(LABEL.length, text.indexOf("\n")) : null;
  return {
    rotation: line === null ? null : readRecord(line),
    keys: text.match(PEM_KEY) ?? [],
    certificates: text.match(PEM_CERTIFICATE) ?? [],
  };
}

export function formatRootSecret({ rotation, keys, certificates }: RootSecret): string {
  const [signing = "", ...others] = keys;
  const record = rotation === null ? [] : [`${LABEL}${JSON.stringify(rotation)}`];
  // The key of a root that is to sign later is the last: of a text that was cut off, the first part is whole.
  return [...record, signing, ...certificates, ...others].map((part) => `${part}\n`).join("");
}

export function formatFingerprint(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
}

/** The one of `keys` (PEM) that is the certificate's. */
export function findKey(certificate: X509Certificate, keys: readonly string[]): string | null {
  return keys.find((key) => certificate.checkPrivateKey(createPrivateKey(key))) ?? null;
}

/** Written by a control plane of this mesh into a private secret, so that its shape is known. */
function readRecord(line: string): RotationRecord | null {
  try {
    return JSON.parse(line) as RotationRecord;
  } catch {
    return null;
  }
}
