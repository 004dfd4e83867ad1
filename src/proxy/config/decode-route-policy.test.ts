import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy, type google } from "#gen/protos.js";
import { policyMetadata, weftMetadata } from "../../testing/struct-fixture.ts";
import type { PlainFields } from "../../xds/to-struct.ts";
import {
  DEFAULT_RETRY,
  DEFAULT_ROUTE_POLICY,
  DEFAULT_TIMEOUTS,
  LOCAL_ROUTE_POLICY,
  RETRY_ON_5XX,
  RETRY_ON_CONNECT,
  RETRY_ON_GRPC_STATUS,
  RETRY_ON_RESET,
  RETRY_ON_STATUS,
  RETRY_ON_TIMEOUT,
  type RoutePolicy,
} from "../policy/route-policy.ts";
import { decodeRouteTable } from "./decode-routes.ts";

// What control planes write that know nothing of weft, and what the proxy must refuse, from whomever it comes.

type Route = envoy.config.route.v3.Route;
type RouteAction = envoy.config.route.v3.RouteAction;

const { RouteConfiguration } = envoy.config.route.v3;
const BROKEN = RETRY_ON_CONNECT | RETRY_ON_RESET | RETRY_ON_TIMEOUT;

test("a route that gives a whole exchange no limit and says no more has the default policy itself", () => {
  assert.equal(policyOf({ route: { timeout: seconds(0) } }), DEFAULT_ROUTE_POLICY);
});

test("a route that is marked local has the policy of routes to the app itself", () => {
  assert.equal(
    policyOf({ route: { timeout: seconds(0) }, metadata: policyMetadata({ local: true }) }),
    LOCAL_ROUTE_POLICY,
  );
});

test("a route has Envoy's limit of 15 s for a whole exchange where it does not say", () => {
  const { timeouts } = policyOf({ route: {} });
  assert.deepEqual(timeouts, { ...DEFAULT_TIMEOUTS, requestMs: 15_000, responseMs: 0 });
});

test("metadata of other names is left alone", () => {
  const filterMetadata = { "istio.io": { fields: { config: { stringValue: "x" } } } };
  assert.equal(policyOf({ route: { timeout: seconds(0) }, metadata: { filterMetadata } }), DEFAULT_ROUTE_POLICY);
});

const envoyRoutes: readonly (readonly [title: string, route: Route, expected: Partial<RoutePolicy>])[] = [
  [
    "timeouts",
    { route: { timeout: { seconds: 1, nanos: 500_000_000 }, idleTimeout: seconds(0) } },
    { timeouts: { requestMs: 1_500, responseMs: 0, perTryMs: 0, streamIdleMs: 0 } },
  ],
  [
    "a retry policy that says nothing but when",
    { route: { timeout: seconds(0), retryPolicy: { retryOn: "5xx, unavailable" } } },
    {
      retry: {
        ...DEFAULT_RETRY,
        attempts: 1,
        on: RETRY_ON_5XX | BROKEN | RETRY_ON_GRPC_STATUS,
        grpcStatuses: new Set([14]),
        anyMethod: true,
      },
    },
  ],
  [
    "a whole retry policy",
    {
      route: {
        timeout: seconds(0),
        retryPolicy: {
          retryOn: "reset,retriable-status-codes",
          numRetries: { value: 4 },
          perTryTimeout: seconds(2),
          retriableStatusCodes: [503, 429],
          retryBackOff: { baseInterval: { nanos: 50_000_000 } },
        },
      },
    },
    {
      timeouts: { ...DEFAULT_TIMEOUTS, perTryMs: 2_000 },
      retry: {
        ...DEFAULT_RETRY,
        attempts: 4,
        on: RETRY_ON_RESET | RETRY_ON_TIMEOUT | RETRY_ON_STATUS,
        statuses: new Set([503, 429]),
        anyMethod: true,
        backoffBaseMs: 50,
        backoffMaxMs: 500,
      },
    },
  ],
  [
    "hash policies",
    {
      route: {
        timeout: seconds(0),
        hashPolicy: [
          { cookie: { name: "c", ttl: seconds(60) }, terminal: true },
          { header: { headerName: "X-User" }, terminal: true },
          { queryParameter: { name: "q" }, terminal: true },
          { connectionProperties: { sourceIp: true } },
        ],
      },
    },
    {
      hashOn: [
        { kind: "cookie", name: "c", path: "/", ttlMs: 60_000 },
        { kind: "header", name: "x-user" },
        { kind: "query", name: "q" },
        { kind: "source" },
      ],
    },
  ],
  [
    "mirrors",
    {
      route: {
        timeout: seconds(0),
        requestMirrorPolicies: [
          { cluster: "a" },
          { cluster: "b", runtimeFraction: { defaultValue: { numerator: 25, denominator: 1 } } },
          { cluster: "c", runtimeFraction: { defaultValue: { numerator: 5 } } },
        ],
      },
    },
    {
      mirrors: [
        { cluster: "a", percentage: 100 },
        { cluster: "b", percentage: 0.25 },
        { cluster: "c", percentage: 5 },
      ],
    },
  ],
  [
    "a prefix that is rewritten",
    { match: { prefix: "/a" }, route: { timeout: seconds(0), prefixRewrite: "/b", hostRewriteLiteral: "h" } },
    { rewrite: { host: "h", path: { kind: "prefix", prefix: "/a", replacement: "/b" } } },
  ],
  [
    "a redirect",
    { match: { prefix: "/" }, redirect: { httpsRedirect: true, responseCode: 4, pathRedirect: "/new" } },
    { redirect: { status: 308, scheme: "https", host: "", port: 0, path: { kind: "full", path: "/new" } } },
  ],
  [
    "headers",
    {
      route: { timeout: seconds(0) },
      requestHeadersToRemove: ["X-Old"],
      requestHeadersToAdd: [{ header: { key: "X-Set", value: "100%%" }, append: { value: false } }],
      responseHeadersToAdd: [
        { header: { key: "x-a", value: "1" }, appendAction: 2 },
        { header: { key: "x-b" }, keepEmptyValue: true },
      ],
    },
    {
      requestHeaders: { remove: ["x-old"], set: [["x-set", "100%"]], add: [] },
      responseHeaders: { remove: [], set: [["x-a", "1"]], add: [["x-b", ""]] },
    },
  ],
];
for (const [title, route, expected] of envoyRoutes) {
  test(`decodeRouteTable() takes Envoy's word for ${title}`, () => {
    assert.deepEqual(policyOf(route), { ...DEFAULT_ROUTE_POLICY, ...expected });
  });
}

test("a redirect leads to no instance", () => {
  const table = tableOf({ redirect: { hostRedirect: "other" } });
  assert.deepEqual(table.fallback?.routes[0]?.clusters.names, ["none"]);
});

const badRoutes: readonly (readonly [title: string, route: Route, message: RegExp])[] = [
  ["a negative timeout", { route: { timeout: seconds(-1) } }, /routes\[0\]\.route\.timeout: found -1 s/],
  [
    "a timeout beyond timers",
    { route: { timeout: seconds(2_147_484) } },
    /route\.timeout: found 2147484000 ms; expected/,
  ],
  ["a negative idle timeout", { route: { idleTimeout: { nanos: -1 } } }, /idle_timeout/],
  [
    "too many retries",
    { route: { retryPolicy: { numRetries: { value: 101 } } } },
    /num_retries: found 101; .* 0 to 100/,
  ],
  [
    "an unknown condition",
    { route: { retryPolicy: { retryOn: "5xx,often" } } },
    /retry_on: found "often"; expected conn/,
  ],
  ["a status that is none", { route: { retryPolicy: { retriableStatusCodes: [600] } } }, /retriable_status_codes\[0\]/],
  ["a back-off without a base", { route: { retryPolicy: { retryBackOff: {} } } }, /retry_back_off\.base_interval/],
  [
    "a back-off that ends below its base",
    { route: { retryPolicy: { retryBackOff: { baseInterval: seconds(2), maxInterval: seconds(1) } } } },
    /max_interval: found 1000 ms; expected 2000 ms to/,
  ],
  [
    "other retriable requests",
    { route: { retryPolicy: { retriableRequestHeaders: [{ name: "x-again", presentMatch: true }] } } },
    /retriable_request_headers/,
  ],
  [
    "a retry host predicate",
    { route: { retryPolicy: { retryHostPredicate: [Uint8Array.of(10)] } } },
    /retryHostPredicate/,
  ],
  ["hashes that combine", { route: { hashPolicy: [source(), source()] } }, /hash_policy\[0\]\.terminal: found false/],
  ["a cookie that nobody makes", { route: { hashPolicy: [{ cookie: { name: "c" } }] } }, /cookie\.ttl: found nothing/],
  ["a cookie name that is no token", { route: { hashPolicy: [cookie("a b")] } }, /cookie\.name: found "a b"/],
  ["a hash of nothing", { route: { hashPolicy: [{ connectionProperties: {} }] } }, /hash_policy\[0\]: found no source/],
  ["a mirror to nowhere", { route: { requestMirrorPolicies: [{}] } }, /request_mirror_policies\[0\]\.cluster/],
  [
    "a mirror of more than all",
    { route: { requestMirrorPolicies: [mirror(101)] } },
    /runtime_fraction: found 101; .* 0 to 100/,
  ],
  [
    "two rewrites",
    { route: { prefixRewrite: "/a", regexRewrite: rewrite("/x", "/y") } },
    /prefix_rewrite and regex_rewrite/,
  ],
  ["a rewrite with a query", { route: { prefixRewrite: "/a?b" } }, /prefix_rewrite: found "\/a\?b"/],
  ["a rewrite that is no pattern", { route: { regexRewrite: rewrite("(", "") } }, /Cannot compile pattern "\("/],
  ["a rewrite with other escapes", { route: { regexRewrite: rewrite("x", "\\n") } }, /substitution: found/],
  ["a host that is a URL", { route: { hostRewriteLiteral: "http://a" } }, /host_rewrite_literal: found "http:\/\/a"/],
  ["neither route nor redirect", {}, /routes\[0\]: found no action; expected route or redirect/],
  ["a redirect with an unknown code", { redirect: { responseCode: 9 } }, /response_code: found code 9/],
  ["a redirect to another protocol", { redirect: { schemeRedirect: "ftp" } }, /scheme_redirect: found "ftp"/],
  ["a redirect to a port that is none", { redirect: { portRedirect: 70_000 } }, /port_redirect: found 70000/],
  ["a redirect that drops the query", { redirect: { stripQuery: true } }, /stripQuery/],
  ["framing headers", { route: {}, requestHeadersToAdd: [field("Content-Length", "1")] }, /to_add\[0\]\.header\.key/],
  ["removal of pseudo-headers", { route: {}, requestHeadersToRemove: [":path"] }, /request_headers_to_remove\[0\]/],
  [
    "line feeds in headers",
    { route: {}, responseHeadersToAdd: [field("a", "1\r\nb: 2")] },
    /response_headers_to_add\[0\]/,
  ],
  ["Envoy's commands in headers", { route: {}, requestHeadersToAdd: [field("a", "%START_TIME%")] }, /% only as %%/],
  [
    "other ways to add headers",
    { route: {}, requestHeadersToAdd: [{ ...field("a", "1"), appendAction: 1 }] },
    /append_action/,
  ],
  [
    "an unknown key beside the policy",
    { route: {}, metadata: weftMetadata({ polcy: {} }) },
    /metadata\["weft.dev"\]: found key "polcy"/,
  ],
];
for (const [title, route, message] of badRoutes) {
  test(`decodeRouteTable() refuses ${title}`, () => {
    assert.throws(() => tableOf(route), message);
  });
}

const badRouteKeys: readonly (readonly [policy: PlainFields, message: RegExp])[] = [
  [{ unknown: 1 }, /policy: found key "unknown"; expected only/],
  [{ local: "yes" }, /policy\.local: found "yes"; expected true or false/],
  [{ name: 1 }, /policy\.name: found 1; expected a text/],
  [{ responseMs: -1 }, /policy\.responseMs: found -1; expected a number from 0 to 2147483647/],
  [{ responseMs: "1s" }, /policy\.responseMs: found "1s"; expected a number/],
  [{ retry: [] }, /policy\.retry: found a list; expected an object/],
  [{ retry: { on: ["5xx", "never"] } }, /policy\.retry\.on\[1\]: found "never"; expected one of connect, reset/],
  [{ retry: { grpcStatuses: [17] } }, /policy\.retry\.grpcStatuses\[0\]: found 17/],
  [{ retry: { maxRetryAfterMs: -1 } }, /policy\.retry\.maxRetryAfterMs: found -1; expected a number/],
  [{ retry: { attempts: 1 } }, /policy\.retry: found key "attempts"/],
  [{ rateLimits: {} }, /policy\.rateLimits: found an object; expected a list/],
  [{ rateLimits: [{ periodMs: 1 }] }, /policy\.rateLimits\[0\]\.requests: found nothing/],
  [{ rateLimits: [{ requests: 0, periodMs: 1 }] }, /rateLimits\[0\]\.requests: found 0/],
  [{ rateLimits: [{ requests: 1 }] }, /rateLimits\[0\]\.periodMs: found nothing/],
  [{ rateLimits: [{ requests: 1, periodMs: 1, burst: 0 }] }, /rateLimits\[0\]\.burst: found 0/],
  [
    { rateLimits: [{ requests: 1, periodMs: 1, by: "moon" }] },
    /rateLimits\[0\]\.by: found "moon"; expected one of route/,
  ],
  [{ rateLimits: [{ requests: 1, periodMs: 1, by: "header" }] }, /rateLimits\[0\]\.header: found nothing/],
  [{ rateLimits: [{ requests: 1, periodMs: 1, header: "x" }] }, /rateLimits\[0\]\.header: found a header for route/],
  [
    { rateLimits: [{ requests: 1, periodMs: 1, overrides: { "a/b": 1 } }] },
    /rateLimits\[0\]\.overrides: found overrides for/,
  ],
  [{ rateLimits: [{ requests: 1, periodMs: 1, by: "caller", overrides: { ab: 1 } }] }, /overrides: found "ab"/],
  [{ rateLimits: [{ requests: 1, periodMs: 1, by: "caller", overrides: { "a/b": -1 } }] }, /overrides\.a\/b: found -1/],
  [{ rateLimits: [{ requests: 1, periodMs: 1, maxBuckets: 0 }] }, /maxBuckets: found 0/],
  [
    { rateLimits: [{ requests: 1, periodMs: 1, match: { path: {} } }] },
    /match\.path: found nothing; expected one of exact/,
  ],
  [{ rateLimits: [{ requests: 1, periodMs: 1, match: { verbs: [] } }] }, /match: found key "verbs"/],
  [{ rateLimits: [{ requests: 1, periodMs: 1, match: { path: { regex: "(" } } }] }, /Cannot compile pattern/],
  [
    { rateLimits: [{ requests: 1, periodMs: 1, match: { headers: [{ name: "A", exact: "x" }] } }] },
    /headers\[0\]\.name/,
  ],
  [{ rateLimits: [{ requests: 1, periodMs: 1, match: { headers: [{ name: "a" }] } }] }, /headers\[0\]: found nothing/],
  [{ faults: [{ percentage: 101, untilMs: 0, reset: true }] }, /faults\[0\]\.percentage: found 101/],
  [{ faults: [{ percentage: 1, reset: true }] }, /faults\[0\]\.untilMs: found nothing/],
  [{ faults: [{ percentage: 1, untilMs: 0 }] }, /faults\[0\]: found 0 actions/],
  [{ faults: [{ percentage: 1, untilMs: 0, reset: true, delay: { minMs: 1 } }] }, /faults\[0\]: found 2 actions/],
  [{ faults: [{ percentage: 1, untilMs: 0, delay: { minMs: 2, maxMs: 1 } }] }, /delay\.maxMs: found 1; .* from 2/],
  [
    { faults: [{ percentage: 1, untilMs: 0, abort: { httpStatus: 99, grpcStatus: 0 } }] },
    /abort\.httpStatus: found 99/,
  ],
  [
    { faults: [{ percentage: 1, untilMs: 0, abort: { httpStatus: 500, grpcStatus: 17 } }] },
    /abort\.grpcStatus: found 17/,
  ],
  [{ faults: [{ percentage: 1, untilMs: 0, slowBody: { bytesPerSecond: 0 } }] }, /slowBody\.bytesPerSecond: found 0/],
  [{ cache: { maxBytes: -1 } }, /cache\.maxBytes: found -1/],
  [{ cache: { maxBodyBytes: 1.5 } }, /cache\.maxBodyBytes: found 1.5/],
  [{ cache: { defaultTtlMs: -1 } }, /cache\.defaultTtlMs/],
  [{ cache: { staleWhileRevalidateMs: null } }, /cache\.staleWhileRevalidateMs: found null/],
  [{ sticky: {} }, /sticky: found no source/],
  [{ sticky: { cookie: { name: "a;b" } } }, /sticky\.cookie\.name: found "a;b"/],
  [{ sticky: { cookie: { name: "a", ttlMs: -1 } } }, /sticky\.cookie\.ttlMs: found -1/],
  [{ sticky: { header: { name: "a" }, query: { name: "b" } } }, /sticky: found key "query"/],
];
for (const [policy, message] of badRouteKeys) {
  test(`decodeRouteTable() refuses the policy ${JSON.stringify(policy)}`, () => {
    assert.throws(() => tableOf({ route: {}, metadata: policyMetadata(policy) }), message);
  });
}

/** The policy of a table's one route, as it comes from the wire. */
function policyOf(route: Route): RoutePolicy {
  const policy = tableOf(route).fallback?.routes[0]?.policy;
  assert.ok(policy !== undefined);
  return policy;
}

function tableOf(route: Route): ReturnType<typeof decodeRouteTable> {
  const action: RouteAction | null = route.route == null ? null : { cluster: "c", ...route.route };
  const whole: Route = { match: { prefix: "/" }, ...route, ...(action === null ? {} : { route: action }) };
  const config = { name: "r", virtualHosts: [{ name: "h", domains: ["*"], routes: [whole] }] };
  return decodeRouteTable(RouteConfiguration.decode(RouteConfiguration.encode(config).finish()));
}

function seconds(count: number): google.protobuf.Duration {
  return { seconds: count };
}

function source(): envoy.config.route.v3.RouteAction.HashPolicy {
  return { connectionProperties: { sourceIp: true } };
}

function cookie(name: string): envoy.config.route.v3.RouteAction.HashPolicy {
  return { cookie: { name, ttl: seconds(0) } };
}

function mirror(numerator: number): envoy.config.route.v3.RouteAction.RequestMirrorPolicy {
  return { cluster: "m", runtimeFraction: { defaultValue: { numerator } } };
}

function rewrite(regex: string, substitution: string): envoy.type.matcher.v3.RegexMatchAndSubstitute {
  return { pattern: { regex }, substitution };
}

function field(key: string, value: string): envoy.config.core.v3.HeaderValueOption {
  return { header: { key, value } };
}
