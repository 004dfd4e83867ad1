import type { envoy } from "#gen/protos.js";
import type { CachePolicy, FaultAction, FaultPolicy, RateLimitPolicy } from "../policy/route-policy.ts";
import type { RequestMatch } from "../snapshot.ts";
import { decodeRouteMatch } from "./decode-match.ts";
import { ConfigRefusal } from "./refuse.ts";
import {
  ANY_COUNT,
  ANY_DURATION,
  LONG_DURATION,
  MAX_DURATION_MS,
  PERCENT,
  SOME_COUNT,
  SOME_DURATION,
} from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const SERVICE_ACCOUNT = /^[^/\s]+\/[^/\s]+$/;
const DEFAULT_BUCKETS = 10_000;
const BUCKETS = { min: 1, max: 1_000_000 };
const MAX_WALL_MS = 8_640_000_000_000_000;
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;
const DEFAULT_CACHED_BODY_BYTES = 1024 * 1024;

export function decodeRateLimit(reader: StructReader): RateLimitPolicy {
  const by = reader.choice("by", "route", ["route", "caller", "header"]);
  if (by !== "header" && reader.has("header")) {
    throw new ConfigRefusal(reader.at("header"), `a header for ${by}`, 'one only with by "header"');
  }
  const requests = reader.number("requests", null, SOME_COUNT);
  const limit: RateLimitPolicy = {
    name: reader.text("name", ""),
    match: decodeMatch(reader.object("match")),
    by,
    header: by === "header" ? reader.text("header", null, HEADER_NAME, "a lower-case header name") : "",
    requests,
    periodMs: reader.number("periodMs", null, SOME_DURATION),
    burst: reader.number("burst", requests, SOME_COUNT),
    overrides: decodeOverrides(by, reader),
    maxBuckets: reader.number("maxBuckets", DEFAULT_BUCKETS, BUCKETS),
  };
  reader.finish();
  return limit;
}

export function decodeFault(reader: StructReader): FaultPolicy {
  const fault: FaultPolicy = {
    name: reader.text("name", ""),
    match: decodeMatch(reader.object("match")),
    percentage: reader.number("percentage", null, PERCENT),
    untilMs: reader.number("untilMs", null, { min: 0, max: MAX_WALL_MS }),
    action: decodeAction(reader),
  };
  reader.finish();
  return fault;
}

export function decodeCache(reader: StructReader): CachePolicy {
  const cache: CachePolicy = {
    maxBytes: reader.number("maxBytes", DEFAULT_CACHE_BYTES, ANY_BYTES),
    maxBodyBytes: reader.number("maxBodyBytes", DEFAULT_CACHED_BODY_BYTES, ANY_BYTES),
    defaultTtlMs: reader.number("defaultTtlMs", 0, LONG_DURATION),
    staleWhileRevalidateMs: reader.number("staleWhileRevalidateMs", 0, LONG_DURATION),
  };
  reader.finish();
  return cache;
}

const ANY_BYTES = { min: 0, max: Number.MAX_SAFE_INTEGER };

function decodeOverrides(by: RateLimitPolicy["by"], reader: StructReader): ReadonlyMap<string, number> {
  const overrides = new Map<string, number>();
  const amounts = reader.object("overrides");
  if (amounts === null) return overrides;
  if (by !== "caller") throw new ConfigRefusal(amounts.path, `overrides for ${by}`, 'some only with by "caller"');
  for (const caller of amounts.keys()) {
    if (!SERVICE_ACCOUNT.test(caller)) {
      throw new ConfigRefusal(amounts.path, JSON.stringify(caller), "<namespace>/<service account>");
    }
    overrides.set(caller, amounts.number(caller, null, ANY_COUNT));
  }
  return overrides;
}

function decodeAction(reader: StructReader): FaultAction {
  const delay = reader.object("delay");
  const abort = reader.object("abort");
  const slowBody = reader.object("slowBody");
  const reset = reader.flag("reset", false);
  const count = [delay, abort, slowBody].filter((action) => action !== null).length + Number(reset);
  if (count !== 1) throw new ConfigRefusal(reader.path, `${count} actions`, "one of delay, abort, reset and slowBody");
  if (delay !== null) return decodeDelay(delay);
  if (abort !== null) {
    const httpStatus = abort.number("httpStatus", null, { min: 200, max: 599 });
    const grpcStatus = abort.number("grpcStatus", null, { min: 0, max: 16 });
    abort.finish();
    return { kind: "abort", httpStatus, grpcStatus };
  }
  if (slowBody === null) return { kind: "reset" };
  const bytesPerSecond = slowBody.number("bytesPerSecond", null, SOME_COUNT);
  slowBody.finish();
  return { kind: "slowBody", bytesPerSecond };
}

function decodeDelay(reader: StructReader): FaultAction {
  const minMs = reader.number("minMs", null, ANY_DURATION);
  const maxMs = reader.number("maxMs", minMs, { min: minMs, max: MAX_DURATION_MS, whole: false });
  reader.finish();
  return { kind: "delay", minMs, maxMs };
}

/** A route's match in plain JSON: `{path: {exact | prefix | regex}, methods: [...], headers: [{name, exact | ...}]}`. */
function decodeMatch(reader: StructReader | null): RequestMatch | null {
  if (reader === null) return null;
  const headers = reader.objects("headers").map(toHeaderMatcher);
  const methods = reader.has("methods") ? new Set(reader.texts("methods")) : null;
  const match = decodeRouteMatch({ ...toPath(reader.object("path")), headers }, reader.path);
  reader.finish();
  return { ...match, methods };
}

function toPath(reader: StructReader | null): envoy.config.route.v3.RouteMatch {
  if (reader === null) return { prefix: "" };
  const kind = requireOneKey(reader, ["exact", "prefix", "regex"]);
  const text = reader.text(kind, null);
  reader.finish();
  if (kind === "regex") return { safeRegex: { regex: text } };
  return kind === "exact" ? { path: text } : { prefix: text };
}

function toHeaderMatcher(reader: StructReader): envoy.config.route.v3.HeaderMatcher {
  const name = reader.text("name", null, HEADER_OR_PSEUDO, "a lower-case header name, :authority or :path");
  const kinds = ["exact", "prefix", "suffix", "contains", "regex", "present"];
  const kind = requireOneKey(reader, kinds, ["name"]);
  if (kind === "present") {
    if (!reader.flag(kind, false)) throw new ConfigRefusal(reader.at(kind), "false", "true");
    reader.finish();
    return { name, presentMatch: true };
  }
  const text = reader.text(kind, null);
  reader.finish();
  return { name, stringMatch: kind === "regex" ? { safeRegex: { regex: text } } : { [kind]: text } };
}

const HEADER_OR_PSEUDO = /^(?::authority|:path|[!#$%&'*+.^_`|~0-9a-z-]+)$/;

function requireOneKey(reader: StructReader, kinds: readonly string[], others: readonly string[] = []): string {
  const keys = reader.keys().filter((key) => !others.includes(key));
  const [kind] = keys;
  if (kind !== undefined && keys.length === 1 && kinds.includes(kind)) return kind;
  throw new ConfigRefusal(
    reader.path,
    keys.length === 0 ? "nothing" : keys.join(" and "),
    `one of ${kinds.join(", ")}`,
  );
}
