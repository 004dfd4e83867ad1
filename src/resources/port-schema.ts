import { z } from "zod";

const PORT_RULE = "a port: a whole number of 1 to 65535";
const PORT_NAME_RULE = "a port name: 1 to 63 of a-z, 0-9 and -, with at least one letter";
const PORT_NAME = /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export const portNumber: z.ZodType<number> = z.int(PORT_RULE).min(1, PORT_RULE).max(65_535, PORT_RULE);

/** "" = no name. */
export const portName: z.ZodType<string> = z
  .string("a string")
  .refine((text) => text === "" || PORT_NAME.test(text), PORT_NAME_RULE);

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
