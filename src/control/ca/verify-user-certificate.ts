import type { X509Certificate } from "node:crypto";
import type { UserCertificate } from "../../apiserver/access/user-certificate.ts";
import { parseSpiffeSan } from "../../identity/spiffe-san.ts";
import { parseUserId } from "../../identity/user-id.ts";
import { parseWallTime } from "../../time/wall-time.ts";

/** What makes a certificate one of this mesh. */
export interface MeshTrust {
  readonly trustDomain: string;
  /** The roots as they are now. */
  readonly roots: () => readonly X509Certificate[];
}

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/**
 * Reads a client certificate whose key the peer proved to hold; what is wrong with it as a text. It trusts no flag of the
 * TLS layer: the certificate itself has to lead to a root of this mesh, be a leaf for TLS clients, and name exactly one
 * user of this trust domain. A workload's SVID leads to the same root, and is refused for its name.
 */
export function verifyUserCertificate(certificate: X509Certificate, trust: MeshTrust): UserCertificate | string {
  const isOurs = trust.roots().some((root) => certificate.checkIssued(root) && certificate.verify(root.publicKey));
  if (!isOurs) return "a client certificate that this mesh did not issue";
  const uri = parseSpiffeSan(certificate.subjectAltName);
  const id = uri === null ? null : parseUserId(uri);
  const isClient = (certificate.keyUsage as readonly string[] | undefined)?.includes(CLIENT_AUTH) === true;
  if (id === null || id.trustDomain !== trust.trustDomain || certificate.ca || !isClient) {
    return `the certificate of ${uri ?? "nobody"}, which is no user's`;
  }
  return {
    user: id.user,
    sha256: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    notBeforeMs: parseWallTime(certificate.validFrom),
    notAfterMs: parseWallTime(certificate.validTo),
  };
}
