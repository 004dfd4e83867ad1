import type { Revocation } from "../revocation.ts";
import type { TrustBundle } from "../trust-bundle.ts";
import type { KindDocs } from "./field-docs.ts";

export const REVOCATION_DOCS: KindDocs<Revocation> = {
  text: "Cuts a workload, an identity or one certificate off from the mesh, open connections included. Deleting it takes that back.",
  fields: {
    spec: [
      "Who is cut off: exactly one of workload, spiffeId and serialNumber.",
      {
        workload: "One instance, as <namespace>/<name>, whatever certificate it has or asks for.",
        spiffeId: "Everyone with this SPIFFE ID, of this mesh or of a trust domain that it trusts.",
        serialNumber: "One certificate: hexadecimal digits, with or without colons.",
        reason: "Why, for people.",
        notAfter: "From then on it does not count and is deleted, in RFC 3339; left out, it stays.",
      },
    ],
  },
};

export const TRUST_BUNDLE_DOCS: KindDocs<TrustBundle> = {
  text: "The roots of another trust domain, whose workloads may then call and be called where policy allows it.",
  fields: {
    spec: [
      "The other trust domain and what its certificates must lead to.",
      {
        trustDomain: "Its name, as in spiffe://<name>/…; never the mesh's own.",
        bundle: "Its roots in PEM, 1 to 16 certificates of authorities: what `weft identity bundle` prints there.",
      },
    ],
  },
};
