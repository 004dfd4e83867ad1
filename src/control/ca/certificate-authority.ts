import { type X509Certificate, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { formatWorkloadId } from "../../identity/spiffe-id.ts";
import { formatUserId } from "../../identity/user-id.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime, parseWallTime, toDate } from "../../time/wall-time.ts";
import { ROOT_SECRET, type SharedSecrets } from "../shared-secrets.ts";
import { createRoot, createSerialNumber, MAX_BACKDATE_MS, SIGNING_ALGORITHM, toSeconds } from "./create-root.ts";
import { loadX509 } from "./lazy-x509.ts";
import type { RotationRecord } from "./root-secret.ts";
import { findAuthorityFault, parseRootSet, type RootSet } from "./root-set.ts";

export interface CertificateAuthorityOptions {
  /** Where the root is kept. */
  readonly secrets: SharedSecrets;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Of a root that has to be made. Default 10 years. */
  readonly rootLifetimeMs?: number;
}

export interface SvidRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Becomes the subject's common name. */
  readonly workload: string;
  /** DER SubjectPublicKeyInfo of a P-256 key whose possession was proved. */
  readonly publicKeyDer: Uint8Array;
  /** Between 10 s and 1 year; cut short where the root ends sooner. */
  readonly lifetimeMs: number;
}

export interface ServerCertificateRequest {
  /** DNS names and IP addresses, at least one. */
  readonly hosts: readonly string[];
  readonly publicKeyDer: Uint8Array;
  /** As for an SVID. */
  readonly lifetimeMs: number;
}

export interface UserCertificateRequest {
  /** Name of the User. */
  readonly user: string;
  readonly publicKeyDer: Uint8Array;
  /** As for an SVID. */
  readonly lifetimeMs: number;
}

export interface IssuedSvid extends IssuedCertificate {
  readonly spiffeId: string;
}

export interface IssuedCertificate {
  /** The leaf; the root that signed it is in the trust bundle. */
  readonly certificateChainPem: string;
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What tells one kind of leaf from another. */
interface Leaf {
  readonly commonName: string;
  readonly usages: readonly ("serverAuth" | "clientAuth")[];
  readonly names: readonly { readonly type: "url" | "dns" | "ip"; readonly value: string }[];
  readonly publicKeyDer: Uint8Array;
  readonly lifetimeMs: number;
}

/** RFC 5280, appendix A.1; what is longer stands in the URI whole. */
const MAX_COMMON_NAME_CHARACTERS = 64;

export const MIN_SVID_LIFETIME_MS = 10_000;
const MAX_SVID_LIFETIME_MS = 366 * 24 * 3_600_000;

/**
 * The mesh's certificate authority: a self-signed ECDSA P-256 root that issues SPIFFE X.509-SVIDs, and further roots that
 * are believed and sign nothing. All live in one secret, which is looked at again as long as the mesh runs; the key is held by
 * WebCrypto, not extractable.
 */
export class CertificateAuthority {
  readonly trustDomain: string;
  readonly #options: CertificateAuthorityOptions;
  readonly #listeners: (() => void)[] = [];
  #roots: RootSet;

  constructor(options: CertificateAuthorityOptions, roots: RootSet) {
    this.trustDomain = options.trustDomain;
    this.#options = options;
    this.#roots = roots;
  }

  /** PEM; what every certificate of the mesh must lead to one of. The root that signs is the first. */
  get trustBundlePem(): string {
    return this.#roots.bundlePem;
  }

  /** The one that signs: a root, or an authority below one. */
  get root(): X509Certificate {
    return this.#roots.signing;
  }

  /** All that are believed; the one that signs, or vouches for who does, is the first. */
  readonly roots = (): readonly X509Certificate[] => this.#roots.all;

  /** The roots and the authorities below them: whoever may have signed a certificate that is believed. */
  readonly issuers = (): readonly X509Certificate[] => this.#roots.issuers;

  /** Where a rotation of the roots stands, or how the last one ended; null before the first. */
  rotation(): RotationRecord | null {
    return this.#roots.rotation;
  }

  /**
   * Puts other roots in the place of those that this control plane knows; `change` gets the secret's text. False when another
   * control plane changed them meanwhile: look again. Rejects as `openCertificateAuthority` for roots that cannot be used.
   */
  async replaceRoots(change: (text: string) => string): Promise<boolean> {
    const { secrets } = this.#options;
    const { pem } = this.#roots;
    const changed = change(pem);
    await parseRootSet(secrets.describe(ROOT_SECRET), changed, this.#options);
    const replaced = await secrets.replace(ROOT_SECRET, pem, changed);
    await this.refresh();
    return replaced;
  }

  /** Rejects with WEFT_CA_IMPORT unless the mesh could sign with this authority: its key, its certificate and those above it, PEM. */
  async assertUsable(given: string): Promise<void> {
    const fault = await findAuthorityFault(given, this.#options);
    if (fault === null) return;
    throw new WeftError(
      "WEFT_CA_IMPORT",
      `Cannot sign with the authority that was given: found ${fault}; expected a PEM key for P-256, the certificate of an authority, and those above it up to a root`,
      { hint: 'docs/identity.md, "Your own root or intermediate", says how to make one' },
    );
  }

  /** A new root for this mesh: its key and certificate, PEM. It is no part of the mesh yet. */
  createRoot(): Promise<string> {
    return createRoot(this.#options);
  }

  /** Wall clock; nothing can be issued after it. */
  notAfterMs(): number {
    return parseWallTime(this.root.validTo);
  }

  /** Called after each change of the roots, in the order of registration. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Reads the roots again and follows a change. Rejects as `openCertificateAuthority` where they cannot be used; those of
   * before then stay in force.
   */
  async refresh(): Promise<void> {
    const { secrets } = this.#options;
    const pem = await secrets.get(ROOT_SECRET);
    // Whoever removes the secret means the next start.
    if (pem === null || pem === this.#roots.pem) return;
    this.#roots = await parseRootSet(secrets.describe(ROOT_SECRET), pem, this.#options);
    for (const listener of this.#listeners) listener();
  }

  /**
   * Issues one SVID with a fresh random serial number: URI name only, key usage digitalSignature, TLS client and server,
   * not a CA. Who may have it is the caller's decision. Throws WEFT_CA_EXPIRED when the root has ended.
   */
  async issue(request: SvidRequest): Promise<IssuedSvid> {
    const spiffeId = formatWorkloadId({ trustDomain: this.trustDomain, ...request });
    const issued = await this.#sign({
      ...request,
      commonName: request.workload,
      usages: ["serverAuth", "clientAuth"],
      names: [{ type: "url", value: spiffeId }],
    });
    return { ...issued, spiffeId };
  }

  /** For the API's TLS: host names and addresses, TLS server only. It is no identity of the mesh. Throws as `issue`. */
  async issueServer(request: ServerCertificateRequest): Promise<IssuedCertificate> {
    const names = request.hosts.map((host) => ({
      type: isIP(host) === 0 ? ("dns" as const) : ("ip" as const),
      value: host,
    }));
    return this.#sign({ ...request, commonName: "weft API", usages: ["serverAuth"], names });
  }

  /** For a user of the API: TLS client only, and a name that is no workload's. Throws as `issue`. */
  async issueUser(request: UserCertificateRequest): Promise<IssuedCertificate> {
    const value = formatUserId({ trustDomain: this.trustDomain, user: request.user });
    return this.#sign({
      ...request,
      commonName: request.user.slice(0, MAX_COMMON_NAME_CHARACTERS),
      usages: ["clientAuth"],
      names: [{ type: "url", value }],
    });
  }

  async #sign(leaf: Leaf): Promise<IssuedCertificate> {
    const { clock, random } = this.#options;
    const { chainPem, signing, signingKey } = this.#roots;
    const endMs = parseWallTime(signing.validTo);
    const lifetimeMs = Math.min(Math.max(leaf.lifetimeMs, MIN_SVID_LIFETIME_MS), MAX_SVID_LIFETIME_MS);
    const nowMs = clock.wallMs();
    if (nowMs >= endMs) throw this.#expired(endMs);
    const notBeforeMs = toSeconds(nowMs - Math.min(MAX_BACKDATE_MS, lifetimeMs / 10));
    const notAfterMs = Math.min(toSeconds(nowMs + lifetimeMs), endMs);
    const x509 = await loadX509();
    const issuer = new x509.X509Certificate(signing.raw);
    const publicKey = new x509.PublicKey(leaf.publicKeyDer);
    const usages = leaf.usages.map((usage) => x509.ExtendedKeyUsage[usage]);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: createSerialNumber(random),
        subject: [{ CN: [leaf.commonName] }],
        issuer: issuer.subjectName,
        notBefore: toDate(notBeforeMs),
        notAfter: toDate(notAfterMs),
        signingAlgorithm: SIGNING_ALGORITHM,
        signingKey,
        publicKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(usages),
          await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
          await x509.AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
          new x509.SubjectAlternativeNameExtension([...leaf.names]),
        ],
      },
      webcrypto,
    );
    return {
      certificateChainPem: `${certificate.toString("pem")}\n${chainPem}`,
      serialNumber: certificate.serialNumber,
      notBeforeMs,
      notAfterMs,
    };
  }

  #expired(endMs: number): WeftError {
    return new WeftError(
      "WEFT_CA_EXPIRED",
      `Cannot issue certificates: the mesh's root ended at ${formatWallTime(endMs)}; expected a root that is still valid`,
      {
        hint: "`weft identity rotate --now` makes a new root; every workload then joins anew, which `weft up` and `weft run` see to",
      },
    );
  }
}

/**
 * Loads the mesh's roots, or makes one on the first start. Control planes that start at once agree on one root. Throws
 * WEFT_CA_… when what is there cannot be used, and as the secrets do.
 */
export async function openCertificateAuthority(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
  const { secrets } = options;
  let pem = await secrets.get(ROOT_SECRET);
  while (pem === null) {
    const made = await createRoot(options);
    // Where another control plane was faster, its root is the mesh's.
    pem = (await secrets.putIfAbsent(ROOT_SECRET, made)) ? made : await secrets.get(ROOT_SECRET);
  }
  return new CertificateAuthority(options, await parseRootSet(secrets.describe(ROOT_SECRET), pem, options));
}
