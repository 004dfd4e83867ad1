/**
 * Why the certificate of a peer is refused, each reason under a code of its own: what logs, metrics and `x-weft-failure` say.
 * Checked in this order, so a certificate with several faults always has the same code.
 */
export const PEER_REFUSALS = {
  peer_no_certificate: "The peer presented no certificate.",
  peer_malformed: "The peer's certificate cannot be read.",
  peer_self_signed: "The peer's certificate is signed with its own key.",
  peer_is_authority: "The peer's own certificate is one of a certificate authority.",
  peer_no_spiffe_id: "The peer's certificate does not have exactly one URI name that is a SPIFFE ID.",
  peer_foreign_domain: "The peer's SPIFFE ID is of a trust domain that this mesh does not trust.",
  peer_unknown_root: "The peer's certificate leads to no root of the trust domain that its SPIFFE ID names.",
  peer_path_length: "More authorities stand between the peer's certificate and its root than one of them allows.",
  peer_weak_key:
    "A key of the peer's chain is weaker than RSA with 2048 bits, or of another kind than RSA, P-256, P-384, P-521, Ed25519, Ed448.",
  peer_weak_signature:
    "A certificate of the peer's chain is signed with another hash than SHA-256, SHA-384 or SHA-512.",
  peer_expired: "A certificate of the peer's chain has expired.",
  peer_not_yet_valid: "A certificate of the peer's chain is not yet valid.",
  peer_wrong_usage: "The peer's certificate is not made for this side of a TLS connection.",
  peer_revoked: "The peer's certificate, workload or identity is revoked.",
  peer_unverified: "The TLS library refused the peer's certificate for another reason.",
} as const;

export type PeerRefusal = keyof typeof PEER_REFUSALS;

/** What OpenSSL and BoringSSL say of a chain, in our words. */
const BY_PLATFORM_CODE: ReadonlyMap<string, PeerRefusal> = new Map([
  ["CERT_HAS_EXPIRED", "peer_expired"],
  ["CERT_NOT_YET_VALID", "peer_not_yet_valid"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "peer_self_signed"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "peer_unknown_root"],
  ["UNABLE_TO_GET_ISSUER_CERT", "peer_unknown_root"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "peer_unknown_root"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "peer_unknown_root"],
  ["CERT_SIGNATURE_FAILURE", "peer_unknown_root"],
  ["INVALID_CA", "peer_unknown_root"],
  ["PATH_LENGTH_EXCEEDED", "peer_path_length"],
  ["INVALID_PURPOSE", "peer_wrong_usage"],
  ["EE_KEY_TOO_SMALL", "peer_weak_key"],
  ["CA_KEY_TOO_SMALL", "peer_weak_key"],
  ["CA_MD_TOO_WEAK", "peer_weak_signature"],
]);

/** Never null: what has no word of its own is `peer_unverified`. */
export function toPeerRefusal(platformCode: string): PeerRefusal {
  return BY_PLATFORM_CODE.get(platformCode) ?? "peer_unverified";
}
