import type { X509Certificate } from "node:crypto";
import type { PeerSide } from "../identity/peer-judge.ts";
import { PEER_REFUSALS, toPeerRefusal } from "../identity/peer-refusal.ts";
import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { CertificateSubject } from "../identity/revocation-list.ts";
import type { PeerVerifier } from "./transport.ts";

/** What the platform's TLS found. */
export interface PlatformVerdict {
  readonly authorized: boolean;
  /** Of OpenSSL or BoringSSL; "" = none. */
  readonly code: string;
  readonly isResumed: boolean;
}

export type Admission =
  | { readonly admitted: true; readonly subject: CertificateSubject | null }
  | { readonly admitted: false; readonly reason: string; readonly refusal: PeerRefusal | null };

/**
 * Decides, once the handshake is over and before any byte of it is handed on. Both must agree: the verifier is asked first,
 * because it names the same fault the same on every platform, and then the platform, which looks at more (name constraints,
 * critical extensions it does not know).
 */
export function admitPeer(
  peers: PeerVerifier | undefined,
  chain: readonly X509Certificate[],
  side: PeerSide,
  platform: PlatformVerdict,
): Admission {
  if (platform.isResumed) return { admitted: false, reason: "the session was resumed", refusal: null };
  if (chain.length === 0) return refuse("peer_no_certificate", "");
  const verdict = peers?.judge(chain, side) ?? null;
  if (verdict !== null && verdict.refusal !== null) {
    return refuse(verdict.refusal, verdict.subject === null ? "" : ` (${verdict.subject.spiffeId})`);
  }
  if (!platform.authorized) {
    return refuse(toPeerRefusal(platform.code), platform.code === "" ? "" : ` (${platform.code})`);
  }
  return { admitted: true, subject: verdict?.subject ?? null };
}

function refuse(refusal: PeerRefusal, addition: string): Admission {
  return { admitted: false, reason: `${refusal}: ${PEER_REFUSALS[refusal]}${addition}`, refusal };
}

/** The chain as Node shows it: each certificate with its issuer behind it, of those that the peer sent. */
export function readChain(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next !== undefined && chain.length < MAX_CHAIN; next = next.issuerCertificate) {
    if (chain.some((known) => known.fingerprint256 === next?.fingerprint256)) break;
    chain.push(next);
  }
  return chain;
}

/** More than any verifier follows; a chain that is longer is refused for what is missing. */
export const MAX_CHAIN = 10;
