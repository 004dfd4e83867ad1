import { isIP } from "node:net";
import { z } from "zod";
import { parseDurationMs } from "../lib/duration.ts";
import { APP_PROTOCOLS, type AppProtocol, MAX_WORKERS } from "../proxy-node.ts";
import { dnsLabel, isDnsSubdomain } from "../resources/name-schema.ts";
import { portNumber } from "../resources/port-schema.ts";
import { strictObject } from "../resources/strict-object.ts";
import { isStore, STORE_RULE } from "./parse-store.ts";

/** weft.yaml as written. Defaults that depend on other fields are applied in `parse-weft-yaml.ts`. */
export interface WrittenWeftYaml {
  readonly mesh: string;
  readonly trustDomain?: string;
  readonly access: "strict" | "permissive";
  readonly egress: "allow" | "deny";
  readonly certificateLifetime: string;
  readonly ingress: readonly WrittenIngress[];
  readonly ingressWorkers?: number | "auto";
  readonly zone?: string;
  readonly store?: string | WrittenStore;
  readonly services: Readonly<Record<string, WrittenService>>;
  readonly resources: readonly string[];
}

/** A store that needs files. */
export interface WrittenStore {
  readonly url: string;
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly secretsKey?: string;
}

export interface WrittenIngress {
  readonly port: number;
  readonly tls?: number;
  readonly bind: string;
  readonly service?: string;
  readonly passthrough?: Readonly<Record<string, string>>;
}

export interface WrittenService extends WrittenInstances {
  readonly versions?: Readonly<Record<string, WrittenInstances>>;
  readonly port?: number;
  readonly protocol: AppProtocol;
  readonly workers?: number | "auto";
  readonly workloadApi?: boolean;
  readonly allow?: readonly string[];
}

export interface WrittenInstances {
  readonly command?: string;
  readonly address?: WrittenAddress;
  readonly replicas?: number;
  readonly appPort?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly zone?: string;
}

export interface WrittenAddress {
  readonly host: string;
  readonly port: number;
}

/** The same as in the Mesh resource. */
const DEFAULT_CERTIFICATE_LIFETIME = "24h";
const MIN_CERTIFICATE_LIFETIME_MS = 10_000;
const MAX_CERTIFICATE_LIFETIME_MS = 365 * 24 * 3_600_000;
const LIFETIME_RULE = "a duration of 10s to 8760h, e.g. 24h or 90m";
/** Each is a process and a sidecar on this machine. */
const MAX_REPLICAS = 50;
const REPLICAS_RULE = `a whole number of 1 to ${MAX_REPLICAS}`;
const INGRESS_PORT_RULE = "a port of 1 to 65535, or 0 for any free one";
const HOST_RULE = "a host name like db.example.com, or *.example.com";
const TRUST_DOMAIN_RULE = "a trust domain: at most 255 of a-z, 0-9, ., - and _";
const ADDRESS_RULE = "an address like 127.0.0.1:5432 or db.example.com:5432";
const COMMAND_RULE = "a command for the shell";

const address: z.ZodType<WrittenAddress> = z.string(ADDRESS_RULE).transform((text, context) => {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, "$1");
  const digits = text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if ((isIP(host) === 0 && !isDnsSubdomain(host)) || port < 1 || port > 65_535) {
    context.addIssue({ code: "custom", message: ADDRESS_RULE });
    return z.NEVER;
  }
  return { host, port };
});

const variable = z
  .union([z.string(), z.number(), z.boolean()], "a string, a number or true or false")
  .transform((value) => String(value));

const env: z.ZodType<Readonly<Record<string, string>>> = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable"),
  variable,
  "environment variables: names and values",
);

const instances = {
  command: z.string(COMMAND_RULE).trim().min(1, COMMAND_RULE).exactOptional(),
  address: address.exactOptional(),
  replicas: z.int(REPLICAS_RULE).min(1, REPLICAS_RULE).max(MAX_REPLICAS, REPLICAS_RULE).exactOptional(),
  appPort: portNumber.exactOptional(),
  env: env.exactOptional(),
  zone: dnsLabel.exactOptional(),
};

/** Each is a process; a proxy that needs more wants another replica beside it. */
const workers: z.ZodType<number | "auto"> = z.union(
  [z.int().min(1).max(MAX_WORKERS), z.literal("auto")],
  `a whole number of 1 to ${MAX_WORKERS}, or auto`,
);

const ingress: z.ZodType<WrittenIngress> = strictObject<WrittenIngress>({
  port: z.int(INGRESS_PORT_RULE).min(0, INGRESS_PORT_RULE).max(65_535, INGRESS_PORT_RULE),
  tls: z.int(INGRESS_PORT_RULE).min(0, INGRESS_PORT_RULE).max(65_535, INGRESS_PORT_RULE).exactOptional(),
  bind: z
    .string()
    .refine((text) => isIP(text) !== 0, "an IP address, e.g. 127.0.0.1 or 0.0.0.0")
    .default("127.0.0.1"),
  service: dnsLabel.exactOptional(),
  passthrough: z
    .record(
      z
        .string()
        .transform((text) => text.toLowerCase())
        .refine((text) => isDnsSubdomain(text.startsWith("*.") ? text.slice(2) : text), HOST_RULE),
      dnsLabel,
      "services by TLS server name",
    )
    .exactOptional(),
});

const service: z.ZodType<WrittenService> = strictObject<WrittenService>({
  ...instances,
  versions: z.record(dnsLabel, strictObject<WrittenInstances>(instances), "versions by name").exactOptional(),
  port: portNumber.exactOptional(),
  protocol: z.enum(APP_PROTOCOLS, "http, http2, grpc, tcp, udp or detect").default("http"),
  workers: workers.exactOptional(),
  workloadApi: z.boolean("true or false").exactOptional(),
  allow: z.array(dnsLabel, "a list of services that may call this one").exactOptional(),
});

const lifetime: z.ZodType<string> = z.string(LIFETIME_RULE).refine((text) => {
  const ms = parseDurationMs(text);
  return ms !== null && ms >= MIN_CERTIFICATE_LIFETIME_MS && ms <= MAX_CERTIFICATE_LIFETIME_MS;
}, LIFETIME_RULE);

const storeUrl: z.ZodType<string> = z.string(STORE_RULE).refine(isStore, STORE_RULE);
const storeFile = z.string("a path").min(1, "a path").exactOptional();

const store: z.ZodType<string | WrittenStore> = z.union(
  [
    storeUrl,
    strictObject<WrittenStore>({
      url: storeUrl,
      ca: storeFile,
      certificate: storeFile,
      key: storeFile,
      user: z.string("a user of etcd").min(1, "a user of etcd").exactOptional(),
      passwordFile: storeFile,
      secretsKey: storeFile,
    }),
  ],
  `${STORE_RULE}; or an object with such a url, and ca, certificate, key, user, passwordFile, secretsKey`,
);

/** Every message says what is expected; give it to `checkSchema`. */
export const weftYamlSchema: z.ZodType<WrittenWeftYaml> = strictObject<WrittenWeftYaml>({
  mesh: dnsLabel,
  trustDomain: z
    .string(TRUST_DOMAIN_RULE)
    .regex(/^[a-z0-9._-]{1,255}$/, TRUST_DOMAIN_RULE)
    .exactOptional(),
  access: z.enum(["strict", "permissive"], "strict or permissive").default("strict"),
  egress: z.enum(["allow", "deny"], "allow or deny").default("allow"),
  certificateLifetime: lifetime.default(DEFAULT_CERTIFICATE_LIFETIME),
  ingress: z.array(ingress, "a list of ingress listeners").default([]),
  ingressWorkers: workers.exactOptional(),
  zone: dnsLabel.exactOptional(),
  store: store.exactOptional(),
  services: z.preprocess((value) => value ?? {}, z.record(dnsLabel, service, "services by name")),
  resources: z.array(z.string("a path or glob").min(1, "a path or glob"), "a list of paths and globs").default([]),
});
