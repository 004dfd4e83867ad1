import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listPolicyProblems } from "./test-policy-problems.ts";

function problems(...lines: readonly string[]): readonly string[] {
  return listPolicyProblems(lines);
}

const LATER = "2026-12-31T00:00:00Z";

/** Of instances, which requests that fit something share with all others. */
const WIDE_ONLY = [
  "loadBalancing: { strategy: random }",
  "healthChecks: [{ tcp: {} }]",
  "outlierDetection: { enabled: false }",
  "limits: { requests: 1 }",
  "circuitBreaker: { failurePercent: 50 }",
  "instanceCircuitBreaker: { failurePercent: 50 }",
  "retryBudget: { ratio: 1 }",
  "overload: { concurrency: 5 }",
];

/** Each in place of a right target. */
const WRONG_TARGETS: readonly (readonly [target: string, problem: RegExp])[] = [
  ["{ name: reviews }", /targetRef\.kind: found nothing; expected Service/],
  ["{ kind: Deployment, name: reviews }", /targetRef\.kind: found "Deployment"; expected Service/],
  ["{ kind: Service }", /targetRef\.name: found nothing; expected a DNS label/],
  ["{ kind: Service, name: a.b }", /targetRef\.name: found "a\.b"; expected a DNS label/],
  ["{ kind: Service, name: reviews, port: 0 }", /targetRef\.port: found 0; expected a port/],
  ["{ kind: Service, name: reviews, port: http }", /targetRef\.port: found "http" \(string\); expected a port/],
  [
    "{ kind: Service, name: reviews, namespace: other }",
    /found unknown field "namespace"; expected one of group, kind, name, port/,
  ],
  ["{ group: apps, kind: Service, name: reviews }", /targetRef\.group: found "apps"; expected ""/],
  ["", /^spec\.targetRef: found null; expected an object/],
  ["[]", /^spec\.targetRef: found an empty list; expected an object/],
];

describe("a TrafficPolicy", () => {
  for (const [target, problem] of WRONG_TARGETS) {
    it(`is refused for the target ${target}`, () => {
      const found = listPolicyProblems(["retries: { attempts: 1 }"], target);
      assert.ok(
        found.some((line) => problem.test(line)),
        found.join("\n"),
      );
    });
  }

  it("gives way with defaults to what is written beside them", () => {
    for (const line of [
      "healthChecks: [{ tcp: {}, interval: 500ms }]",
      "outlierDetection: { baseEjection: 10m }",
      "outlierDetection: { maxEjection: 1s }",
      "overload: { minConcurrency: 2000 }",
      "overload: { maxConcurrency: 2 }",
      "retries: { backoff: { base: 1s } }",
      "retries: { backoff: { max: 5ms } }",
      "limits: { perInstance: { connections: 5000 } }",
      "cache: { maxBytes: 1000 }",
      "timeouts: { response: 0s, perTry: 1h }",
    ])
      assert.deepEqual(problems(line), [], line);
  });

  for (const line of WIDE_ONLY) {
    it(`is refused for ${line} beside matches`, () => {
      const found = problems("matches: [{ kind: HTTPRouteGroup, name: g }]", line, "retries: { attempts: 1 }");
      assert.match(found.join("\n"), /expected none beside matches: it is about instances/);
      assert.deepEqual(problems(line), []);
    });
  }

  it("is refused without anything to say, and for both a redirect and a rewrite", () => {
    assert.match(problems().join("\n"), /^spec: .*expected at least one section/);
    assert.match(
      problems("redirect: { host: a }", "rewrite: { host: b }").join("\n"),
      /spec\.rewrite: .*expected none beside redirect/,
    );
  });

  it("takes connect and idle timeouts of the whole Service only", () => {
    const matches = "matches: [{ kind: HTTPRouteGroup, name: g }]";
    assert.match(problems(matches, "timeouts: { connect: 1s }").join("\n"), /connect: .*expected none beside matches/);
    assert.deepEqual(problems("timeouts: { connect: 1s, idle: 1m }"), []);
  });

  it("may say everything at once", () => {
    assert.deepEqual(
      problems(
        "loadBalancing: { strategy: maglev, hashOn: [{ cookie: { name: user, ttl: 1h } }, { source: true }], tableSize: 101 }",
        "healthChecks: [{ http: { path: /healthz, statuses: ['200', '300-399'] }, interval: 2s, timeout: 1s }]",
        "outlierDetection: { consecutive5xx: 3, baseEjection: 1s, latencyFactor: 3 }",
        "limits: { connections: 10, perInstance: { requests: 5 } }",
        "circuitBreaker: { failurePercent: 50, slowPercent: 80, slowAfter: 1s }",
        "retryBudget: { ratio: 0.1 }",
        "overload: { priorities: [high, low] }",
        "timeouts: { connect: 1s, request: 10s, perTry: 2s }",
        "retries: { attempts: 3, conditions: [connect, 5xx, 429, grpc-unavailable], backoff: { base: 10ms } }",
        "sticky: { header: X-User }",
        "rateLimits: [{ name: all, requests: 100, by: caller, overrides: [{ caller: default/web, requests: 5 }] }]",
        `faults: [{ name: late, until: '${LATER}', delay: { min: 1s, max: 2s }, percentage: 0.5 }]`,
        "mirrors: [{ service: shadow, percentage: 10 }]",
        "cache: { defaultTtl: 10s }",
        "requestHeaders: { remove: [Accept-Language], set: { x-a: b }, add: { x-c: 'd, e' } }",
        "rewrite: { prefix: { from: /old, to: /new } }",
      ),
      [],
    );
  });
});
