import { z } from "zod";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { portNumber } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

const MAX_PORTS = 1024;

/** Names ports. Does nothing until a TrafficTarget refers to it. */
export interface TcpRoute extends Resource {
  readonly apiVersion: "specs.smi-spec.io/v1alpha4";
  readonly kind: "TCPRoute";
  readonly spec: TcpRouteSpec;
}

export interface TcpRouteSpec {
  readonly matches: TcpMatch;
}

export interface TcpMatch {
  readonly name?: string;
  /** Ports of the Service or of the workload; [] = every port (default). */
  readonly ports: readonly number[];
}

const match: z.ZodType<TcpMatch> = strictObject<TcpMatch>({
  name: z.string("a string").exactOptional(),
  ports: z.preprocess(
    (value) => value ?? [],
    z
      .array(portNumber, "a list of ports")
      .max(MAX_PORTS, `at most ${MAX_PORTS} ports`)
      .transform((ports) => [...new Set(ports)]),
  ),
});

/** Left out or null = {}: SMI's own tools leave out what is empty. */
function orEmpty<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.preprocess((value) => value ?? {}, schema);
}

export const tcpRouteSchema: z.ZodType<TcpRoute> = strictObject<TcpRoute>({
  apiVersion: z.literal("specs.smi-spec.io/v1alpha4"),
  kind: z.literal("TCPRoute"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: orEmpty(strictObject<TcpRouteSpec>({ matches: orEmpty(match) })),
  status: z.unknown().exactOptional(),
});
