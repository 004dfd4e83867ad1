import { z } from "zod";
import { dnsLabel, dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { refuseRepeats } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** The sum of all weights must fit the 32 bits that xDS gives it: 256 x 1,000,000 does. */
export const MAX_WEIGHT = 1_000_000;
const MAX_BACKENDS = 256;
const MAX_GROUPS = 64;
const WEIGHT_RULE = `a whole number of 0 to ${MAX_WEIGHT}`;

/** Sends what is addressed to one Service to others, by weight, per request. */
export interface TrafficSplit extends Resource {
  readonly apiVersion: "split.smi-spec.io/v1alpha4";
  readonly kind: "TrafficSplit";
  readonly spec: TrafficSplitSpec;
}

export interface TrafficSplitSpec {
  /** The root: the name callers use. Usually a Service of the same namespace, but it need not exist. */
  readonly service: string;
  /** At least one, each Service once; the root itself may be among them. */
  readonly backends: readonly SplitBackend[];
  /** Only requests that fit any of these groups are split; [] = all (default). */
  readonly matches: readonly RouteGroupReference[];
}

export interface SplitBackend {
  /** A Service of the same namespace. */
  readonly service: string;
  /** Relative to the other weights; 0 = nothing. */
  readonly weight: number;
}

/** An HTTPRouteGroup of the same namespace. */
export interface RouteGroupReference {
  readonly kind: "HTTPRouteGroup";
  readonly name: string;
  readonly apiGroup?: "specs.smi-spec.io";
}

/** Backends of any form of weight: at least one, each Service once. */
export function splitBackendsSchema<T extends { readonly service: string }>(
  backend: z.ZodType<T>,
): z.ZodType<readonly T[]> {
  return z
    .array(backend, "a list of backends")
    .min(1, "at least one backend")
    .max(MAX_BACKENDS, `at most ${MAX_BACKENDS} backends`)
    .superRefine((all, context) => refuseRepeats(context, all, "service", (item) => item.service));
}

export const weightedBackends: z.ZodType<readonly SplitBackend[]> = splitBackendsSchema(
  strictObject<SplitBackend>({
    service: dnsLabel,
    weight: z.int(WEIGHT_RULE).min(0, WEIGHT_RULE).max(MAX_WEIGHT, WEIGHT_RULE),
  }),
);

const group: z.ZodType<RouteGroupReference> = strictObject<RouteGroupReference>({
  kind: z.literal("HTTPRouteGroup", "HTTPRouteGroup: only HTTP requests can be told apart"),
  name: dnsSubdomain,
  apiGroup: z.literal("specs.smi-spec.io").exactOptional(),
});

export const trafficSplitSpecSchema: z.ZodType<TrafficSplitSpec> = strictObject<TrafficSplitSpec>({
  service: dnsSubdomain,
  backends: weightedBackends,
  matches: z.preprocess(
    (value) => value ?? [],
    z.array(group, "a list of HTTPRouteGroups").max(MAX_GROUPS, `at most ${MAX_GROUPS} groups`),
  ),
});

export const trafficSplitSchema: z.ZodType<TrafficSplit> = strictObject<TrafficSplit>({
  apiVersion: z.literal("split.smi-spec.io/v1alpha4"),
  kind: z.literal("TrafficSplit"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: trafficSplitSpecSchema,
  status: z.unknown().exactOptional(),
});

/** The root as the name of a Service of the split's namespace, however long it was written. */
export function rootServiceName(split: TrafficSplit): string {
  const { namespace } = split.metadata;
  const root = split.spec.service;
  for (const suffix of [`.${namespace}.svc.cluster.local`, `.${namespace}.svc`, `.${namespace}`]) {
    if (root.endsWith(suffix)) return root.slice(0, -suffix.length);
  }
  return root;
}
