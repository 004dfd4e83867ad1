import { X509Certificate, createPrivateKey, webcrypto } from "node:crypto";
import { WeftError } from "../../lib/weft-error.ts";
import type { Clock } from "../../time/clock.ts";
import { parseWallTime } from "../../time/wall-time.ts";

/** What the mesh believes, and what it signs with. */
export interface RootSet {
  /** As it is kept, keys included. */
  readonly pem: string;
  readonly signing: X509Certificate;
  readonly signingKey: webcrypto.CryptoKey;
  /** Each once, the one that signs first. */
  readonly all: readonly X509Certificate[];
  /** Of `all`. */
  readonly bundlePem: string;
}

export interface RootSetRules {
  readonly trustDomain: string;
  readonly clock: Pick<Clock, "wallMs">;
}

export const KEY_ALGORITHM: webcrypto.EcKeyImportParams = { name: "ECDSA", namedCurve: "P-256" };

/** A rotation needs two; the rest is room for the roots of what a mesh moves from. */
const MAX_ROOTS = 8;
const PEM_KEY = /-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads roots as they are kept: PEM, the key that signs and its certificate before all others, then certificates that are
 * believed too. Further keys may stand there, for a root that is to sign later; they are not loaded. A root that is believed
 * and has ended is left out. Throws WEFT_CA_DAMAGED, WEFT_CA_TRUST_DOMAIN, and WEFT_CA_EXPIRED for the root that signs.
 */
export async function parseRootSet(place: string, pem: string, rules: RootSetRules): Promise<RootSet> {
  const key = PEM_KEY.exec(pem)?.[1];
  const certificates = pem.match(PEM_CERTIFICATE) ?? [];
  if (key === undefined || certificates.length === 0) throw damaged(place, "no private key and certificate");
  if (certificates.length > MAX_ROOTS) throw damaged(place, `${certificates.length} roots (at most ${MAX_ROOTS})`);
  const privateKeyDer = Buffer.from(key, "base64");
  const { parsed, matches } = read(place, certificates, privateKeyDer);
  const [signing, ...others] = parsed;
  if (signing === undefined || !matches) throw damaged(place, "a certificate of another key");
  for (const root of parsed) checkRoot(place, root, rules.trustDomain);
  if (hasEnded(signing, rules)) {
    throw new WeftError(
      "WEFT_CA_EXPIRED",
      `Cannot use the root in ${place}: it ended at ${signing.validTo}; expected a root that is still valid`,
      { hint: `Remove ${place} and start again; every workload then joins anew` },
    );
  }
  const signingKey = await webcrypto.subtle
    .importKey("pkcs8", privateKeyDer, KEY_ALGORITHM, false, ["sign"])
    .catch((error: unknown) => {
      throw damaged(place, "a private key that is not for P-256", error);
    });
  const believed = [signing, ...others.filter((root) => !hasEnded(root, rules))];
  const all = [...new Map(believed.map((root) => [root.fingerprint256, root])).values()];
  return { pem, signing, signingKey, all, bundlePem: all.map((root) => root.toString()).join("") };
}

function read(
  place: string,
  certificates: readonly string[],
  privateKeyDer: Buffer,
): { readonly parsed: readonly X509Certificate[]; readonly matches: boolean } {
  try {
    const parsed = certificates.map((text) => new X509Certificate(text));
    const privateKey = createPrivateKey({ key: privateKeyDer, format: "der", type: "pkcs8" });
    return { parsed, matches: parsed[0]?.checkPrivateKey(privateKey) === true };
  } catch (error) {
    throw damaged(place, "a key or certificate that does not parse", error);
  }
}

function checkRoot(place: string, root: X509Certificate, expected: string): void {
  const trustDomain = root.subjectAltName?.replace(/^URI:spiffe:\/\//, "") ?? "none";
  if (trustDomain !== expected) {
    throw new WeftError(
      "WEFT_CA_TRUST_DOMAIN",
      `Cannot use the root in ${place}: found trust domain "${trustDomain}"; expected "${expected}"`,
      { hint: "Give the mesh its old name or trustDomain back, or start it with another state folder" },
    );
  }
  if (!root.ca)
    throw damaged(place, `the certificate "${root.subject.replaceAll("\n", ", ")}", which is no authority's`);
}

/** Written so that a time that did not parse (NaN) has ended. */
function hasEnded(root: X509Certificate, { clock }: RootSetRules): boolean {
  return !(clock.wallMs() < parseWallTime(root.validTo));
}

function damaged(place: string, found: string, cause?: unknown): WeftError {
  return new WeftError(
    "WEFT_CA_DAMAGED",
    `Cannot use the root in ${place}: found ${found}; expected a PEM key, its certificate, and certificates of further roots if any`,
    {
      hint: `Restore ${place} from a backup, or remove it and start again; every workload then joins anew`,
      cause,
    },
  );
}
