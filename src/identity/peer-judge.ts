import type { KeyObject, X509Certificate } from "node:crypto";
import { X509Certificate as Certificate } from "node:crypto";
import { parseWallTime } from "../time/wall-time.ts";
import {
  CLIENT_AUTH,
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  KEY_CERT_SIGN,
  readCertificateFacts,
  SERVER_AUTH,
} from "./certificate-facts.ts";
import type { CertificateFacts } from "./certificate-facts.ts";
import type { PeerRefusal } from "./peer-refusal.ts";
import { NO_REVOCATIONS, normaliseSerialNumber } from "./revocation-list.ts";
import type { CertificateSubject, RevocationList } from "./revocation-list.ts";
import { parseSpiffeId, parseWorkloadId } from "./spiffe-id.ts";
import { parseSpiffeSan } from "./spiffe-san.ts";

/** The side of the connection that the peer is on. */
export type PeerSide = "client" | "server";

export type PeerVerdict =
  | { readonly refusal: null; readonly subject: CertificateSubject }
  | { readonly refusal: PeerRefusal; readonly subject: CertificateSubject | null };

export interface PeerTrust {
  readonly ownTrustDomain: string;
  /** PEM roots by trust domain, the own one included. */
  readonly bundles: ReadonlyMap<string, string>;
}

/** Verdicts remembered for one set of roots. A mesh of this size makes every handshake cheap. */
const MAX_REMEMBERED = 4096;
/** RFC 5280 allows longer chains; nobody uses them for identities. */
const MAX_CHAIN = 8;
const MIN_RSA_BITS = 2048;
const CURVES: ReadonlySet<string> = new Set(["prime256v1", "P-256", "secp384r1", "P-384", "secp521r1", "P-521"]);
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What does not depend on the time or on who was revoked. */
interface StandingVerdict {
  readonly refusal: PeerRefusal | null;
  readonly subject: CertificateSubject | null;
  /** Wall clock: when every certificate of the chain is valid. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly usage: Readonly<Record<PeerSide, boolean>>;
}

/**
 * Says whether the certificate that a peer proved to hold is one we accept, and if not why, in one order of checks on every
 * platform: X.509-SVID (its sections 2 to 5), RFC 5280 path validation as far as SVIDs need it, and what weft adds (keys and
 * hashes that are strong, nobody revoked). The SPIFFE ID decides which roots count: a root of one trust domain vouches for no
 * other (SPIFFE Trust Domain and Bundle, 3). It comes after the TLS library's own verification and takes nothing from it.
 */
export class PeerJudge {
  #trust: PeerTrust;
  #roots: ReadonlyMap<string, readonly X509Certificate[]>;
  #revoked: RevocationList = NO_REVOCATIONS;
  readonly #remembered: Map<string, StandingVerdict> = new Map();

  constructor(trust: PeerTrust) {
    this.#trust = trust;
    this.#roots = parseBundles(trust);
  }

  trust(): PeerTrust {
    return this.#trust;
  }

  /** Replaces all roots. Throws when one is no certificate; the old ones then stay. */
  setTrust(trust: PeerTrust): void {
    this.#roots = parseBundles(trust);
    this.#trust = trust;
    this.#remembered.clear();
  }

  setRevocations(revoked: RevocationList): void {
    this.#revoked = revoked;
  }

  /** May a peer that was accepted stay: not revoked, and of a trust domain that is still trusted? */
  refuseStanding(subject: CertificateSubject): PeerRefusal | null {
    if (this.#revoked.has(subject)) return "peer_revoked";
    const domain = parseSpiffeId(subject.spiffeId)?.trustDomain ?? "";
    return this.#roots.has(domain) ? null : "peer_foreign_domain";
  }

  /** `chain`: as the peer sent it, leaf first; whether the roots are in it does not matter. */
  judge(chain: readonly X509Certificate[], side: PeerSide, wallMs: number): PeerVerdict {
    if (chain.length === 0) return { refusal: "peer_no_certificate", subject: null };
    const key = chain.map((certificate) => certificate.fingerprint256).join(" ");
    let standing = this.#remembered.get(key);
    if (standing === undefined) {
      standing = this.#examine(chain);
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, standing);
    }
    const { refusal, subject } = standing;
    if (refusal !== null || subject === null) return { refusal: refusal ?? "peer_malformed", subject };
    // Written so that a time that did not parse (NaN) refuses.
    if (!(wallMs < standing.untilMs)) return { refusal: "peer_expired", subject };
    if (!(wallMs >= standing.fromMs)) return { refusal: "peer_not_yet_valid", subject };
    if (!standing.usage[side]) return { refusal: "peer_wrong_usage", subject };
    if (this.#revoked.has(subject)) return { refusal: "peer_revoked", subject };
    return { refusal: null, subject };
  }

  #examine(chain: readonly X509Certificate[]): StandingVerdict {
    try {
      return this.#examineChain(chain);
    } catch {
      return refuse("peer_malformed", null);
    }
  }

  #examineChain(chain: readonly X509Certificate[]): StandingVerdict {
    // The caller has looked at the length.
    const leaf = chain[0] as X509Certificate;
    // `checkIssued` would say no, as a leaf may not sign certificates.
    const isSelfSigned = leaf.subject === leaf.issuer && leaf.verify(leaf.publicKey);
    if (isSelfSigned && !this.#isRoot(leaf)) return refuse("peer_self_signed", null);
    if (leaf.ca) return refuse("peer_is_authority", null);
    const spiffeId = parseSpiffeSan(leaf.subjectAltName);
    const domain = spiffeId === null ? null : (parseSpiffeId(spiffeId)?.trustDomain ?? null);
    if (spiffeId === null || domain === null) return refuse("peer_no_spiffe_id", null);
    const subject = this.#toSubject(leaf, spiffeId);
    const roots = this.#roots.get(domain);
    if (roots === undefined) return refuse("peer_foreign_domain", subject);
    const path = findPath(chain.slice(0, MAX_CHAIN), roots);
    if (path === null) return refuse("peer_unknown_root", subject);
    const facts = path.map(readCertificateFacts);
    if (!keepsPathLengths(path, facts)) return refuse("peer_path_length", subject);
    if (!path.every(hasStrongKey)) return refuse("peer_weak_key", subject);
    // How a root is signed does not matter: it is trusted for what it is.
    if (!facts.every((fact, at) => fact.isStronglySigned || at === path.length - 1)) {
      return refuse("peer_weak_signature", subject);
    }
    const leafFacts = facts[0] as CertificateFacts;
    return {
      refusal: null,
      subject,
      fromMs: Math.max(...path.map((certificate) => parseWallTime(certificate.validFrom))),
      untilMs: Math.min(...path.map((certificate) => parseWallTime(certificate.validTo))),
      usage: { client: isFor(leafFacts, CLIENT_AUTH), server: isFor(leafFacts, SERVER_AUTH) },
    };
  }

  #isRoot(certificate: X509Certificate): boolean {
    for (const roots of this.#roots.values()) {
      if (roots.some((root) => root.fingerprint256 === certificate.fingerprint256)) return true;
    }
    return false;
  }

  #toSubject(leaf: X509Certificate, spiffeId: string): CertificateSubject {
    return readCertificateSubject(leaf, spiffeId, this.#trust.ownTrustDomain);
  }
}

/** Our SVIDs have a subject of exactly one name, the workload's; what another trust domain writes there means nothing to us. */
export function readCertificateSubject(
  leaf: X509Certificate,
  spiffeId: string,
  ownTrustDomain: string,
): CertificateSubject {
  const id = parseWorkloadId(spiffeId);
  const name = /^CN=([^\n]+)$/.exec(leaf.subject)?.[1];
  const isOwn = id !== null && id.trustDomain === ownTrustDomain && name !== undefined;
  return {
    spiffeId,
    workload: isOwn ? `${id.namespace}/${name}` : null,
    serialNumber: normaliseSerialNumber(leaf.serialNumber),
  };
}

function refuse(refusal: PeerRefusal, subject: CertificateSubject | null): StandingVerdict {
  return { refusal, subject, fromMs: Number.NaN, untilMs: Number.NaN, usage: { client: false, server: false } };
}

function parseBundles({ bundles }: PeerTrust): ReadonlyMap<string, readonly X509Certificate[]> {
  return new Map([...bundles].map(([domain, pem]) => [domain, parseCertificates(pem)]));
}

/** Every certificate of a PEM text. Throws what `X509Certificate` throws. */
export function parseCertificates(pem: string): X509Certificate[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((text) => new Certificate(text));
}

/** From the leaf to the first root, or null. Certificates that the peer sent in another order are found too. */
function findPath(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): X509Certificate[] | null {
  const [leaf, ...others] = chain;
  if (leaf === undefined) return null;
  const path = [leaf];
  let current = leaf;
  while (path.length <= MAX_CHAIN) {
    const root = roots.find((candidate) => isIssued(current, candidate));
    if (root !== undefined) return [...path, root];
    const next = others.find((candidate) => !path.includes(candidate) && isIssued(current, candidate));
    if (next === undefined) return null;
    path.push(next);
    current = next;
  }
  return null;
}

function isIssued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** RFC 5280, 4.2.1.9: a limit counts the authorities below it that are not self-issued. */
function keepsPathLengths(path: readonly X509Certificate[], facts: readonly CertificateFacts[]): boolean {
  return path.every((_, at) => {
    const limit = facts[at]?.pathLength ?? null;
    if (at === 0 || limit === null) return true;
    const below = path.slice(1, at).filter((certificate) => certificate.subject !== certificate.issuer);
    return below.length <= limit;
  });
}

function hasStrongKey(certificate: X509Certificate): boolean {
  let publicKey: KeyObject;
  try {
    ({ publicKey } = certificate);
  } catch {
    // BoringSSL does not know weak curves at all.
    return false;
  }
  const details = publicKey.asymmetricKeyDetails;
  switch (publicKey.asymmetricKeyType) {
    case "rsa":
    case "rsa-pss":
      return (details?.modulusLength ?? 0) >= MIN_RSA_BITS;
    case "ec":
      return CURVES.has(details?.namedCurve ?? "");
    case "ed25519":
    case "ed448":
      return true;
    default:
      return false;
  }
}

/** X.509-SVID, 4.3 and 4.4, and appendix A: a leaf signs, and nothing but what TLS needs; purposes may be left out. */
function isFor({ extendedKeyUsage, keyUsage }: CertificateFacts, purpose: string): boolean {
  if (keyUsage?.[DIGITAL_SIGNATURE] !== true) return false;
  if (keyUsage[KEY_CERT_SIGN] === true || keyUsage[CRL_SIGN] === true) return false;
  return extendedKeyUsage === null || extendedKeyUsage.includes(purpose);
}
