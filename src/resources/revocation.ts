import { z } from "zod";
import { normaliseSerialNumber } from "../identity/revocation-list.ts";
import { parseSpiffeId } from "../identity/spiffe-id.ts";
import { parseWallTime } from "../time/wall-time.ts";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** Cuts a workload, an identity or one certificate off from the mesh, open connections included, for as long as it exists. */
export interface Revocation extends Resource {
  readonly apiVersion: "weft.dev/v1alpha1";
  readonly kind: "Revocation";
  readonly spec: RevocationSpec;
}

/** Exactly one of the first three. */
export interface RevocationSpec {
  /** "<namespace>/<workload>": one instance, whatever certificate it has or asks for. */
  readonly workload?: string;
  /** Everyone with this identity, of this mesh's trust domain or of another that it trusts. */
  readonly spiffeId?: string;
  /** One certificate: hexadecimal, with or without colons. */
  readonly serialNumber?: string;
  /** For people. */
  readonly reason?: string;
  /** RFC 3339; from then on it does not count and is deleted, as the certificate has ended by itself. Left out: it stays. */
  readonly notAfter?: string;
}

const WORKLOAD = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const WORKLOAD_RULE = "a workload as <namespace>/<name>, e.g. default/web-0";
const SPIFFE_RULE = "a SPIFFE ID, e.g. spiffe://example.mesh/ns/default/sa/web";
/** RFC 5280, 4.1.2.2: at most 20 octets. */
const SERIAL = /^[0-9a-f]{1,40}$/;
const SERIAL_RULE = "a serial number: 1 to 40 hexadecimal digits, with or without colons";
const MAX_REASON = 256;
const REASON_RULE = `a text of at most ${MAX_REASON} characters`;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const TIME_RULE = "a time in RFC 3339, e.g. 2027-01-31T12:00:00Z";

const spec: z.ZodType<RevocationSpec> = strictObject<RevocationSpec>({
  workload: z.string(WORKLOAD_RULE).regex(WORKLOAD, WORKLOAD_RULE).exactOptional(),
  spiffeId: z
    .string(SPIFFE_RULE)
    .refine((text) => (parseSpiffeId(text)?.segments.length ?? 0) > 0, SPIFFE_RULE)
    .exactOptional(),
  serialNumber: z
    .string(SERIAL_RULE)
    .refine((text) => SERIAL.test(normaliseSerialNumber(text)), SERIAL_RULE)
    .exactOptional(),
  reason: z.string(REASON_RULE).max(MAX_REASON, REASON_RULE).exactOptional(),
  notAfter: z
    .string(TIME_RULE)
    .refine((text) => RFC_3339.test(text) && !Number.isNaN(parseWallTime(text)), TIME_RULE)
    .exactOptional(),
}).superRefine((value, context) => {
  const count = [value.workload, value.spiffeId, value.serialNumber].filter((each) => each !== undefined).length;
  if (count === 1) return;
  context.addIssue({ code: "custom", message: "exactly one of workload, spiffeId and serialNumber" });
});

export const revocationSchema: z.ZodType<Revocation> = strictObject<Revocation>({
  apiVersion: z.literal("weft.dev/v1alpha1"),
  kind: z.literal("Revocation"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: false }),
  spec,
  status: z.unknown().exactOptional(),
});
