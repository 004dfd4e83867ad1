import { z } from "zod";
import { parseSpiffeId } from "../identity/spiffe-id.ts";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

const MAX_IDENTITIES = 1024;
const SCHEME = "spiffe://";

/** A name for identities, to be the source or destination of a TrafficTarget (SMI Traffic Access Control v1alpha4). */
export interface IdentityBinding extends Resource {
  readonly apiVersion: "access.smi-spec.io/v1alpha4";
  readonly kind: "IdentityBinding";
  readonly spec: { readonly schemes: IdentitySchemes };
}

/** Any of them; at least one. */
export interface IdentitySchemes {
  /** SPIFFE IDs, of this mesh or of a mesh whose bundle it trusts; written with or without `spiffe://`. */
  readonly spiffeIdentities?: readonly string[];
  /** Of the binding's own namespace. */
  readonly serviceAccount?: string;
}

const spiffeIdentity = z
  .string("a SPIFFE ID")
  .refine((id) => parseSpiffeId(toSpiffeId(id)) !== null, "a SPIFFE ID: spiffe://TRUST-DOMAIN/PATH");

/** Of SMI's schemes `podLabelSelector` is not there: labels are not an identity that anybody proves. */
const schemes: z.ZodType<IdentitySchemes> = strictObject<IdentitySchemes>({
  spiffeIdentities: z
    .array(spiffeIdentity, "a list of SPIFFE IDs")
    .min(1, "at least one SPIFFE ID")
    .max(MAX_IDENTITIES, `at most ${MAX_IDENTITIES} SPIFFE IDs`)
    .exactOptional(),
  serviceAccount: dnsSubdomain.exactOptional(),
}).superRefine((value, context) => {
  if (value.serviceAccount !== undefined || value.spiffeIdentities !== undefined) return;
  context.addIssue({ code: "custom", path: [], message: "serviceAccount or spiffeIdentities, or both" });
});

export const identityBindingSchema: z.ZodType<IdentityBinding> = strictObject<IdentityBinding>({
  apiVersion: z.literal("access.smi-spec.io/v1alpha4"),
  kind: z.literal("IdentityBinding"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: strictObject<IdentityBinding["spec"]>({ schemes }),
  status: z.unknown().exactOptional(),
});

/** As certificates have it. SMI's own example leaves the scheme out. */
export function toSpiffeId(written: string): string {
  return written.startsWith(SCHEME) ? written : `${SCHEME}${written}`;
}
