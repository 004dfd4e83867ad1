import type { envoy } from "#gen/protos.js";
import {
  DEFAULT_RETRY,
  RETRY_ON_5XX,
  RETRY_ON_CONNECT,
  RETRY_ON_GATEWAY_ERROR,
  RETRY_ON_GRPC_STATUS,
  RETRY_ON_RESET,
  RETRY_ON_STATUS,
  RETRY_ON_TIMEOUT,
  type RetryPolicy,
} from "../policy/route-policy.ts";
import { IDEMPOTENT_REQUEST_HEADERS } from "../../xds/names.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { ANY_DURATION, MAX_DURATION_MS, requireDuration, requireNumber, SOME_DURATION } from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

/** Envoy's defaults where a retry policy does not say. */
const ENVOY_RETRIES = 1;
const ENVOY_MAX_BACKOFF_FACTOR = 10;
/** More is a mistake: with the longest back-off these take minutes. */
const MAX_RETRIES = 100;
const STATUS = { min: 100, max: 599 };
const GRPC_STATUS = { min: 0, max: 16 };

const BROKEN = RETRY_ON_CONNECT | RETRY_ON_RESET | RETRY_ON_TIMEOUT;
/** What Envoy's words stand for. 0: what surely did not reach the app is tried again always. */
const CONDITIONS: ReadonlyMap<string, number> = new Map([
  ["connect-failure", RETRY_ON_CONNECT],
  ["refused-stream", 0],
  ["reset-before-request", 0],
  ["reset", RETRY_ON_RESET | RETRY_ON_TIMEOUT],
  ["gateway-error", RETRY_ON_GATEWAY_ERROR | BROKEN],
  ["5xx", RETRY_ON_5XX | BROKEN],
  ["retriable-status-codes", RETRY_ON_STATUS],
]);
const GRPC_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ["cancelled", 1],
  ["deadline-exceeded", 4],
  ["resource-exhausted", 8],
  ["internal", 13],
  ["unavailable", 14],
]);
const WEFT_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ["connect", RETRY_ON_CONNECT],
  ["reset", RETRY_ON_RESET],
  ["timeout", RETRY_ON_TIMEOUT],
  ["gatewayError", RETRY_ON_GATEWAY_ERROR],
  ["5xx", RETRY_ON_5XX],
  ["status", RETRY_ON_STATUS],
  ["grpcStatus", RETRY_ON_GRPC_STATUS],
]);

/** Envoy's words; where there is no retry policy, the defaults of weft. */
export function decodeRetryPolicy(
  wire: envoy.config.route.v3.RetryPolicy | null,
  path: string,
): { readonly retry: RetryPolicy; readonly perTryMs: number } {
  if (wire === null) return { retry: DEFAULT_RETRY, perTryMs: 0 };
  const known = ["retryOn", "numRetries", "perTryTimeout", "retriableStatusCodes", "retryBackOff"];
  refuseUnknownFields(wire, [...known, "retriableRequestHeaders"], path);
  const { on, grpcStatuses } = decodeConditions(wire.retryOn ?? "", `${path}.retry_on`);
  const statuses = (wire.retriableStatusCodes ?? []).map((status, index) => {
    return requireNumber(status, STATUS, `${path}.retriable_status_codes[${index}]`);
  });
  const perTry = wire.perTryTimeout;
  return {
    retry: {
      attempts: requireNumber(wire.numRetries?.value ?? ENVOY_RETRIES, RETRIES, `${path}.num_retries`),
      on,
      statuses: new Set(statuses),
      grpcStatuses: new Set(grpcStatuses),
      anyMethod: decodeAnyMethod(wire.retriableRequestHeaders ?? [], `${path}.retriable_request_headers`),
      ...decodeBackOff(wire.retryBackOff ?? null, `${path}.retry_back_off`),
      maxRetryAfterMs: DEFAULT_RETRY.maxRetryAfterMs,
    },
    perTryMs: perTry == null ? 0 : requireDuration(perTry, ANY_DURATION, `${path}.per_try_timeout`),
  };
}

/** What Envoy has no words for, over what it has. */
export function decodeRetryExtras(base: RetryPolicy, reader: StructReader | null): RetryPolicy {
  if (reader === null) return base;
  const { min, max } = GRPC_STATUS;
  const on = reader.has("on") ? combine(reader.texts("on"), reader.at("on")) : base.on;
  const grpcStatuses = reader.has("grpcStatuses")
    ? new Set(reader.numbers("grpcStatuses", { min, max }))
    : base.grpcStatuses;
  const maxRetryAfterMs = reader.number("maxRetryAfterMs", base.maxRetryAfterMs, ANY_DURATION);
  reader.finish();
  return { ...base, on, grpcStatuses, maxRetryAfterMs };
}

const RETRIES = { min: 0, max: MAX_RETRIES };

function decodeConditions(retryOn: string, path: string): { on: number; grpcStatuses: readonly number[] } {
  let on = 0;
  const grpcStatuses: number[] = [];
  for (const word of retryOn.split(",").map((part) => part.trim())) {
    if (word === "") continue;
    const grpcStatus = GRPC_CONDITIONS.get(word);
    const bits = CONDITIONS.get(word);
    if (grpcStatus !== undefined) {
      grpcStatuses.push(grpcStatus);
      on |= RETRY_ON_GRPC_STATUS;
    } else if (bits !== undefined) {
      on |= bits;
    } else {
      const words = [...CONDITIONS.keys(), ...GRPC_CONDITIONS.keys()].join(", ");
      throw new ConfigRefusal(path, `"${word}"`, `${words}, separated by commas`);
    }
  }
  return { on, grpcStatuses };
}

function combine(words: readonly string[], path: string): number {
  let on = 0;
  for (const [index, word] of words.entries()) {
    const bit = WEFT_CONDITIONS.get(word);
    if (bit === undefined) {
      throw new ConfigRefusal(`${path}[${index}]`, `"${word}"`, `one of ${[...WEFT_CONDITIONS.keys()].join(", ")}`);
    }
    on |= bit;
  }
  return on;
}

/** Envoy repeats any request unless told which; which ones weft repeats by itself is the only other thing it can be told. */
function decodeAnyMethod(matchers: readonly envoy.config.route.v3.HeaderMatcher[], path: string): boolean {
  if (matchers.length === 0) return true;
  const isOurs =
    matchers.length === IDEMPOTENT_REQUEST_HEADERS.length &&
    IDEMPOTENT_REQUEST_HEADERS.every(({ name, regex }, index) => {
      const matcher = matchers[index];
      if (matcher?.name !== name) return false;
      return regex === null ? matcher.presentMatch === true : matcher.stringMatch?.safeRegex?.regex === regex;
    });
  if (isOurs) return false;
  throw new ConfigRefusal(path, "other conditions", "none, or that the method or the Idempotency-Key makes it safe");
}

function decodeBackOff(
  wire: envoy.config.route.v3.RetryPolicy.RetryBackOff | null,
  path: string,
): Pick<RetryPolicy, "backoffBaseMs" | "backoffMaxMs"> {
  const { backoffBaseMs, backoffMaxMs } = DEFAULT_RETRY;
  if (wire === null) return { backoffBaseMs, backoffMaxMs };
  refuseUnknownFields(wire, ["baseInterval", "maxInterval"], path);
  if (wire.baseInterval == null) throw new ConfigRefusal(`${path}.base_interval`, "nothing", "a duration");
  const baseMs = requireDuration(wire.baseInterval, SOME_DURATION, `${path}.base_interval`);
  const maxMs =
    wire.maxInterval == null
      ? baseMs * ENVOY_MAX_BACKOFF_FACTOR
      : requireDuration(wire.maxInterval, { min: baseMs, max: MAX_DURATION_MS }, `${path}.max_interval`);
  return { backoffBaseMs: baseMs, backoffMaxMs: maxMs };
}
