import { X509Certificate, createPrivateKey, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { formatWorkloadId } from "../../identity/spiffe-id.ts";
import { formatUserId } from "../../identity/user-id.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime, parseWallTime, toDate } from "../../time/wall-time.ts";
import { ROOT_SECRET, type SharedSecrets } from "../shared-secrets.ts";
import { loadX509 } from "./lazy-x509.ts";

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

/** As long as Istio's and Linkerd's own roots: replacing a root is an operation of its own, not a routine. */
const DEFAULT_ROOT_LIFETIME_MS = 10 * 365 * 24 * 3_600_000;

/** A certificate is valid from a little before its birth, for hosts whose clock is behind: 60 s, at most a tenth of its life. */
const MAX_BACKDATE_MS = 60_000;

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" };
const PEM_KEY = /-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

/**
 * The mesh's certificate authority: one self-signed ECDSA P-256 root that issues SPIFFE X.509-SVIDs. Key and certificate
 * live in one secret, so that they cannot come apart; the key is held by WebCrypto, not extractable.
 */
export class CertificateAuthority {
  readonly trustDomain: string;
  /** PEM; what every certificate of the mesh must lead to. */
  readonly trustBundlePem: string;
  readonly root: X509Certificate;
  readonly #options: CertificateAuthorityOptions;
  readonly #signingKey: webcrypto.CryptoKey;
  readonly #notAfterMs: number;

  constructor(options: CertificateAuthorityOptions, root: X509Certificate, signingKey: webcrypto.CryptoKey) {
    this.trustDomain = options.trustDomain;
    this.trustBundlePem = root.toString();
    this.root = root;
    this.#options = options;
    this.#signingKey = signingKey;
    this.#notAfterMs = parseWallTime(root.validTo);
  }

  /** Wall clock; nothing can be issued after it. */
  notAfterMs(): number {
    return this.#notAfterMs;
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
    const lifetimeMs = Math.min(Math.max(leaf.lifetimeMs, MIN_SVID_LIFETIME_MS), MAX_SVID_LIFETIME_MS);
    const nowMs = clock.wallMs();
    if (nowMs >= this.#notAfterMs) throw this.#expired();
    const notBeforeMs = toSeconds(nowMs - Math.min(MAX_BACKDATE_MS, lifetimeMs / 10));
    const notAfterMs = Math.min(toSeconds(nowMs + lifetimeMs), this.#notAfterMs);
    const x509 = await loadX509();
    const publicKey = new x509.PublicKey(leaf.publicKeyDer);
    const usages = leaf.usages.map((usage) => x509.ExtendedKeyUsage[usage]);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: createSerialNumber(random),
        subject: [{ CN: [leaf.commonName] }],
        issuer: new x509.X509Certificate(this.root.raw).subjectName,
        notBefore: toDate(notBeforeMs),
        notAfter: toDate(notAfterMs),
        signingAlgorithm: SIGNING_ALGORITHM,
        signingKey: this.#signingKey,
        publicKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(usages),
          await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
          await x509.AuthorityKeyIdentifierExtension.create(new x509.X509Certificate(this.root.raw), false, webcrypto),
          new x509.SubjectAlternativeNameExtension([...leaf.names]),
        ],
      },
      webcrypto,
    );
    return {
      certificateChainPem: `${certificate.toString("pem")}\n`,
      serialNumber: certificate.serialNumber,
      notBeforeMs,
      notAfterMs,
    };
  }

  #expired(): WeftError {
    return new WeftError(
      "WEFT_CA_EXPIRED",
      `Cannot issue certificates: the mesh's root ended at ${formatWallTime(this.#notAfterMs)}; expected a root that is still valid`,
      {
        hint: `Stop the mesh, remove ${this.#options.secrets.describe(ROOT_SECRET)} and start again; every workload then joins anew`,
      },
    );
  }
}

/**
 * Loads the mesh's root, or makes one on the first start. Control planes that start at once agree on one root. Throws
 * WEFT_CA_… when what is there cannot be used, and as the secrets do.
 */
export async function openCertificateAuthority(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
  const { secrets } = options;
  const place = secrets.describe(ROOT_SECRET);
  let pem = await secrets.get(ROOT_SECRET);
  while (pem === null) {
    const made = await createRoot(options);
    // Where another control plane was faster, its root is the mesh's.
    pem = (await secrets.putIfAbsent(ROOT_SECRET, made)) ? made : await secrets.get(ROOT_SECRET);
  }
  const { root, privateKeyDer } = parseRoot(place, pem);
  checkRoot(place, root, options);
  const signingKey = await webcrypto.subtle
    .importKey("pkcs8", privateKeyDer, KEY_ALGORITHM, false, ["sign"])
    .catch((error: unknown) => {
      throw damaged(place, "a private key that is not for P-256", error);
    });
  return new CertificateAuthority(options, root, signingKey);
}

async function createRoot(options: CertificateAuthorityOptions): Promise<string> {
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

function parseRoot(place: string, pem: string): { root: X509Certificate; privateKeyDer: Uint8Array } {
  const key = PEM_KEY.exec(pem)?.[1];
  const certificate = PEM_CERTIFICATE.exec(pem)?.[0];
  if (key === undefined || certificate === undefined) throw damaged(place, "no private key and certificate");
  const privateKeyDer = Buffer.from(key, "base64");
  let root: X509Certificate;
  let matches: boolean;
  try {
    root = new X509Certificate(certificate);
    matches = root.checkPrivateKey(createPrivateKey({ key: privateKeyDer, format: "der", type: "pkcs8" }));
  } catch (error) {
    throw damaged(place, "a key or certificate that does not parse", error);
  }
  if (!matches) throw damaged(place, "a certificate of another key");
  return { root, privateKeyDer };
}

function checkRoot(place: string, root: X509Certificate, options: CertificateAuthorityOptions): void {
  const trustDomain = root.subjectAltName?.replace(/^URI:spiffe:\/\//, "") ?? "none";
  if (trustDomain !== options.trustDomain) {
    throw new WeftError(
      "WEFT_CA_TRUST_DOMAIN",
      `Cannot use the root in ${place}: found trust domain "${trustDomain}"; expected "${options.trustDomain}"`,
      { hint: "Give the mesh its old name or trustDomain back, or start it with another state folder" },
    );
  }
  if (options.clock.wallMs() >= parseWallTime(root.validTo)) {
    throw new WeftError(
      "WEFT_CA_EXPIRED",
      `Cannot use the root in ${place}: it ended at ${root.validTo}; expected a root that is still valid`,
      { hint: `Remove ${place} and start again; every workload then joins anew` },
    );
  }
}

function damaged(place: string, found: string, cause?: unknown): WeftError {
  return new WeftError(
    "WEFT_CA_DAMAGED",
    `Cannot use the root in ${place}: found ${found}; expected a PEM key and its certificate`,
    {
      hint: `Restore ${place} from a backup, or remove it and start again; every workload then joins anew`,
      cause,
    },
  );
}

/** X.509 times have whole seconds. */
function toSeconds(wallMs: number): number {
  return Math.floor(wallMs / 1000) * 1000;
}

/** 126 random bits. The fixed bits keep the integer positive and of one length (RFC 5280, 4.1.2.2). */
function createSerialNumber(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
