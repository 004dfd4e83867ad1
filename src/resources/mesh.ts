import { z } from "zod";
import { parseDurationMs } from "../lib/duration.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** The one Mesh there may be. */
export const MESH_NAME = "mesh";

/** What Istio, Linkerd and Consul use too: short enough that a stolen key soon is worthless, with half of it to renew in. */
const DEFAULT_CERTIFICATE_LIFETIME = "24h";
const MIN_CERTIFICATE_LIFETIME_MS = 10_000;
const MAX_CERTIFICATE_LIFETIME_MS = 365 * 24 * 3_600_000;
const LIFETIME_RULE = "a duration of 10s to 8760h, e.g. 24h or 90m";

/** Settings of the whole mesh. Without this resource all of them have their defaults. */
export interface Mesh extends Resource {
  readonly apiVersion: "weft.dev/v1alpha1";
  readonly kind: "Mesh";
  readonly spec: MeshSpec;
}

export interface MeshSpec {
  /** "strict" (default): what no TrafficTarget allows is denied. "permissive": it is allowed, and counted. */
  readonly access: "strict" | "permissive";
  /** What happens to requests for hosts outside the mesh. Default "allow". */
  readonly egress: "allow" | "deny";
  /** How long a workload's certificate lives; a duration for `parseDurationMs`. Default "24h". */
  readonly certificateLifetime: string;
}

const lifetime: z.ZodType<string> = z.string(LIFETIME_RULE).refine((text) => {
  const ms = parseDurationMs(text);
  return ms !== null && ms >= MIN_CERTIFICATE_LIFETIME_MS && ms <= MAX_CERTIFICATE_LIFETIME_MS;
}, LIFETIME_RULE);

const spec: z.ZodType<MeshSpec> = strictObject<MeshSpec>({
  access: z.enum(["strict", "permissive"], "strict or permissive").default("strict"),
  egress: z.enum(["allow", "deny"], "allow or deny").default("allow"),
  certificateLifetime: lifetime.default(DEFAULT_CERTIFICATE_LIFETIME),
});

export const meshSchema: z.ZodType<Mesh> = strictObject<Mesh>({
  apiVersion: z.literal("weft.dev/v1alpha1"),
  kind: z.literal("Mesh"),
  metadata: createObjectMetaSchema({
    name: z.literal(MESH_NAME, `"${MESH_NAME}": there is one Mesh, with this name`),
    namespaced: false,
  }),
  spec: z.preprocess((value) => value ?? {}, spec),
  status: z.unknown().exactOptional(),
});
