import { z } from "zod";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { type RoutePorts, routePortsSchema } from "./route-ports.ts";
import { strictObject } from "./strict-object.ts";

/** Names ports of TCP. Does nothing until a TrafficTarget refers to it. */
export interface TcpRoute extends Resource {
  readonly apiVersion: "specs.smi-spec.io/v1alpha4";
  readonly kind: "TCPRoute";
  readonly spec: RoutePorts;
}

export const tcpRouteSchema: z.ZodType<TcpRoute> = strictObject<TcpRoute>({
  apiVersion: z.literal("specs.smi-spec.io/v1alpha4"),
  kind: z.literal("TCPRoute"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: routePortsSchema,
  status: z.unknown().exactOptional(),
});
