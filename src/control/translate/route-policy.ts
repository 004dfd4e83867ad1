import { envoy } from "#gen/protos.js";
import { formatServiceCluster, IDEMPOTENT_REQUEST_HEADERS } from "../../xds/names.ts";
import type { PlainFields } from "../../xds/to-struct.ts";
import type {
  FaultModel,
  HashSourceModel,
  HeaderChangesModel,
  MirrorModel,
  RateLimitModel,
  RedirectModel,
  RetriesModel,
  RetryCondition,
  RoutePolicyModel,
} from "../model/policy-model.ts";
import { createMetadata } from "./create-metadata.ts";
import { toPathChange } from "./path-change.ts";
import { toDuration } from "./to-duration.ts";

type Route = envoy.config.route.v3.Route;
type RouteAction = envoy.config.route.v3.RouteAction;
type RouteMatch = envoy.config.route.v3.RouteMatch;
type HeaderValueOption = envoy.config.core.v3.HeaderValueOption;

const Code = envoy.config.route.v3.RedirectAction.RedirectResponseCode;
const { OVERWRITE_IF_EXISTS_OR_ADD } = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
const { HUNDRED, TEN_THOUSAND, MILLION } = envoy.type.v3.FractionalPercent.DenominatorType;

const REDIRECT_CODES: Readonly<Record<number, number>> = {
  301: Code.MOVED_PERMANENTLY,
  302: Code.FOUND,
  303: Code.SEE_OTHER,
  307: Code.TEMPORARY_REDIRECT,
  308: Code.PERMANENT_REDIRECT,
};
const RETRY_WORDS: Readonly<Record<RetryCondition, string | null>> = {
  connect: "connect-failure",
  reset: "reset",
  // Envoy's "reset" is also what did not answer in time.
  timeout: "reset",
  gatewayError: "gateway-error",
  "5xx": "5xx",
  status: "retriable-status-codes",
  grpcStatus: null,
};
const GRPC_WORDS: ReadonlyMap<number, string> = new Map([
  [1, "cancelled"],
  [4, "deadline-exceeded"],
  [8, "resource-exhausted"],
  [13, "internal"],
  [14, "unavailable"],
]);

/**
 * A route under a policy: Envoy's own fields where Envoy means the same, and the rest in weft's metadata. `action` says where
 * requests go; a redirect has none. `namespace` is that of the policy.
 */
export function applyRoutePolicy(
  route: { readonly name: string; readonly match: RouteMatch; readonly action: RouteAction },
  policy: RoutePolicyModel,
  namespace: string,
): Route {
  const { name, match, action } = route;
  const { redirect, requestHeaders, responseHeaders } = policy;
  const native: Route =
    redirect === null
      ? { name, match, route: { ...action, ...toActionFields(policy, match, namespace) } }
      : { name, match, redirect: toRedirect(redirect, match) };
  return {
    ...native,
    metadata: createMetadata({}, toMetadataFields(policy)),
    requestHeadersToAdd: toHeaderOptions(requestHeaders),
    requestHeadersToRemove: [...(requestHeaders?.remove ?? [])],
    responseHeadersToAdd: toHeaderOptions(responseHeaders),
    responseHeadersToRemove: [...(responseHeaders?.remove ?? [])],
  };
}

/** What is written into the metadata of the route to an app: who may ask how often is decided there. */
export function toLocalFields(keys: readonly string[], limits: readonly RateLimitModel[]): PlainFields {
  return {
    local: true,
    name: keys.length === 0 ? undefined : keys.join(", "),
    rateLimits: limits.length === 0 ? undefined : limits.map(toRateLimit),
  };
}

function toActionFields(policy: RoutePolicyModel, match: RouteMatch, namespace: string): RouteAction {
  const { timeouts, retries, rewrite } = policy;
  const fields: RouteAction = {
    timeout: toDuration(timeouts?.requestMs ?? 0),
    hashPolicy: policy.hashOn.map(toHashPolicy),
    requestMirrorPolicies: policy.mirrors.map((mirror) => toMirror(mirror, namespace)),
    ...toPathChange(rewrite?.path ?? null, match),
  };
  if (timeouts?.streamIdleMs != null) fields.idleTimeout = toDuration(timeouts.streamIdleMs);
  if (retries !== null) fields.retryPolicy = toRetryPolicy(retries, timeouts?.perTryMs ?? null);
  if (rewrite !== null && rewrite.host !== "") fields.hostRewriteLiteral = rewrite.host;
  return fields;
}

function toMetadataFields(policy: RoutePolicyModel): PlainFields {
  const { key, timeouts, retries, faults, cache, sticky, redirect } = policy;
  const named = { name: key };
  // Nothing of what is left is asked where a redirect answers.
  if (redirect !== null) return named;
  return {
    ...named,
    responseMs: timeouts?.responseMs ?? undefined,
    perTryMs: retries === null ? (timeouts?.perTryMs ?? undefined) : undefined,
    retry: retries === null ? undefined : toRetryFields(retries),
    faults: faults.length === 0 ? undefined : faults.map(toFault),
    cache: cache === null ? undefined : { ...cache },
    sticky: sticky === null ? undefined : toHashFields(sticky),
  };
}

function toRetryPolicy(retries: RetriesModel, perTryMs: number | null): envoy.config.route.v3.RetryPolicy {
  const words = new Set<string>(["refused-stream"]);
  for (const condition of retries.on) words.add(RETRY_WORDS[condition] ?? "");
  for (const status of retries.grpcStatuses) words.add(GRPC_WORDS.get(status) ?? "");
  words.delete("");
  const { backoffBaseMs, backoffMaxMs } = retries;
  return {
    retryOn: [...words].join(","),
    numRetries: { value: retries.attempts },
    perTryTimeout: perTryMs === null ? null : toDuration(perTryMs),
    retriableStatusCodes: [...retries.statuses],
    retryBackOff: {
      baseInterval: toDuration(backoffBaseMs),
      maxInterval: toDuration(Math.max(backoffBaseMs, backoffMaxMs)),
    },
    // Envoy would send anything twice.
    retriableRequestHeaders: retries.anyMethod ? [] : IDEMPOTENT_REQUEST_HEADERS.map(toIdempotenceMatcher),
  };
}

/** Envoy's words are wider than ours, and fewer. */
function toRetryFields({ on, grpcStatuses, maxRetryAfterMs }: RetriesModel): PlainFields {
  return {
    on: [...on],
    grpcStatuses: grpcStatuses.length === 0 ? undefined : [...grpcStatuses],
    maxRetryAfterMs,
  };
}

function toIdempotenceMatcher(header: {
  readonly name: string;
  readonly regex: string | null;
}): envoy.config.route.v3.HeaderMatcher {
  const { name, regex } = header;
  return regex === null ? { name, presentMatch: true } : { name, stringMatch: { safeRegex: { regex } } };
}

function toHashPolicy(source: HashSourceModel): envoy.config.route.v3.RouteAction.HashPolicy {
  switch (source.kind) {
    case "cookie":
      return {
        cookie: { name: source.name, path: source.path, ttl: toDuration(source.ttlMs) },
        terminal: true,
      };
    case "header":
      return { header: { headerName: source.name }, terminal: true };
    case "query":
      return { queryParameter: { name: source.name }, terminal: true };
    case "source":
      return { connectionProperties: { sourceIp: true }, terminal: true };
  }
}

function toHashFields(source: HashSourceModel): PlainFields {
  switch (source.kind) {
    case "cookie":
      return { cookie: { name: source.name, path: source.path, ttlMs: source.ttlMs } };
    case "header":
      return { header: { name: source.name } };
    case "query":
      return { query: { name: source.name } };
    case "source":
      return { source: true };
  }
}

function toMirror(
  { service, port, percentage }: MirrorModel,
  namespace: string,
): envoy.config.route.v3.RouteAction.RequestMirrorPolicy {
  const cluster = formatServiceCluster(namespace, service, port);
  return { cluster, runtimeFraction: { defaultValue: toFraction(percentage) } };
}

/** In the coarsest unit that says it, the finest being a millionth. */
function toFraction(percentage: number): envoy.type.v3.FractionalPercent {
  if (Number.isInteger(percentage)) return { numerator: percentage, denominator: HUNDRED };
  const hundredths = percentage * 100;
  if (Number.isInteger(hundredths)) return { numerator: hundredths, denominator: TEN_THOUSAND };
  return { numerator: Math.round(percentage * 10_000), denominator: MILLION };
}

function toHeaderOptions(changes: HeaderChangesModel | null): HeaderValueOption[] {
  if (changes === null) return [];
  const set = changes.set.map((field) => ({ ...toHeaderOption(field), appendAction: OVERWRITE_IF_EXISTS_OR_ADD }));
  return [...set, ...changes.add.map(toHeaderOption)];
}

/** `%` begins a command of Envoy's unless it is doubled. */
function toHeaderOption([key, value]: readonly [string, string]): HeaderValueOption {
  const header = { key, value: value.replaceAll("%", "%%") };
  return value === "" ? { header, keepEmptyValue: true } : { header };
}

function toRedirect(redirect: RedirectModel, match: RouteMatch): envoy.config.route.v3.RedirectAction {
  const { status, scheme, host, port, path } = redirect;
  const fields = path?.kind === "full" ? { pathRedirect: path.path } : toPathChange(path, match);
  const wire: envoy.config.route.v3.RedirectAction = { ...fields, responseCode: REDIRECT_CODES[status] ?? 0 };
  if (scheme !== "") wire.schemeRedirect = scheme;
  if (host !== "") wire.hostRedirect = host;
  if (port !== 0) wire.portRedirect = port;
  return wire;
}

function toRateLimit(limit: RateLimitModel): PlainFields {
  const { name, by, header, requests, periodMs, burst, overrides, maxBuckets } = limit;
  return {
    name,
    by,
    header: header === "" ? undefined : header,
    requests,
    periodMs,
    burst,
    overrides: overrides.length === 0 ? undefined : Object.fromEntries(overrides),
    maxBuckets,
  };
}

function toFault({ name, percentage, untilMs, action }: FaultModel): PlainFields {
  return { name, percentage, untilMs, ...toFaultAction(action) };
}

function toFaultAction(action: FaultModel["action"]): PlainFields {
  switch (action.kind) {
    case "delay":
      return { delay: { minMs: action.minMs, maxMs: Math.max(action.minMs, action.maxMs) } };
    case "abort":
      return { abort: { httpStatus: action.httpStatus, grpcStatus: action.grpcStatus } };
    case "reset":
      return { reset: true };
    case "slowBody":
      return { slowBody: { bytesPerSecond: action.bytesPerSecond } };
  }
}
