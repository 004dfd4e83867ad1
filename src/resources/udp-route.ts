import { z } from "zod";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { type RoutePorts, routePortsSchema } from "./route-ports.ts";
import { strictObject } from "./strict-object.ts";

/** Names ports of UDP. Does nothing until a TrafficTarget refers to it. */
export interface UdpRoute extends Resource {
  readonly apiVersion: "specs.smi-spec.io/v1alpha4";
  readonly kind: "UDPRoute";
  readonly spec: RoutePorts;
}

export const udpRouteSchema: z.ZodType<UdpRoute> = strictObject<UdpRoute>({
  apiVersion: z.literal("specs.smi-spec.io/v1alpha4"),
  kind: z.literal("UDPRoute"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: routePortsSchema,
  status: z.unknown().exactOptional(),
});
