import { z } from "zod";
import { compilePattern } from "../lib/pattern.ts";
import { WeftError } from "../lib/weft-error.ts";
import { createHeaderPatternsSchema, type HeaderPatterns } from "./header-patterns.ts";
import { dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { refuseRepeats } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** Bounds what one group may cost a proxy. */
const MAX_MATCHES = 256;
/** Half of what `compilePattern` takes: the control plane writes a little around it. */
const MAX_REGEX_LENGTH = 1024;

/** Names kinds of HTTP requests. Does nothing until a TrafficTarget or a TrafficSplit refers to it. */
export interface HttpRouteGroup extends Resource {
  readonly apiVersion: "specs.smi-spec.io/v1alpha4";
  readonly kind: "HTTPRouteGroup";
  readonly spec: HttpRouteGroupSpec;
}

export interface HttpRouteGroupSpec {
  /** A request fits the group when it fits any of these; none = no request fits. */
  readonly matches: readonly HttpMatch[];
}

/** A request fits when path, method and every header fit. */
export interface HttpMatch {
  /** Unique in the group. */
  readonly name: string;
  /** RE2, anchored at the start of the path (no query) and open at its end. ".*" = any path (default). */
  readonly pathRegex: string;
  /** ["*"] = any method (default); otherwise each once, no "*". */
  readonly methods: readonly HttpMethod[];
  /** RE2, found anywhere in the value; as it was written (`readHeaderPatterns`). {} = no condition (default). */
  readonly headers: HeaderPatterns;
}

export type HttpMethod = "*" | "GET" | "HEAD" | "PUT" | "POST" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH";

const METHODS = ["*", "GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] as const;

const regex: z.ZodType<string> = z.string("a regular expression (RE2 syntax)").superRefine((source, context) => {
  if (source.length > MAX_REGEX_LENGTH) {
    context.addIssue({ code: "custom", message: `a regular expression of at most ${MAX_REGEX_LENGTH} characters` });
    return;
  }
  try {
    compilePattern(source, "search");
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    context.addIssue({ code: "custom", message: `a regular expression (RE2 syntax): ${String(error.details.reason)}` });
  }
});

/** Some meshes' examples write a bare "*" for any path. */
const pathRegex: z.ZodType<string> = z.preprocess(
  (value) => (value === undefined || value === "" || value === "*" ? ".*" : value),
  regex,
);

const methods: z.ZodType<readonly HttpMethod[]> = z
  .array(z.enum(METHODS, `one of ${METHODS.join(", ")} (upper case)`), "a list of methods")
  .default([])
  .transform((list) => (list.length === 0 || list.includes("*") ? ["*"] : [...new Set(list)]));

const headers: z.ZodType<HeaderPatterns> = createHeaderPatternsSchema(regex);

const MATCH = {
  name: z.string("a string").min(1, "a name that is not empty").max(253, "a name of at most 253 characters"),
  pathRegex,
  methods,
};

export const httpMatchesSchema: z.ZodType<readonly HttpMatch[]> = listOf(
  strictObject<HttpMatch>({ ...MATCH, headers }),
);

/** Before there were headers. */
export const headerlessMatchesSchema: z.ZodType<readonly HeaderlessMatch[]> = listOf(
  strictObject<HeaderlessMatch>(MATCH),
);

export type HeaderlessMatch = Omit<HttpMatch, "headers">;

export const httpRouteGroupSpecSchema: z.ZodType<HttpRouteGroupSpec> = strictObject<HttpRouteGroupSpec>({
  matches: httpMatchesSchema,
});

function listOf<T extends { readonly name: string }>(match: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z
    .array(match, "a list of matches")
    .max(MAX_MATCHES, `at most ${MAX_MATCHES} matches`)
    .superRefine((all, context) => refuseRepeats(context, all, "name", (item) => item.name));
}

export const httpRouteGroupSchema: z.ZodType<HttpRouteGroup> = strictObject<HttpRouteGroup>({
  apiVersion: z.literal("specs.smi-spec.io/v1alpha4"),
  kind: z.literal("HTTPRouteGroup"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: httpRouteGroupSpecSchema,
  status: z.unknown().exactOptional(),
});
