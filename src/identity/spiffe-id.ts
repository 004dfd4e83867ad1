/**
 * SPIFFE IDs, strictly: `spiffe://<trust domain>/<path>` in the one spelling the SPIFFE ID standard allows. There is no
 * normalisation: what another spelling could mean is refused, so IDs compare as plain strings.
 *
 * In weft an identity is `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
 */
export interface WorkloadId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export interface SpiffeId {
  readonly trustDomain: string;
  /** Without empty or dot segments; an ID without a path names the trust domain itself. */
  readonly segments: readonly string[];
}

/** SPIFFE ID standard, 2.3: implementations must not generate longer ones. */
const MAX_ID_BYTES = 2048;
/** SPIFFE ID standard, 2.1. */
const MAX_TRUST_DOMAIN_BYTES = 255;

const SCHEME = "spiffe://";
const TRUST_DOMAIN_CHARACTERS = /^[a-z0-9._-]+$/;
const SEGMENT_CHARACTERS = /^[A-Za-z0-9._-]+$/;

/** Null when `text` is not a well-formed SPIFFE ID. */
export function parseSpiffeId(text: string): SpiffeId | null {
  if (text.length > MAX_ID_BYTES || !text.startsWith(SCHEME)) return null;
  const [trustDomain = "", ...segments] = text.slice(SCHEME.length).split("/");
  if (!isTrustDomain(trustDomain)) return null;
  return segments.every(isPathSegment) ? { trustDomain, segments } : null;
}

/** Null when `text` is not a SPIFFE ID of the form that weft gives to workloads. */
export function parseWorkloadId(text: string): WorkloadId | null {
  const id = parseSpiffeId(text);
  if (id === null || id.segments.length !== 4) return null;
  const [ns, namespace, sa, serviceAccount] = id.segments;
  if (ns !== "ns" || sa !== "sa" || namespace === undefined || serviceAccount === undefined) return null;
  return { trustDomain: id.trustDomain, namespace, serviceAccount };
}

/** Throws RangeError when a part has characters that a SPIFFE ID cannot hold. */
export function formatWorkloadId(id: WorkloadId): string {
  if (!isTrustDomain(id.trustDomain)) {
    throw new RangeError(
      `Cannot form a SPIFFE ID in trust domain ${JSON.stringify(id.trustDomain)}; expected 1 to 255 of a-z, 0-9, ".", "-", "_"`,
    );
  }
  const parts = { namespace: id.namespace, "service account": id.serviceAccount };
  for (const [what, value] of Object.entries(parts)) {
    if (isPathSegment(value)) continue;
    throw new RangeError(
      `Cannot form a SPIFFE ID for ${what} ${JSON.stringify(value)}; expected letters, digits, ".", "-", "_"`,
    );
  }
  const text = `${SCHEME}${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
  if (text.length > MAX_ID_BYTES) {
    throw new RangeError(`Cannot form a SPIFFE ID of ${text.length} bytes; expected at most ${MAX_ID_BYTES}`);
  }
  return text;
}

export function isTrustDomain(text: string): boolean {
  return text.length <= MAX_TRUST_DOMAIN_BYTES && TRUST_DOMAIN_CHARACTERS.test(text);
}

function isPathSegment(text: string): boolean {
  return text !== "." && text !== ".." && SEGMENT_CHARACTERS.test(text);
}
