import { z } from "zod";
import type { ControlPlaneBootstrap } from "../control-bootstrap.ts";
import { isTrustDomain } from "../identity/spiffe-id.ts";
import { WeftError } from "../lib/weft-error.ts";

const MIN_TOKEN_CHARACTERS = 32;

const address = z.strictObject({ address: z.string().min(1), port: z.int().min(0).max(65_535) });

const schema: z.ZodType<ControlPlaneBootstrap> = z.strictObject({
  stateDir: z.string().min(1),
  mesh: z.string().min(1),
  trustDomain: z.string().refine(isTrustDomain, 'expected a SPIFFE trust domain: a-z, 0-9, ".", "-", "_"'),
  api: address,
  xds: address,
  apiToken: z.string().min(MIN_TOKEN_CHARACTERS),
  defaults: z.strictObject({
    access: z.enum(["strict", "permissive"]),
    egress: z.enum(["allow", "deny"]),
    certificateLifetime: z.string(),
  }),
  logLevel: z.enum(["error", "warn", "info", "debug"]),
  statusFd: z.int().min(3).nullable().exactOptional(),
});

/** Throws WEFT_CONTROL_BOOTSTRAP; the message names fields and never holds their values, one of which is secret. */
export function parseBootstrap(line: string): ControlPlaneBootstrap {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw refuse("no JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const found = result.error.issues.map((issue) => `${issue.path.join(".") || "the line"}: ${issue.message}`);
  throw refuse(found.join("; "));
}

function refuse(found: string): WeftError {
  return new WeftError(
    "WEFT_CONTROL_BOOTSTRAP",
    `Cannot read the control plane's options from standard input: found ${found}; expected one line of JSON`,
    {
      hint: "weft-control is started by `weft up`; see ControlPlaneBootstrap for its options",
    },
  );
}
