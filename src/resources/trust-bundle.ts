import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { isTrustDomain } from "../identity/spiffe-id.ts";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/**
 * The roots of another trust domain. Peers whose SPIFFE ID names that domain are accepted when their certificate leads to
 * one of them; what they may call is for TrafficTargets to say.
 */
export interface TrustBundle extends Resource {
  readonly apiVersion: "weft.dev/v1alpha1";
  readonly kind: "TrustBundle";
  readonly spec: TrustBundleSpec;
}

export interface TrustBundleSpec {
  /** Never the mesh's own. Of two bundles of one domain the first by name counts. */
  readonly trustDomain: string;
  /** PEM, 1 to 16 certificates of authorities. */
  readonly bundle: string;
}

/** Two for a rotation, and room for domains with several authorities. */
const MAX_ROOTS = 16;
const MAX_BYTES = 64 * 1024;
const DOMAIN_RULE = "the name of a trust domain: a-z, 0-9, ., - and _, at most 255 characters";
const BUNDLE_RULE = `PEM of 1 to ${MAX_ROOTS} certificates of authorities`;
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;

const spec: z.ZodType<TrustBundleSpec> = strictObject<TrustBundleSpec>({
  trustDomain: z.string(DOMAIN_RULE).refine((text) => text !== "" && isTrustDomain(text), DOMAIN_RULE),
  bundle: z.string(BUNDLE_RULE).superRefine((text, context) => {
    const problem = text.length > MAX_BYTES ? `at most ${MAX_BYTES} bytes` : findProblem(text);
    if (problem !== null) context.addIssue({ code: "custom", message: `${BUNDLE_RULE}: ${problem}` });
  }),
});

export const trustBundleSchema: z.ZodType<TrustBundle> = strictObject<TrustBundle>({
  apiVersion: z.literal("weft.dev/v1alpha1"),
  kind: z.literal("TrustBundle"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: false }),
  spec,
  status: z.unknown().exactOptional(),
});

function findProblem(pem: string): string | null {
  const blocks = [...pem.matchAll(PEM_BLOCK)];
  if (blocks.some(([, label]) => label !== "CERTIFICATE")) return "found something else than certificates";
  if (blocks.length === 0 || blocks.length > MAX_ROOTS) return `found ${blocks.length}`;
  for (const [at, [block]] of blocks.entries()) {
    try {
      if (!new X509Certificate(block).ca) return `certificate ${at + 1} is of no authority`;
    } catch {
      return `certificate ${at + 1} cannot be read`;
    }
  }
  return null;
}
