import { z } from "zod";
import type { ControlPlaneBootstrap } from "../control-bootstrap.ts";
import { isTrustDomain } from "../identity/spiffe-id.ts";
import { WeftError } from "../lib/weft-error.ts";

const MIN_TOKEN_CHARACTERS = 32;

const address = z.strictObject({ address: z.string().min(1), port: z.int().min(0).max(65_535) });

const path = z.string().min(1).nullable();

const store = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("lmdb"), path }),
  z.strictObject({
    kind: z.literal("etcd"),
    endpoints: z.array(z.string().min(1)).min(1),
    caFile: path,
    certificateFile: path,
    keyFile: path,
    user: path,
    passwordFile: path,
    secretsKeyFile: z.string().min(1),
  }),
]);

const schema: z.ZodType<ControlPlaneBootstrap> = z.strictObject({
  stateDir: z.string().min(1),
  mesh: z.string().min(1),
  trustDomain: z.string().refine(isTrustDomain, 'expected a SPIFFE trust domain: a-z, 0-9, ".", "-", "_"'),
  api: address,
  apiNames: z.array(z.string().min(1)).exactOptional(),
  apiCertificate: z
    .strictObject({ certificateFile: z.string().min(1), keyFile: z.string().min(1) })
    .nullable()
    .exactOptional(),
  auditFile: path.exactOptional(),
  xds: address,
  apiToken: z.string().min(MIN_TOKEN_CHARACTERS),
  store: store.exactOptional(),
  advertise: z
    .strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) })
    .nullable()
    .exactOptional(),
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
