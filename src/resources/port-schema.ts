import { z } from "zod";
import { DNS_LABEL_RULE, isDnsLabel } from "./name-schema.ts";

const PORT_RULE = "a port: a whole number of 1 to 65535";
const TARGET_NAME = /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export const portNumber: z.ZodType<number> = z.int(PORT_RULE).min(1, PORT_RULE).max(65_535, PORT_RULE);

/** Of a Service or an EndpointSlice; "" = no name. `kubectl create service` makes names like "80-8080". */
export const portName: z.ZodType<string> = z
  .string("a string")
  .refine((text) => text === "" || isDnsLabel(text), DNS_LABEL_RULE);

/** Of a port of a workload: with a letter, so that it cannot be taken for a number. */
export function isTargetPortName(text: string): boolean {
  return TARGET_NAME.test(text);
}

export const transportProtocol: z.ZodType<"TCP" | "UDP" | "SCTP"> = z.enum(["TCP", "UDP", "SCTP"], "TCP, UDP or SCTP");

/** Adds an issue at `field` of every item whose key an earlier item has; null or "" = no key. */
export function refuseRepeats<T>(
  context: z.RefinementCtx,
  items: readonly T[],
  field: string,
  keyOf: (item: T) => string | null,
): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (key === null || key === "") continue;
    if (seen.has(key)) {
      context.addIssue({ code: "custom", path: [index, field], message: `a ${field} that no other entry has` });
    }
    seen.add(key);
  }
}
