import type { z } from "zod";
import type { ObjectMeta } from "./resource.ts";

/**
 * Narrows a TrafficTarget to one port: what `destination.port` says in v1alpha1 and v1alpha2, which later versions have no
 * field for. An annotation outlives clients that know only the fields of their own version.
 */
export const DESTINATION_PORT_ANNOTATION = "weft.dev/destination-port";

const PORT = /^[1-9]\d{0,4}$/;

/** Of the Service or of the workload; null: every port. 0, which is no port, for what cannot be read. */
export function readDestinationPort({ annotations }: ObjectMeta): number | null {
  const text = annotations?.[DESTINATION_PORT_ANNOTATION];
  if (text === undefined) return null;
  return PORT.test(text) && Number(text) <= 65_535 ? Number(text) : 0;
}

/** Adds an issue when the annotation is no port. */
export function checkDestinationPort(metadata: ObjectMeta, context: z.RefinementCtx): void {
  if (readDestinationPort(metadata) !== 0) return;
  context.addIssue({
    code: "custom",
    path: ["metadata", "annotations", DESTINATION_PORT_ANNOTATION],
    message: 'a port in quotes: "1" to "65535"',
  });
}
