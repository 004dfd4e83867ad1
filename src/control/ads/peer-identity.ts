import type { PeerCertificate } from "node:tls";
import { parseSpiffeSan } from "../../identity/spiffe-san.ts";

/** Who is at the other end of a connection, from the certificate that mutual TLS verified. */
export interface PeerIdentity {
  readonly spiffeId: string;
  /** The certificate's subject CN. */
  readonly workload: string;
}

/** What any grpc-js server call offers. */
export interface AuthenticatedCall {
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate };
}

/**
 * The identity of a call's peer. Null unless the TLS layer verified a client certificate with exactly one SPIFFE ID and
 * exactly one CN. grpc-js reports a certificate only for a connection that it authorised.
 */
export function authenticatePeer(call: AuthenticatedCall): PeerIdentity | null {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (certificate === undefined) return null;
  const spiffeId = parseSpiffeSan(certificate.subjectaltname);
  // A certificate with several CNs gives a list here, whatever the declared type says.
  const workload: unknown = certificate.subject.CN;
  return spiffeId === null || typeof workload !== "string" || workload === "" ? null : { spiffeId, workload };
}
