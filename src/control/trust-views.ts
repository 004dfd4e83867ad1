import { X509Certificate } from "node:crypto";
import { parseCertificates } from "../identity/peer-judge.ts";
import { parseWallTime } from "../time/wall-time.ts";
import type { Clock } from "../time/clock.ts";
import type { PeerRules } from "../xds/peer-rules-secret.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";
import type { CertificateExpiries } from "./ca/certificate-expiries.ts";
import { formatFingerprint } from "./ca/root-secret.ts";
import { listRoots, type RootRotation } from "./ca/root-rotation.ts";
import { mergeProxyTrust, type ProxyTrust, type TrustEvidence } from "./ca/trust-evidence.ts";
import type { ServerCertificateModel } from "./model/ingress-model.ts";
import type {
  AuthorityView,
  BundleView,
  ExpiryView,
  ProxyStatus,
  RotateRequest,
  RotationView,
  TrustView,
} from "./views.ts";

export interface LocalTrustOptions {
  readonly authority: Pick<CertificateAuthority, "root" | "roots">;
  readonly expiries: CertificateExpiries;
  readonly proxies: () => readonly Pick<ProxyStatus, "id" | "connected" | "hasRoots">[];
  /** Name of this control plane. */
  readonly replica: string;
  readonly upMs: number;
}

/** What this control plane knows by itself. */
export function collectTrustEvidence(options: LocalTrustOptions): TrustEvidence {
  const { authority, expiries, replica, upMs } = options;
  const byId = new Map<string, ProxyTrust>();
  for (const [id, { issuer, notAfterMs }] of expiries.all()) {
    byId.set(id, { id, connected: false, hasRoots: false, certificateRoot: issuer, notAfterMs });
  }
  for (const { id, connected, hasRoots = false } of options.proxies()) {
    const known = byId.get(id) ?? { id, certificateRoot: null, notAfterMs: null };
    byId.set(id, { ...known, connected, hasRoots });
  }
  return { replica, roots: listRoots(authority), upMs, proxies: [...byId.values()] };
}

export interface TrustViewsOptions {
  readonly trustDomain: string;
  readonly authority: CertificateAuthority;
  readonly rotation: RootRotation;
  readonly evidence: () => Promise<readonly (TrustEvidence | string)[]>;
  readonly peerRules: () => PeerRules;
  readonly ingressCertificates: () => readonly ServerCertificateModel[];
  /** The certificate for the API that the operator gave. */
  readonly apiCertificate: () => X509Certificate | null;
  readonly clock: Pick<Clock, "wallMs">;
}

/** What the API shows and changes of the mesh's roots. */
export class TrustViews {
  readonly #options: TrustViewsOptions;

  constructor(options: TrustViewsOptions) {
    this.#options = options;
  }

  async trust(): Promise<TrustView> {
    const { clock, peerRules, rotation, trustDomain } = this.#options;
    const evidence = await this.#options.evidence();
    const present = evidence.filter((one) => typeof one !== "string");
    const proxies = [...mergeProxyTrust(present).values()];
    const status = await rotation.status();
    return {
      trustDomain,
      authorities: this.#authorities(proxies),
      rotation: status === null ? null : toRotationView(status.record, status.awaited),
      silent: evidence.filter((one) => typeof one === "string"),
      bundles: [...peerRules().bundles].map(([domain, pem]) => toBundleView(domain, pem)),
      revocations: peerRules().revoked.length,
      expiries: [...this.expiries(), ...toExpiries(proxies, clock.wallMs())].sort(bySoonest),
      wallMs: clock.wallMs(),
    };
  }

  async rotate({ now, leaveOffline, given }: RotateRequest): Promise<RotationView> {
    const record = await this.#options.rotation.begin({
      reason: now === true ? "emergency" : given === undefined ? "asked" : "import",
      leavesOffline: leaveOffline === true,
      ...(given === undefined ? {} : { given }),
    });
    return toRotationView(record, []);
  }

  /** Without those of workloads, which renew themselves; the soonest first. */
  readonly expiries = (): readonly ExpiryView[] => {
    const { apiCertificate, authority, ingressCertificates, peerRules } = this.#options;
    const roots = new Set(authority.roots());
    const given = apiCertificate();
    return [
      ...authority.issuers().map((one): ExpiryView => {
        const kind = roots.has(one) ? "root" : "intermediate";
        return { kind, name: formatFingerprint(one), notAfterWallMs: parseWallTime(one.validTo) };
      }),
      ...(given === null ? [] : [toExpiry("api-certificate", given.subject.replaceAll("\n", ", "), given)]),
      ...ingressCertificates().flatMap(({ name, certificateChainPem }) => {
        const leaf = parseLeaf(certificateChainPem);
        return leaf === null ? [] : [toExpiry("ingress-certificate", name, leaf)];
      }),
      ...[...peerRules().bundles].flatMap(([domain, pem]): ExpiryView[] => {
        const { notAfterWallMs } = toBundleView(domain, pem);
        return notAfterWallMs === null ? [] : [{ kind: "trust-bundle", name: domain, notAfterWallMs }];
      }),
    ].sort(bySoonest);
  };

  #authorities(proxies: readonly ProxyTrust[]): readonly AuthorityView[] {
    const { authority, clock } = this.#options;
    const roots = new Set(authority.roots());
    return authority.issuers().map((one) => {
      const fingerprint = formatFingerprint(one);
      const alive = proxies.filter(({ notAfterMs }) => notAfterMs === null || clock.wallMs() < notAfterMs);
      return {
        fingerprint,
        subject: one.subject.replaceAll("\n", ", "),
        kind: roots.has(one) ? "root" : "intermediate",
        notBeforeWallMs: parseWallTime(one.validFrom),
        notAfterWallMs: parseWallTime(one.validTo),
        isSigning: one.fingerprint256 === authority.root.fingerprint256,
        workloads: alive.filter(({ certificateRoot }) => certificateRoot === fingerprint).length,
      };
    });
  }
}

function toRotationView(
  { step, reason, from, to, begunWallMs, stepWallMs, leavesOffline, left }: Omit<RotationView, "awaited">,
  awaited: RotationView["awaited"],
): RotationView {
  return { step, reason, from, to, begunWallMs, stepWallMs, leavesOffline, left, awaited };
}

/** Whoever renews in time is none of anybody's business. */
function toExpiries(proxies: readonly ProxyTrust[], wallMs: number): readonly ExpiryView[] {
  return proxies.flatMap(({ connected, id, notAfterMs }): ExpiryView[] =>
    connected && notAfterMs !== null && notAfterMs <= wallMs
      ? [{ kind: "workload", name: id, notAfterWallMs: notAfterMs }]
      : [],
  );
}

function toBundleView(trustDomain: string, pem: string): BundleView {
  const ends = parseAll(pem).map((root) => parseWallTime(root.validTo));
  return { name: trustDomain, trustDomain, notAfterWallMs: ends.length === 0 ? null : Math.min(...ends) };
}

function toExpiry(kind: ExpiryView["kind"], name: string, certificate: X509Certificate): ExpiryView {
  return { kind, name, notAfterWallMs: parseWallTime(certificate.validTo) };
}

function bySoonest(one: ExpiryView, other: ExpiryView): number {
  return one.notAfterWallMs - other.notAfterWallMs;
}

function parseAll(pem: string): readonly X509Certificate[] {
  try {
    return parseCertificates(pem);
  } catch {
    return [];
  }
}

/** What cannot be parsed is told of where it is used. */
function parseLeaf(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}
