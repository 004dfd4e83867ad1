import { X509Certificate, createPrivateKey, webcrypto } from "node:crypto";
import { readCertificateFacts } from "../../identity/certificate-facts.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Clock } from "../../time/clock.ts";
import { parseWallTime } from "../../time/wall-time.ts";
import { readRootSecret, type RotationRecord } from "./root-secret.ts";

/** What the mesh believes, and what it signs with. */
export interface RootSet {
  /** As it is kept, keys included. */
  readonly pem: string;
  /** A root, or an authority below one. */
  readonly signing: X509Certificate;
  readonly signingKey: webcrypto.CryptoKey;
  /** What leads from the certificates that it signs to their root, which is left out; nothing where a root signs. PEM. */
  readonly chainPem: string;
  /** The roots, each once, the one that signs or vouches for it first. */
  readonly all: readonly X509Certificate[];
  /** `all` and the authorities below them. */
  readonly issuers: readonly X509Certificate[];
  readonly rotation: RotationRecord | null;
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

/**
 * Reads roots as they are kept: PEM, the key that signs and its certificate before all others, then certificates that are
 * believed too. Further keys may stand there, for a root that is to sign later; they are not loaded. A root that is believed
 * and has ended is left out. Throws WEFT_CA_DAMAGED, WEFT_CA_TRUST_DOMAIN, and WEFT_CA_EXPIRED for the root that signs.
 */
export async function parseRootSet(place: string, pem: string, rules: RootSetRules): Promise<RootSet> {
  const { certificates, keys, rotation } = readRootSecret(pem);
  const key = PEM_KEY.exec(keys[0] ?? "")?.[1];
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
      {
        hint: "`weft identity recover` makes a new root (with an etcd see docs/identity.md); at the next start every workload joins anew",
      },
    );
  }
  const signingKey = await webcrypto.subtle
    .importKey("pkcs8", privateKeyDer, KEY_ALGORITHM, false, ["sign"])
    .catch((error: unknown) => {
      throw damaged(place, "a private key that is not for P-256", error);
    });
  const believed = [...new Map([signing, ...others].map((root) => [root.fingerprint256, root])).values()];
  const chain = findChain(place, signing, believed);
  const root = chain.at(-1) ?? signing;
  const roots = believed.filter((one) => isSelfSigned(one) && !hasEnded(one, rules));
  const all = [root, ...roots.filter((one) => one !== root)];
  return {
    pem,
    signing,
    signingKey,
    chainPem: [signing, ...chain].slice(0, -1).map(String).join(""),
    all,
    issuers: [...all, ...believed.filter((one) => !isSelfSigned(one) && !hasEnded(one, rules))],
    bundlePem: all.map(String).join(""),
    rotation,
  };
}

/** What keeps the mesh from signing with an authority that an operator gave; null: nothing. */
export async function findAuthorityFault(given: string, rules: RootSetRules): Promise<string | null> {
  try {
    const { issuers, signing } = await parseRootSet("the given file", given, rules);
    const path = isSelfSigned(signing) ? [signing] : [signing, ...findChain("the given file", signing, issuers)];
    const short = path.findIndex((one, at) => (readCertificateFacts(one).pathLength ?? Infinity) < at);
    if (short >= 0) return `"${path[short]?.subject.replaceAll("\n", ", ")}", which allows fewer authorities below it`;
    return null;
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    return /found (.*); expected/s.exec(error.message)?.[1] ?? error.message;
  }
}

/** From who issued `signing` up to its root, in that order; nothing where it is a root itself. */
function findChain(
  place: string,
  signing: X509Certificate,
  others: readonly X509Certificate[],
): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let last = signing; !isSelfSigned(last);) {
    const issuer = others.find((one) => one !== last && last.checkIssued(one) && last.verify(one.publicKey));
    if (issuer === undefined || chain.length >= MAX_ROOTS) throw damaged(place, "an authority without its root");
    chain.push(issuer);
    last = issuer;
  }
  return chain;
}

export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
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

/** An authority of weft's names its trust domain; one that was given need not name any. */
function checkRoot(place: string, root: X509Certificate, expected: string): void {
  const trustDomain = /URI:spiffe:\/\/([^,]*)/.exec(root.subjectAltName ?? "")?.[1];
  if (trustDomain !== undefined && trustDomain !== expected) {
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
