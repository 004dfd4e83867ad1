import { formatWorkloadId } from "../identity/spiffe-id.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";
import type { SvidIssuer } from "./ca/svid-issuer.ts";
import type { MeshSettings } from "./model/mesh-model.ts";
import type { MeshViews } from "./replicas/mesh-views.ts";
import type { HostPort } from "./replicas/replica-directory.ts";
import { formatExpiryMetrics } from "./expiry-metrics.ts";
import type { TrustViews } from "./trust-views.ts";
import type { ControlPlaneViews, MeshView } from "./views.ts";

export interface ViewsOptions {
  readonly mesh: Pick<MeshView, "name" | "trustDomain" | "weftVersion" | "startedWallMs">;
  readonly settings: () => MeshSettings;
  readonly views: MeshViews;
  readonly issuer: SvidIssuer;
  readonly authority: Pick<CertificateAuthority, "trustBundlePem" | "notAfterMs">;
  readonly trust: TrustViews;
  /** Where workloads that join find the control plane. */
  readonly xds: HostPort;
  /** All control planes; null when there is but one, ever. */
  readonly controlPlanes: () => readonly HostPort[] | null;
}

/** What the API shows of a running control plane. */
export function createViews(options: ViewsOptions): ControlPlaneViews {
  const { authority, issuer, mesh, settings, trust, views, xds } = options;
  return {
    proxies: () => views.proxies(),
    proxyConfig: (id) => views.proxyConfig(id),
    stat: (windowMs) => views.stat(windowMs),
    trafficFigures: (windowMs, by) => views.trafficFigures(windowMs, by),
    wouldDeny: (windowMs) => views.wouldDeny(windowMs),
    replicas: () => views.replicas(),
    trust: () => trust.trust(),
    metrics: () => formatExpiryMetrics(trust.expiries()),
    rotateRoot: (request) => trust.rotate(request),
    async grantJoin({ namespace, workload, serviceAccount }) {
      const { credential, expiresWallMs } = await issuer.grant({ namespace, workload, serviceAccount });
      const { trustDomain } = mesh;
      const spiffeId = formatWorkloadId({ trustDomain, namespace, serviceAccount });
      const controlPlanes = options.controlPlanes();
      return {
        workload,
        namespace,
        spiffeId,
        trustDomain,
        joinCredential: credential,
        expiresWallMs,
        trustBundlePem: authority.trustBundlePem,
        xds,
        ...(controlPlanes === null ? {} : { controlPlanes }),
      };
    },
    mesh() {
      const { access, egress } = settings();
      const { trustBundlePem } = authority;
      return { ...mesh, access, egress, trustRootNotAfterWallMs: authority.notAfterMs(), trustBundlePem };
    },
  };
}
