import { z } from "zod";
import { durationBetween, numberBetween, textThat, wholeBetween } from "./bounded-value.ts";
import { strictObject } from "./strict-object.ts";

/** The sections of a TrafficPolicy about the instances of a Service. Every field may be left out: docs/traffic-policy.md. */

export interface LoadBalancing {
  readonly strategy?: "adaptive" | "roundRobin" | "leastRequest" | "random" | "peakEwma" | "ringHash" | "maglev";
  readonly slowStart?: string;
  readonly preferZone?: boolean;
  readonly panicPercent?: number;
  readonly ringSize?: number;
  readonly tableSize?: number;
  readonly hashOn?: readonly HashSource[];
}

/** Exactly one of them. */
export interface HashSource {
  readonly cookie?: { readonly name: string; readonly path?: string; readonly ttl?: string };
  readonly header?: string;
  readonly query?: string;
  readonly source?: true;
}

/** Exactly one of http, grpc and tcp. */
export interface HealthCheck {
  readonly http?: { readonly path?: string; readonly statuses?: readonly string[] };
  readonly grpc?: { readonly service?: string };
  readonly tcp?: Readonly<Record<string, never>>;
  readonly interval?: string;
  readonly timeout?: string;
  readonly jitterPercent?: number;
  readonly unhealthyThreshold?: number;
  readonly healthyThreshold?: number;
}

export interface OutlierDetection {
  readonly enabled?: boolean;
  readonly consecutive5xx?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly interval?: string;
  readonly baseEjection?: string;
  readonly maxEjection?: string;
  readonly maxEjectedPercent?: number;
  readonly minInstances?: number;
  readonly successRateFactor?: number;
  readonly failurePercent?: number;
  readonly latencyFactor?: number;
  readonly minRequests?: number;
}

export interface Limits {
  readonly connections?: number;
  readonly pendingRequests?: number;
  readonly requests?: number;
  readonly retries?: number;
  readonly perInstance?: { readonly connections?: number; readonly requests?: number };
}

export interface CircuitBreaker {
  readonly failurePercent?: number;
  readonly slowPercent?: number;
  readonly slowAfter?: string;
  readonly window?: string;
  readonly minRequests?: number;
  readonly open?: string;
  readonly probes?: number;
}

export interface RetryBudget {
  readonly ratio?: number;
  readonly minPerSecond?: number;
}

export interface Overload {
  readonly enabled?: boolean;
  readonly concurrency?: "guard" | "adaptive" | number;
  readonly minConcurrency?: number;
  readonly maxConcurrency?: number;
  readonly maxQueue?: number;
  readonly maxWait?: string;
  readonly priorityHeader?: string;
  readonly priorities?: readonly string[];
}

const STRATEGIES = ["adaptive", "roundRobin", "leastRequest", "random", "peakEwma", "ringHash", "maglev"] as const;
const MILLION = 1_000_000;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
const HEADER_RULE = "a header name";
/** Final ones: what comes before an answer is none. */
const STATUSES = /^[2-5]\d\d(?:-[2-5]\d\d)?$/;
const percent: z.ZodType<number> = numberBetween(0, 100);
const count: z.ZodType<number> = wholeBetween(0, MILLION);

export const headerName: z.ZodType<string> = textThat(TOKEN, HEADER_RULE).transform((name) => name.toLowerCase());

export const hashSource: z.ZodType<HashSource> = exactlyOne(
  strictObject<HashSource>({
    cookie: strictObject<NonNullable<HashSource["cookie"]>>({
      name: textThat(TOKEN, "a cookie name"),
      path: textThat(/^\/[ -:<-~]*$/, "a path that begins with /").exactOptional(),
      ttl: durationBetween("0s", "8760h").exactOptional(),
    }).exactOptional(),
    header: headerName.exactOptional(),
    query: textThat(/^[^\s&=#]{1,256}$/, "the name of a query parameter").exactOptional(),
    source: z.literal(true, "true").exactOptional(),
  }),
  ["cookie", "header", "query", "source"],
);

export const loadBalancing: z.ZodType<LoadBalancing> = strictObject<LoadBalancing>({
  strategy: z.enum(STRATEGIES, `one of ${STRATEGIES.join(", ")}`).exactOptional(),
  slowStart: durationBetween("0s", "1h").exactOptional(),
  preferZone: z.boolean("true or false").exactOptional(),
  panicPercent: percent.exactOptional(),
  ringSize: wholeBetween(1, 8_388_608).exactOptional(),
  tableSize: wholeBetween(3, 5_000_011).refine(isPrime, "a prime of 3 to 5000011, e.g. 65537").exactOptional(),
  hashOn: z.array(hashSource, "a list of sources").min(1, "at least one source").max(8, "at most 8").exactOptional(),
}).superRefine((value, context) => {
  const hashes = value.strategy === "ringHash" || value.strategy === "maglev";
  if (hashes && value.hashOn === undefined)
    context.addIssue({
      code: "custom",
      path: ["hashOn"],
      message: `what ${value.strategy} goes by, e.g. [{cookie: {name: user}}]`,
    });
  if (!hashes && value.hashOn !== undefined)
    context.addIssue({ code: "custom", path: ["hashOn"], message: "none, or strategy ringHash or maglev" });
  if (value.ringSize !== undefined && value.strategy !== "ringHash")
    context.addIssue({ code: "custom", path: ["ringSize"], message: "none, or strategy ringHash" });
  if (value.tableSize !== undefined && value.strategy !== "maglev")
    context.addIssue({ code: "custom", path: ["tableSize"], message: "none, or strategy maglev" });
});

export const healthCheck: z.ZodType<HealthCheck> = exactlyOne(
  strictObject<HealthCheck>({
    http: strictObject<NonNullable<HealthCheck["http"]>>({
      path: textThat(/^\/[!-~]{0,2047}$/, "a path that begins with /").exactOptional(),
      statuses: z
        .array(
          textThat(STATUSES, "a status like 200, or a range like 200-299").refine((range) => {
            const [from = 0, to = from] = range.split("-").map(Number);
            return from <= to;
          }, "a range that begins with the lower status"),
          "a list of statuses",
        )
        .min(1, "at least one status")
        .max(16, "at most 16")
        .exactOptional(),
    }).exactOptional(),
    grpc: strictObject<NonNullable<HealthCheck["grpc"]>>({
      service: textThat(/^[A-Za-z0-9_.]{0,256}$/, "the name of a gRPC service").exactOptional(),
    }).exactOptional(),
    tcp: strictObject<Readonly<Record<string, never>>>({}).exactOptional(),
    interval: durationBetween("100ms", "1h").exactOptional(),
    timeout: durationBetween("10ms", "5m").exactOptional(),
    jitterPercent: percent.exactOptional(),
    unhealthyThreshold: wholeBetween(1, 100).exactOptional(),
    healthyThreshold: wholeBetween(1, 100).exactOptional(),
  }),
  ["http", "grpc", "tcp"],
);

export const outlierDetection: z.ZodType<OutlierDetection> = strictObject<OutlierDetection>({
  enabled: z.boolean("true or false").exactOptional(),
  consecutive5xx: wholeBetween(0, 10_000).exactOptional(),
  consecutiveGatewayErrors: wholeBetween(0, 10_000).exactOptional(),
  interval: durationBetween("100ms", "1h").exactOptional(),
  baseEjection: durationBetween("100ms", "24h").exactOptional(),
  maxEjection: durationBetween("100ms", "24h").exactOptional(),
  maxEjectedPercent: percent.exactOptional(),
  minInstances: wholeBetween(0, 10_000).exactOptional(),
  successRateFactor: numberBetween(0, 100).exactOptional(),
  failurePercent: percent.exactOptional(),
  latencyFactor: numberBetween(0, 1_000).exactOptional(),
  minRequests: wholeBetween(1, MILLION).exactOptional(),
});

export const limits: z.ZodType<Limits> = strictObject<Limits>({
  connections: count.exactOptional(),
  pendingRequests: count.exactOptional(),
  requests: count.exactOptional(),
  retries: count.exactOptional(),
  perInstance: strictObject<NonNullable<Limits["perInstance"]>>({
    connections: count.exactOptional(),
    requests: count.exactOptional(),
  }).exactOptional(),
}).superRefine((value, context) => {
  for (const field of ["connections", "requests"] as const) {
    const all = value[field] ?? 0;
    if (all > 0 && (value.perInstance?.[field] ?? 0) > all)
      context.addIssue({ code: "custom", path: ["perInstance", field], message: `at most that of all, ${all}` });
  }
});

export const circuitBreaker: z.ZodType<CircuitBreaker> = strictObject<CircuitBreaker>({
  failurePercent: percent.exactOptional(),
  slowPercent: percent.exactOptional(),
  slowAfter: durationBetween("1ms", "1h").exactOptional(),
  window: durationBetween("100ms", "1h").exactOptional(),
  minRequests: wholeBetween(1, MILLION).exactOptional(),
  open: durationBetween("10ms", "24h").exactOptional(),
  probes: wholeBetween(1, 10_000).exactOptional(),
}).superRefine((value, context) => {
  if ((value.failurePercent ?? 0) === 0 && (value.slowPercent ?? 0) === 0)
    context.addIssue({ code: "custom", path: [], message: "failurePercent or slowPercent above 0: what it trips on" });
  if ((value.slowPercent ?? 0) > 0 && value.slowAfter === undefined)
    context.addIssue({ code: "custom", path: ["slowAfter"], message: "a duration: what counts as slow" });
  if ((value.slowPercent ?? 0) === 0 && value.slowAfter !== undefined)
    context.addIssue({ code: "custom", path: ["slowAfter"], message: "none, or slowPercent above 0" });
});

export const retryBudget: z.ZodType<RetryBudget> = strictObject<RetryBudget>({
  ratio: numberBetween(0, 10).exactOptional(),
  minPerSecond: numberBetween(0, MILLION).exactOptional(),
});

export const overload: z.ZodType<Overload> = strictObject<Overload>({
  enabled: z.boolean("true or false").exactOptional(),
  concurrency: z
    .union(
      [z.enum(["guard", "adaptive"]), wholeBetween(1, MILLION)],
      "guard, adaptive, or a whole number of 1 to 1000000",
    )
    .exactOptional(),
  minConcurrency: wholeBetween(1, MILLION).exactOptional(),
  maxConcurrency: wholeBetween(1, MILLION).exactOptional(),
  maxQueue: count.exactOptional(),
  maxWait: durationBetween("0s", "5m").exactOptional(),
  priorityHeader: headerName.exactOptional(),
  priorities: z
    .array(textThat(/^[!-~]{1,64}$/, "a name without spaces"), "a list of names, the most important first")
    .min(1, "at least one class")
    .max(32, "at most 32 classes")
    .refine((names) => new Set(names).size === names.length, "each class once")
    .exactOptional(),
}).superRefine((value, context) => {
  const { minConcurrency, maxConcurrency } = value;
  if ((value.concurrency ?? "adaptive") !== "adaptive" && (minConcurrency ?? maxConcurrency) !== undefined)
    context.addIssue({
      code: "custom",
      path: ["concurrency"],
      message: "adaptive, or no minConcurrency and maxConcurrency",
    });
  if (minConcurrency !== undefined && maxConcurrency !== undefined && minConcurrency > maxConcurrency)
    context.addIssue({
      code: "custom",
      path: ["minConcurrency"],
      message: `at most maxConcurrency, ${maxConcurrency}`,
    });
});

/** An issue unless exactly one of `fields` is there. */
export function exactlyOne<T>(schema: z.ZodType<T>, fields: readonly (keyof T & string)[]): z.ZodType<T> {
  return schema.superRefine((value, context) => {
    const found = fields.filter((field) => value[field] !== undefined);
    if (found.length !== 1)
      context.addIssue({ code: "custom", path: [], message: `exactly one of ${fields.join(", ")}` });
  });
}

function isPrime(size: number): boolean {
  for (let divisor = 2; divisor * divisor <= size; divisor += 1) if (size % divisor === 0) return false;
  return true;
}
