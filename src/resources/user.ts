import { z } from "zod";
import { parseWallTime } from "../time/wall-time.ts";
import { DNS_LABEL_RULE, dnsSubdomain, isDnsLabel } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { refuseRepeats } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { HIDDEN_VALUE } from "./schema-problems.ts";
import { strictObject } from "./strict-object.ts";

export type UserRole = "admin" | "editor" | "viewer";

/** Who may use the API, beside the holder of the token in the mesh's home. Only admins read and write users. */
export interface User extends Resource {
  readonly apiVersion: "weft.dev/v1alpha1";
  readonly kind: "User";
  readonly spec: UserSpec;
}

export interface UserSpec {
  /** "admin": everything. "editor": all but users and the Mesh. "viewer": reads all but users. */
  readonly role: UserRole;
  /** Left out: all of them. Not with the role admin. */
  readonly namespaces?: readonly string[];
  /** Each by its hash: nobody can learn a token from here. Default none. */
  readonly tokens: readonly UserCredential[];
  /** Client certificates of this mesh's own authority. Default none. */
  readonly certificates: readonly UserCredential[];
}

export interface UserCredential {
  /** Of the token's text, or of the certificate's DER: 64 hexadecimal digits in lower case. */
  readonly sha256: string;
  /** RFC 3339; from then on it is refused. Left out: it does not end by itself (a certificate ends when it says so). */
  readonly notAfter?: string;
}

/** So that the list stays short enough to look through, and old ones are taken out. */
export const MAX_USER_CREDENTIALS = 16;
const MAX_NAMESPACES = 64;

const SHA256 = /^[0-9a-f]{64}$/;
const SHA256_RULE = "a SHA-256 hash: 64 hexadecimal digits in lower case";
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const TIME_RULE = "a time in RFC 3339, e.g. 2027-01-31T12:00:00Z";

const credential: z.ZodType<UserCredential> = strictObject<UserCredential>({
  // What is wrong here may be the token itself.
  sha256: z.string(SHA256_RULE).refine((text) => SHA256.test(text), { error: SHA256_RULE, params: HIDDEN_VALUE }),
  notAfter: z
    .string(TIME_RULE)
    .refine((text) => RFC_3339.test(text) && !Number.isNaN(parseWallTime(text)), TIME_RULE)
    .exactOptional(),
});

const NAMESPACES_RULE = `a list of 1 to ${MAX_NAMESPACES} different namespaces`;

const namespaces: z.ZodType<readonly string[]> = z
  .array(z.string(DNS_LABEL_RULE).refine(isDnsLabel, { error: DNS_LABEL_RULE, abort: true }), NAMESPACES_RULE)
  .min(1, NAMESPACES_RULE)
  .max(MAX_NAMESPACES, NAMESPACES_RULE)
  .refine((list) => new Set(list).size === list.length, NAMESPACES_RULE);

const spec: z.ZodType<UserSpec> = strictObject<UserSpec>({
  role: z.enum(["admin", "editor", "viewer"], "admin, editor or viewer"),
  namespaces: namespaces.exactOptional(),
  tokens: credentials(),
  certificates: credentials(),
}).superRefine((value, context) => {
  if (value.role !== "admin" || value.namespaces === undefined) return;
  context.addIssue({
    code: "custom",
    path: ["namespaces"],
    message: "no namespaces with the role admin: an admin may do everything",
  });
});

export const userSchema: z.ZodType<User> = strictObject<User>({
  apiVersion: z.literal("weft.dev/v1alpha1"),
  kind: z.literal("User"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: false }),
  spec,
  status: z.unknown().exactOptional(),
});

function credentials(): z.ZodType<readonly UserCredential[]> {
  const rule = `a list of at most ${MAX_USER_CREDENTIALS} entries`;
  return z
    .array(credential, rule)
    .max(MAX_USER_CREDENTIALS, rule)
    .superRefine((list, context) => refuseRepeats(context, list, "sha256", ({ sha256 }) => sha256))
    .default([]);
}
