import { createRequire } from "node:module";
import { z } from "zod";
import { compilePattern } from "../lib/pattern.ts";
import { textThat } from "./bounded-value.ts";
import { portNumber } from "./port-schema.ts";
import { strictObject } from "./strict-object.ts";
import { headerName } from "./traffic-policy-instances.ts";

/** The sections of a TrafficPolicy that change messages or lead them elsewhere: docs/traffic-policy.md. */

export interface HeaderChanges {
  readonly remove?: readonly string[];
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
}

export interface Redirect extends PathChange {
  readonly status?: 301 | 302 | 303 | 307 | 308;
  readonly scheme?: "http" | "https";
  readonly host?: string;
  readonly port?: number;
}

export interface Rewrite extends PathChange {
  readonly host?: string;
}

/** At most one of them. */
export interface PathChange {
  readonly path?: string;
  readonly prefix?: { readonly from: string; readonly to: string };
  readonly regex?: { readonly pattern: string; readonly replacement: string };
}

/** A port has no leading zero. */
const AUTHORITY = /^[A-Za-z0-9.-]{1,253}(?::[1-9]\d{0,4})?$/;
/** Visible characters without `?` and `#`: the query of a request stays. */
const PATH = /^\/[!"$->@-~]{0,2047}$/;
/** What frames or routes a message, and what weft writes itself, is nobody's to change. */
const RESERVED =
  /^(?:connection|content-length|expect|host|http2-settings|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|x-weft-.*)$/;

const changedName: z.ZodType<string> = headerName.refine(
  (name) => !RESERVED.test(name),
  "a header name that neither frames nor routes the message, and is not weft's own (x-weft-…)",
);
/** A space at either end would be lost on the way. */
const headerValue: z.ZodType<string> = textThat(
  /^(?:[\u0021-\u007e](?:[\t\u0020-\u007e]{0,4094}[\u0021-\u007e])?)?$/,
  "a header value: visible characters, with spaces and tabs between them",
);
const changedValues: z.ZodType<Readonly<Record<string, string>>> = z
  .record(z.string(), z.unknown(), "values by header name")
  .transform((values, context) => readHeaderValues(values, context))
  // For what describes the schema: each value is looked at one by one.
  .meta({ additionalProperties: { type: "string" } });

export const headerChanges: z.ZodType<HeaderChanges> = strictObject<HeaderChanges>({
  remove: z.array(changedName, "a list of header names").max(64, "at most 64 names").exactOptional(),
  set: changedValues.exactOptional(),
  add: changedValues.exactOptional(),
});

const pathChange = {
  path: textThat(PATH, "a path that begins with /").exactOptional(),
  prefix: strictObject<NonNullable<PathChange["prefix"]>>({
    from: textThat(PATH, "a path that begins with /"),
    to: textThat(PATH, "a path that begins with /"),
  }).exactOptional(),
  regex: strictObject<NonNullable<PathChange["regex"]>>({
    pattern: z
      .string("a regular expression (RE2 syntax)")
      .max(1024, "at most 1024 characters")
      .refine(isPattern, "a regular expression (RE2 syntax)"),
    replacement: textThat(
      /^(?:[!"$->@-[\]-~]|\\[0-9\\]){0,2048}$/,
      "a path without a query, with \\1 to \\9 for groups and \\\\ for a backslash",
    ),
  })
    .superRefine(({ pattern, replacement }, context) => {
      if (!isPattern(pattern)) return;
      const groups = countGroups(pattern);
      const wanted = Math.max(0, ...[...replacement.matchAll(/\\([0-9\\])/g)].map(([, digit]) => Number(digit) || 0));
      if (wanted > groups)
        context.addIssue({
          code: "custom",
          path: ["replacement"],
          message: `no group above \\${groups}: the pattern has no more`,
        });
    })
    .exactOptional(),
};

export const redirect: z.ZodType<Redirect> = strictObject<Redirect>({
  ...pathChange,
  status: z
    .union(
      [z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)],
      "301, 302, 303, 307 or 308",
    )
    .exactOptional(),
  scheme: z.enum(["http", "https"], "http or https").exactOptional(),
  host: textThat(/^[A-Za-z0-9.-]{1,253}$/, "a host name").exactOptional(),
  port: portNumber.exactOptional(),
}).superRefine((value, context) => {
  refuseTwoPaths(value, context);
  if (Object.keys(value).every((key) => key === "status"))
    context.addIssue({ code: "custom", path: [], message: "a scheme, host, port or path to redirect to" });
});

export const rewrite: z.ZodType<Rewrite> = strictObject<Rewrite>({
  ...pathChange,
  host: textThat(AUTHORITY, "a host name, with a port or without")
    .refine((host) => Number(host.split(":")[1] ?? 1) <= 65_535, "a host name, with a port of 1 to 65535 or without")
    .exactOptional(),
}).superRefine((value, context) => {
  refuseTwoPaths(value, context);
  if (Object.keys(value).length === 0)
    context.addIssue({ code: "custom", path: [], message: "a host, path, prefix or regex to rewrite" });
});

function refuseTwoPaths(value: PathChange, context: z.RefinementCtx): void {
  const found = (["path", "prefix", "regex"] as const).filter((field) => value[field] !== undefined);
  if (found.length > 1)
    context.addIssue({ code: "custom", path: [], message: "at most one of path, prefix and regex" });
}

function isPattern(source: string): boolean {
  try {
    compilePattern(source, "search");
    return true;
  } catch {
    return false;
  }
}

/** Of a valid pattern. */
function countGroups(pattern: string): number {
  const { RE2JS } = createRequire(import.meta.url)("re2js") as typeof import("re2js");
  return RE2JS.compile(pattern).groupCount();
}

/** By lower-case name; as HTTP has it, `X-A` and `x-a` are one name. */
function readHeaderValues(
  values: Readonly<Record<string, unknown>>,
  context: z.RefinementCtx,
): Readonly<Record<string, string>> {
  const result = new Map<string, string>();
  for (const [written, text] of Object.entries(values)) {
    const name = changedName.safeParse(written);
    const value = headerValue.safeParse(text);
    for (const issue of [...(name.error?.issues ?? []), ...(value.error?.issues ?? [])])
      context.addIssue({ code: "custom", path: [written], message: issue.message });
    if (name.data === undefined || value.data === undefined) continue;
    if (result.has(name.data))
      context.addIssue({ code: "custom", path: [written], message: "each header once, in whatever case" });
    result.set(name.data, value.data);
  }
  if (result.size > 64) context.addIssue({ code: "custom", message: "at most 64 headers" });
  return Object.fromEntries(result);
}
