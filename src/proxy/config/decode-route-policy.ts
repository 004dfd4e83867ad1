import { envoy } from "#gen/protos.js";
import {
  DEFAULT_ROUTE_POLICY,
  LOCAL_ROUTE_POLICY,
  type MirrorPolicy,
  type RewritePolicy,
  type RoutePolicy,
  type TimeoutPolicy,
} from "../policy/route-policy.ts";
import { decodeHashPolicies, decodeHashSource } from "./decode-hash-source.ts";
import { decodeHeaderChanges } from "./decode-header-changes.ts";
import { decodePathChange } from "./decode-path-change.ts";
import { decodeRedirect } from "./decode-redirect.ts";
import { decodeCache, decodeFault, decodeRateLimit } from "./decode-request-policies.ts";
import { decodeRetryExtras, decodeRetryPolicy } from "./decode-retry.ts";
import type { PolicyPool } from "./policy-pool.ts";
import { readPolicyMetadata } from "./read-metadata.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { ANY_DURATION, requireDuration, requireNumber } from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

const { HUNDRED, TEN_THOUSAND, MILLION } = envoy.type.v3.FractionalPercent.DenominatorType;
const DENOMINATORS: ReadonlyMap<number, number> = new Map([
  [HUNDRED, 100],
  [TEN_THOUSAND, 10_000],
  [MILLION, 1_000_000],
]);
/** Envoy's, for a route that does not say. */
const ENVOY_TIMEOUT_MS = 15_000;

const AUTHORITY = /^[^\s/?#@]*$/;

export interface RoutePolicyOptions {
  readonly pool: PolicyPool;
  /** What two routes of different scopes have alike is remembered for each of them. */
  readonly scope: string;
}

/**
 * What a route says about its requests: Envoy's own fields, then what weft adds in metadata. What neither says has the
 * defaults of weft, or of the app's own route where the metadata calls it `local`. A request timeout of 0 s is none.
 */
export function decodeRoutePolicy(
  wire: envoy.config.route.v3.Route,
  { pool, scope }: RoutePolicyOptions,
  path: string,
): RoutePolicy {
  const reader = readPolicyMetadata(wire.metadata ?? null, [], path);
  const base = reader?.flag("local", false) === true ? LOCAL_ROUTE_POLICY : DEFAULT_ROUTE_POLICY;
  const policy = addMetadata(decodeNative(wire, base, path), base, reader);
  if (isEqualToBase(policy, base)) return base;
  return pool.share(scope, policy);
}

function decodeNative(wire: envoy.config.route.v3.Route, base: RoutePolicy, path: string): RoutePolicy {
  const action = wire.route ?? {};
  const at = `${path}.route`;
  const { retry, perTryMs } = decodeRetryPolicy(action.retryPolicy ?? null, `${at}.retry_policy`);
  return {
    ...base,
    timeouts: decodeTimeouts(wire.route ?? null, { ...base.timeouts, perTryMs }, at),
    retry: action.retryPolicy == null ? base.retry : retry,
    hashOn: decodeHashPolicies(action.hashPolicy ?? [], `${at}.hash_policy`),
    mirrors: (action.requestMirrorPolicies ?? []).map((mirror, index) => {
      return decodeMirror(mirror, `${at}.request_mirror_policies[${index}]`);
    }),
    requestHeaders: decodeHeaderChanges(wire.requestHeadersToAdd ?? [], wire.requestHeadersToRemove ?? [], {
      direction: "request",
      path,
    }),
    responseHeaders: decodeHeaderChanges(wire.responseHeadersToAdd ?? [], wire.responseHeadersToRemove ?? [], {
      direction: "response",
      path,
    }),
    redirect: wire.redirect == null ? null : decodeRedirect(wire.redirect, wire.match ?? {}, `${path}.redirect`),
    rewrite: decodeRewrite(action, wire.match ?? {}, at),
  };
}

function addMetadata(policy: RoutePolicy, base: RoutePolicy, reader: StructReader | null): RoutePolicy {
  if (reader === null) return policy;
  const cache = reader.object("cache");
  const sticky = reader.object("sticky");
  const added: RoutePolicy = {
    ...policy,
    name: reader.text("name", ""),
    timeouts: {
      ...policy.timeouts,
      responseMs: reader.number("responseMs", policy.timeouts.responseMs, ANY_DURATION),
      // Envoy's own word for it is part of its retry policy.
      perTryMs: reader.number("perTryMs", policy.timeouts.perTryMs, ANY_DURATION),
    },
    retry: decodeRetryExtras(policy.retry, reader.object("retry")),
    rateLimits: reader.objects("rateLimits").map(decodeRateLimit),
    faults: reader.objects("faults").map(decodeFault),
    cache: cache === null ? base.cache : decodeCache(cache),
    sticky: sticky === null ? base.sticky : decodeHashSource(sticky),
  };
  reader.finish();
  return added;
}

function decodeTimeouts(
  action: envoy.config.route.v3.RouteAction | null,
  base: TimeoutPolicy,
  path: string,
): TimeoutPolicy {
  // A redirect answers at once.
  if (action === null) return base;
  const { timeout, idleTimeout } = action;
  const requestMs = timeout == null ? ENVOY_TIMEOUT_MS : requireDuration(timeout, ANY_DURATION, `${path}.timeout`);
  return {
    ...base,
    requestMs,
    // Who limits the whole exchange says how long the response may take, too.
    responseMs: requestMs === 0 ? base.responseMs : 0,
    streamIdleMs:
      idleTimeout == null ? base.streamIdleMs : requireDuration(idleTimeout, ANY_DURATION, `${path}.idle_timeout`),
  };
}

function decodeMirror(wire: envoy.config.route.v3.RouteAction.RequestMirrorPolicy, path: string): MirrorPolicy {
  refuseUnknownFields(wire, ["cluster", "runtimeFraction", "traceSampled", "disableShadowHostSuffixAppend"], path);
  const cluster = wire.cluster ?? "";
  if (cluster === "") throw new ConfigRefusal(`${path}.cluster`, "nothing", "the name of a cluster");
  const fraction = wire.runtimeFraction;
  if (fraction == null) return { cluster, percentage: 100 };
  const at = `${path}.runtime_fraction`;
  refuseUnknownFields(fraction, ["defaultValue"], at);
  const denominator = DENOMINATORS.get(fraction.defaultValue?.denominator ?? HUNDRED) ?? 0;
  const numerator = requireNumber(fraction.defaultValue?.numerator ?? 0, { min: 0, max: denominator }, at);
  return { cluster, percentage: numerator / (denominator / 100) };
}

function decodeRewrite(
  action: envoy.config.route.v3.RouteAction,
  match: envoy.config.route.v3.RouteMatch,
  path: string,
): RewritePolicy | null {
  const host = action.hostRewriteLiteral ?? "";
  if (!AUTHORITY.test(host)) throw new ConfigRefusal(`${path}.host_rewrite_literal`, JSON.stringify(host), "a host");
  const change = decodePathChange(action, match, path);
  return host === "" && change === null ? null : { host, path: change };
}

/** So that a route that says nothing has the one object of the defaults. */
function isEqualToBase(policy: RoutePolicy, base: RoutePolicy): boolean {
  const { timeouts } = policy;
  return (
    policy.name === "" &&
    policy.retry === base.retry &&
    timeouts.requestMs === base.timeouts.requestMs &&
    timeouts.responseMs === base.timeouts.responseMs &&
    timeouts.perTryMs === base.timeouts.perTryMs &&
    timeouts.streamIdleMs === base.timeouts.streamIdleMs &&
    policy.hashOn.length + policy.rateLimits.length + policy.faults.length + policy.mirrors.length === 0 &&
    policy.cache === null &&
    policy.requestHeaders === null &&
    policy.responseHeaders === null &&
    policy.redirect === null &&
    policy.rewrite === null &&
    policy.sticky === null
  );
}
