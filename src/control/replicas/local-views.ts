import type { TrafficSums } from "../telemetry/traffic-ring.ts";
import type { TrustEvidence } from "../ca/trust-evidence.ts";
import type { ProxyStatus, WouldDenyRow } from "../views.ts";

/** What one control plane knows by itself; others ask for it by these names. */
export interface LocalViews {
  status(): LocalStatus;
  proxies(): readonly ProxyStatus[];
  /** Null when no such proxy is known here. */
  proxyConfig(id: string): unknown;
  /** By service accounts. */
  traffic(windowMs: number): TrafficSums;
  /** The same by instances: a workload stands where else its service account does. */
  instanceTraffic(windowMs: number): TrafficSums;
  wouldDeny(windowMs: number): readonly WouldDenyRow[];
  /** The roots that it believes, and that its proxies do. */
  trust(): TrustEvidence;
}

export interface LocalStatus {
  readonly hasJobs: boolean;
  /** Proxies connected. */
  readonly proxies: number;
}

/** What each question (`ReplicaQuestion.what`) is answered with, as JSON. */
export interface ReplicaAnswers {
  readonly status: LocalStatus;
  readonly proxies: readonly ProxyStatus[];
  readonly "proxy-config": unknown;
  readonly traffic: TrafficSums;
  readonly "instance-traffic": TrafficSums;
  readonly "would-deny": readonly WouldDenyRow[];
  readonly trust: TrustEvidence;
}

/** Undefined for a question that this version does not know. */
export function answerQuestion(views: LocalViews, what: string, argument: string): unknown {
  switch (what) {
    case "status":
      return views.status();
    case "proxies":
      return views.proxies();
    case "proxy-config":
      return views.proxyConfig(argument);
    case "traffic":
      return views.traffic(Number(argument));
    case "instance-traffic":
      return views.instanceTraffic(Number(argument));
    case "would-deny":
      return views.wouldDeny(Number(argument));
    case "trust":
      return views.trust();
    default:
      return undefined;
  }
}
