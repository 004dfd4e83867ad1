import { z } from "zod";
import { portNumber } from "./port-schema.ts";
import { strictObject } from "./strict-object.ts";

const MAX_PORTS = 1024;

/** What a TCPRoute and a UDPRoute say, each of its own protocol. */
export interface RoutePorts {
  readonly matches: PortMatch;
}

export interface PortMatch {
  readonly name?: string;
  /** Ports of the Service or of the workload; [] = every port (default). */
  readonly ports: readonly number[];
}

const match: z.ZodType<PortMatch> = strictObject<PortMatch>({
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

export const routePortsSchema: z.ZodType<RoutePorts> = orEmpty(strictObject<RoutePorts>({ matches: orEmpty(match) }));
