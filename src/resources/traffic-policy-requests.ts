import { z } from "zod";
import { parseWallTime } from "../time/wall-time.ts";
import { durationBetween, numberBetween, textThat, wholeBetween } from "./bounded-value.ts";
import { dnsLabel } from "./name-schema.ts";
import { portNumber, refuseRepeats } from "./port-schema.ts";
import { strictObject } from "./strict-object.ts";
import { exactlyOne, headerName } from "./traffic-policy-instances.ts";

/** The sections of a TrafficPolicy about requests. Every field that may be left out has a default: docs/traffic-policy.md. */

export interface Timeouts {
  /** Only of the whole Service, as is `idle`. */
  readonly connect?: string;
  readonly idle?: string;
  readonly request?: string;
  readonly response?: string;
  readonly perTry?: string;
  readonly streamIdle?: string;
}

export interface Retries {
  readonly attempts?: number;
  readonly conditions?: readonly (RetryWord | number)[];
  readonly anyMethod?: boolean;
  readonly backoff?: { readonly base?: string; readonly max?: string };
  readonly maxRetryAfter?: string;
}

export type RetryWord =
  | "connect"
  | "reset"
  | "timeout"
  | "gateway-error"
  | "5xx"
  | "grpc-cancelled"
  | "grpc-deadline-exceeded"
  | "grpc-resource-exhausted"
  | "grpc-internal"
  | "grpc-unavailable";

export interface RateLimit {
  readonly name: string;
  readonly requests: number;
  readonly period?: string;
  readonly burst?: number;
  readonly by?: "route" | "caller" | "header";
  readonly header?: string;
  readonly overrides?: readonly { readonly caller: string; readonly requests: number }[];
  readonly maxBuckets?: number;
}

/** Exactly one of delay, abort, reset and slowBody. */
export interface Fault {
  readonly name: string;
  readonly percentage?: number;
  /** RFC 3339. */
  readonly until: string;
  readonly delay?: string | { readonly min: string; readonly max: string };
  readonly abort?: { readonly httpStatus?: number; readonly grpcStatus?: number };
  readonly reset?: true;
  readonly slowBody?: { readonly bytesPerSecond: number };
}

export interface Mirror {
  readonly service: string;
  readonly port?: number;
  readonly percentage?: number;
}

export interface Cache {
  readonly maxBytes?: number;
  readonly maxBodyBytes?: number;
  readonly defaultTtl?: string;
  readonly staleWhileRevalidate?: string;
}

const RETRY_WORDS = [
  "connect",
  "reset",
  "timeout",
  "gateway-error",
  "5xx",
  "grpc-cancelled",
  "grpc-deadline-exceeded",
  "grpc-resource-exhausted",
  "grpc-internal",
  "grpc-unavailable",
] as const;
const MILLION = 1_000_000;
const GIGABYTE = 1024 ** 3;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const NAME_RULE = "a name of at most 63 letters, digits, -, _ and .";
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const CALLER = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const percent: z.ZodType<number> = numberBetween(0, 100);

export const timeouts: z.ZodType<Timeouts> = strictObject<Timeouts>({
  connect: durationBetween("10ms", "5m").exactOptional(),
  idle: durationBetween("1s", "24h").exactOptional(),
  request: durationBetween("0s", "24h").exactOptional(),
  response: durationBetween("0s", "24h").exactOptional(),
  perTry: durationBetween("0s", "24h").exactOptional(),
  streamIdle: durationBetween("0s", "24h").exactOptional(),
});

export const retries: z.ZodType<Retries> = strictObject<Retries>({
  attempts: wholeBetween(0, 20).exactOptional(),
  conditions: z
    .array(
      z.union([z.enum(RETRY_WORDS), wholeBetween(400, 599)], `${RETRY_WORDS.join(", ")}, or a status of 400 to 599`),
      "a list of conditions",
    )
    .max(32, "at most 32 conditions")
    .exactOptional(),
  anyMethod: z.boolean("true or false").exactOptional(),
  backoff: strictObject<NonNullable<Retries["backoff"]>>({
    base: durationBetween("1ms", "1m").exactOptional(),
    max: durationBetween("1ms", "10m").exactOptional(),
  }).exactOptional(),
  maxRetryAfter: durationBetween("0s", "1h").exactOptional(),
});

const rateLimit: z.ZodType<RateLimit> = strictObject<RateLimit>({
  name: textThat(NAME, NAME_RULE),
  requests: wholeBetween(1, 1_000 * MILLION),
  period: durationBetween("10ms", "24h").exactOptional(),
  burst: wholeBetween(1, 1_000 * MILLION).exactOptional(),
  by: z.enum(["route", "caller", "header"], "route, caller or header").exactOptional(),
  header: headerName.exactOptional(),
  overrides: z
    .array(
      strictObject<{ readonly caller: string; readonly requests: number }>({
        caller: textThat(CALLER, "<namespace>/<service account>"),
        requests: wholeBetween(0, 1_000 * MILLION),
      }),
      "a list of callers",
    )
    .max(1_000, "at most 1000 callers")
    .superRefine((all, context) => refuseRepeats(context, all, "caller", (item) => item.caller))
    .exactOptional(),
  maxBuckets: wholeBetween(1, MILLION).exactOptional(),
}).superRefine((value, context) => {
  if ((value.by === "header") !== (value.header !== undefined))
    context.addIssue({ code: "custom", path: ["header"], message: "a header name with by: header, and none without" });
  if (value.overrides !== undefined && value.by !== "caller")
    context.addIssue({ code: "custom", path: ["overrides"], message: "none, or by: caller" });
  if (value.maxBuckets !== undefined && (value.by ?? "route") === "route")
    context.addIssue({ code: "custom", path: ["maxBuckets"], message: "none, or by: caller or header" });
});

export const rateLimits: z.ZodType<readonly RateLimit[]> = z
  .array(rateLimit, "a list of rate limits")
  .max(32, "at most 32 rate limits")
  .superRefine((all, context) => refuseRepeats(context, all, "name", (item) => item.name));

const fault: z.ZodType<Fault> = exactlyOne(
  strictObject<Fault>({
    name: textThat(NAME, NAME_RULE),
    percentage: percent.exactOptional(),
    until: z
      .string("a time like 2026-01-31T18:00:00Z: every fault has an end")
      .refine((text) => RFC3339.test(text) && !Number.isNaN(parseWallTime(text)), "a time like 2026-01-31T18:00:00Z"),
    delay: z
      .union(
        [
          durationBetween("1ms", "1h"),
          strictObject<{ readonly min: string; readonly max: string }>({
            min: durationBetween("0s", "1h"),
            max: durationBetween("1ms", "1h"),
          }),
        ],
        "a duration of 1ms to 1h, or {min, max}",
      )
      .exactOptional(),
    abort: strictObject<NonNullable<Fault["abort"]>>({
      httpStatus: wholeBetween(200, 599).exactOptional(),
      grpcStatus: wholeBetween(1, 16).exactOptional(),
    }).exactOptional(),
    reset: z.literal(true, "true").exactOptional(),
    slowBody: strictObject<NonNullable<Fault["slowBody"]>>({
      bytesPerSecond: wholeBetween(1, 1_000 * MILLION),
    }).exactOptional(),
  }),
  ["delay", "abort", "reset", "slowBody"],
);

export const faults: z.ZodType<readonly Fault[]> = z
  .array(fault, "a list of faults")
  .max(32, "at most 32 faults")
  .superRefine((all, context) => refuseRepeats(context, all, "name", (item) => item.name));

export const mirrors: z.ZodType<readonly Mirror[]> = z
  .array(
    strictObject<Mirror>({ service: dnsLabel, port: portNumber.exactOptional(), percentage: percent.exactOptional() }),
    "a list of services",
  )
  .max(8, "at most 8 mirrors")
  .superRefine((all, context) =>
    refuseRepeats(context, all, "service", (item) => `${item.service}:${item.port ?? ""}`),
  );

export const cache: z.ZodType<Cache> = strictObject<Cache>({
  maxBytes: wholeBetween(0, 64 * GIGABYTE).exactOptional(),
  maxBodyBytes: wholeBetween(0, GIGABYTE).exactOptional(),
  defaultTtl: durationBetween("0s", "8760h").exactOptional(),
  staleWhileRevalidate: durationBetween("0s", "8760h").exactOptional(),
}).superRefine(({ maxBytes, maxBodyBytes }, context) => {
  if (maxBytes !== undefined && maxBodyBytes !== undefined && maxBodyBytes > maxBytes)
    context.addIssue({ code: "custom", path: ["maxBodyBytes"], message: `at most maxBytes, ${maxBytes}` });
});

/** Wall-clock milliseconds of a fault's end. */
export function readFaultEnd({ until }: Fault): number {
  return parseWallTime(until);
}
