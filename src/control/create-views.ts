import { formatWorkloadId } from "../identity/spiffe-id.ts";
import type { Clock } from "../time/clock.ts";
import type { AdsService } from "./ads/ads-server.ts";
import type { CertificateExpiries } from "./ca/certificate-expiries.ts";
import type { SvidIssuer } from "./ca/svid-issuer.ts";
import type { MeshSettings } from "./model/mesh-model.ts";
import type { TrafficRing } from "./telemetry/traffic-ring.ts";
import type { ControlPlaneViews, MeshView } from "./views.ts";

export interface ViewsOptions {
  readonly mesh: Pick<MeshView, "name" | "trustDomain" | "weftVersion" | "startedWallMs">;
  readonly settings: () => MeshSettings;
  readonly ads: Pick<AdsService, "proxies" | "proxyConfig">;
  readonly ring: TrafficRing;
  readonly issuer: SvidIssuer;
  readonly expiries: CertificateExpiries;
  readonly trustBundlePem: string;
  readonly trustRootNotAfterWallMs: number;
  /** Where workloads that join find the control plane. */
  readonly xds: { readonly host: string; readonly port: number };
  readonly clock: Clock;
}

/** What the API shows of a running control plane. */
export function createViews(options: ViewsOptions): ControlPlaneViews {
  const { ads, clock, issuer, mesh, ring, settings, trustBundlePem, xds } = options;
  return {
    proxies: () =>
      ads.proxies().map((proxy) => ({ ...proxy, certificateNotAfterWallMs: options.expiries.find(proxy.id) })),
    proxyConfig: (id) => ads.proxyConfig(id),
    stat: (windowMs) => ring.stat(windowMs, clock.nowMs()),
    replicas: () => [],
    async grantJoin({ namespace, workload, serviceAccount }) {
      const { credential, expiresWallMs } = await issuer.grant({ namespace, workload, serviceAccount });
      const { trustDomain } = mesh;
      const spiffeId = formatWorkloadId({ trustDomain, namespace, serviceAccount });
      return {
        workload,
        namespace,
        spiffeId,
        trustDomain,
        joinCredential: credential,
        expiresWallMs,
        trustBundlePem,
        xds,
      };
    },
    mesh() {
      const { access, egress } = settings();
      return { ...mesh, access, egress, trustRootNotAfterWallMs: options.trustRootNotAfterWallMs };
    },
  };
}
