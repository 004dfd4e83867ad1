import { z } from "zod";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** What an IngressClass names when weft's gateway is to serve its Ingresses. */
export const INGRESS_CONTROLLER = "weft.dev/ingress";
/** With "true": Ingresses that name no class are of this one. */
export const DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class";

/** Who serves the Ingresses that name it. */
export interface IngressClass extends Resource {
  readonly apiVersion: "networking.k8s.io/v1";
  readonly kind: "IngressClass";
  readonly spec: IngressClassSpec;
}

export interface IngressClassSpec {
  /** `weft.dev/ingress`, or another controller, whose Ingresses weft leaves alone. It never changes. */
  readonly controller: string;
  /** Of other controllers; weft has none. */
  readonly parameters?: IngressClassParameters;
}

export interface IngressClassParameters {
  readonly apiGroup?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly scope?: "Cluster" | "Namespace";
}

const CONTROLLER_RULE = `a DNS name and a path, at most 250 characters, e.g. ${INGRESS_CONTROLLER}`;
const CONTROLLER = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9/_.~-]+$/;

export const ingressClassSchema: z.ZodType<IngressClass> = strictObject<IngressClass>({
  apiVersion: z.literal("networking.k8s.io/v1"),
  kind: z.literal("IngressClass"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: false }),
  spec: strictObject<IngressClassSpec>({
    controller: z
      .string(CONTROLLER_RULE)
      .refine((text) => text.length <= 250 && CONTROLLER.test(text), CONTROLLER_RULE),
    parameters: strictObject<IngressClassParameters>({
      apiGroup: dnsSubdomain.exactOptional(),
      kind: z.string("a kind").min(1, "a kind"),
      name: z.string("a name").min(1, "a name"),
      namespace: dnsSubdomain.exactOptional(),
      scope: z.enum(["Cluster", "Namespace"], "Cluster or Namespace").exactOptional(),
    }).exactOptional(),
  }),
  status: z.unknown().exactOptional(),
});
