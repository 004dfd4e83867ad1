import { z } from "zod";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { HIDDEN_VALUE } from "./schema-problems.ts";
import { strictObject } from "./strict-object.ts";

export const TLS_SECRET_TYPE = "kubernetes.io/tls";
export const TLS_CERTIFICATE_KEY = "tls.crt";
export const TLS_PRIVATE_KEY_KEY = "tls.key";

/** Small pieces of what nobody else may know. Only admins read or write them; the gateway gets those that Ingresses name. */
export interface Secret extends Resource {
  readonly apiVersion: "v1";
  readonly kind: "Secret";
  readonly spec?: never;
  /** Default "Opaque". It never changes. */
  readonly type: SecretType;
  /** Base64. */
  readonly data: Readonly<Record<string, string>>;
  /** As written, in plain text; kept in `data`, so what is stored never has it. */
  readonly stringData?: Readonly<Record<string, string>> | null;
  /** May not change any more. */
  readonly immutable?: boolean;
}

export type SecretType = "Opaque" | "kubernetes.io/tls";

interface WrittenSecret extends Resource {
  readonly apiVersion: "v1";
  readonly kind: "Secret";
  readonly spec?: never;
  readonly type: SecretType;
  readonly data?: Readonly<Record<string, string>> | null;
  readonly stringData?: Readonly<Record<string, string>> | null;
  readonly immutable?: boolean;
}

const MAX_BYTES = 1024 * 1024;
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const KEY_RULE = "a key of 1 to 253 characters of A-Z, a-z, 0-9, -, _ and .";
const BASE64_RULE = "base64 (RFC 4648 section 4, with padding); text goes into stringData";
const TEXT_RULE = "a string";

const key: z.ZodType<string> = z.string().refine((text) => KEY.test(text), KEY_RULE);

export const secretSchema: z.ZodType<Secret> = strictObject<WrittenSecret>({
  apiVersion: z.literal("v1"),
  kind: z.literal("Secret"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: z.never("no spec: a Secret has type, data and stringData").exactOptional(),
  type: z.enum(["Opaque", TLS_SECRET_TYPE], `Opaque or ${TLS_SECRET_TYPE}`).default("Opaque"),
  data: z
    .record(
      key,
      z
        .string(BASE64_RULE)
        .refine((text) => BASE64.test(text.replaceAll(/\s/g, "")), { error: BASE64_RULE, params: HIDDEN_VALUE }),
      "an object of base64 texts",
    )
    .nullable()
    .exactOptional(),
  stringData: z.record(key, z.string(TEXT_RULE), "an object of texts").nullable().exactOptional(),
  immutable: z.boolean("true or false").exactOptional(),
  status: z.unknown().exactOptional(),
})
  .transform((written): Secret => {
    const { stringData, data, ...rest } = written;
    const all: Record<string, string> = {};
    for (const [name, value] of Object.entries(data ?? {})) all[name] = value.replaceAll(/\s/g, "");
    for (const [name, value] of Object.entries(stringData ?? {})) all[name] = Buffer.from(value).toString("base64");
    return { ...rest, data: all };
  })
  .superRefine((secret, context) => {
    const bytes = Object.values(secret.data).reduce((sum, value) => sum + Buffer.byteLength(value, "base64"), 0);
    if (bytes > MAX_BYTES) {
      const message = `at most ${MAX_BYTES} bytes in all`;
      context.addIssue({ code: "custom", path: ["data"], message, params: HIDDEN_VALUE });
    }
    if (secret.type !== TLS_SECRET_TYPE) return;
    for (const needed of [TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY_KEY]) {
      if (secret.data[needed] !== undefined) continue;
      context.addIssue({
        code: "custom",
        path: ["data", needed],
        message: `${needed} in PEM: a Secret of type ${TLS_SECRET_TYPE} has ${TLS_CERTIFICATE_KEY} and ${TLS_PRIVATE_KEY_KEY}`,
        params: HIDDEN_VALUE,
      });
    }
  });
