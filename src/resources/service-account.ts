import { z } from "zod";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** The identity workloads run under. Only the name matters to weft; the fields are Kubernetes' own. */
export interface ServiceAccount extends Resource {
  readonly apiVersion: "v1";
  readonly kind: "ServiceAccount";
  readonly spec?: never;
  readonly automountServiceAccountToken?: boolean;
  readonly imagePullSecrets?: readonly { readonly name?: string }[];
  readonly secrets?: readonly Readonly<Record<string, unknown>>[];
}

export const serviceAccountSchema: z.ZodType<ServiceAccount> = strictObject<ServiceAccount>({
  apiVersion: z.literal("v1"),
  kind: z.literal("ServiceAccount"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: z.never("no spec: a ServiceAccount has only metadata").exactOptional(),
  status: z.unknown().exactOptional(),
  automountServiceAccountToken: z.boolean("true or false").exactOptional(),
  imagePullSecrets: z
    .array(strictObject<{ name?: string }>({ name: z.string("a string").exactOptional() }), "a list of {name}")
    .exactOptional(),
  secrets: z.array(z.record(z.string(), z.unknown(), "an object"), "a list of objects").exactOptional(),
});
