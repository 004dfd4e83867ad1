import { z } from "zod";
import { dnsSubdomain } from "../name-schema.ts";
import { createObjectMetaSchema } from "../object-meta-schema.ts";
import type { ObjectMeta, Resource } from "../resource.ts";
import { strictObject } from "../strict-object.ts";

/** What every object has, wherever its content stands. */
export type OlderFrame = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly status?: unknown;
};

/** An object of an older version whose content stands under `spec`. */
export interface OlderObject extends Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: unknown;
}

/** Of every SMI kind: all are namespaced. */
export const olderMetadata: z.ZodType<ObjectMeta> = createObjectMetaSchema({ name: dnsSubdomain, namespaced: true });

export function olderObjectSchema(apiVersion: string, kind: string, spec: z.ZodType): z.ZodType<OlderObject> {
  return strictObject<OlderObject>({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind),
    metadata: olderMetadata,
    spec,
    status: z.unknown().exactOptional(),
  });
}
