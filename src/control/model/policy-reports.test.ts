import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { compileModel } from "./compile-model.ts";
import { findPort, sampleGroup, samplePolicy, sampleService, sampleSplit } from "./sample-resources.ts";

const REVIEWS = sampleService("reviews");
const OPAQUE = sampleService("reviews", { ports: [{ port: 80, appProtocol: "tcp" }] });
const LATER = "2026-12-31T00:00:00Z";

function account(name: string): Resource {
  const input = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "default" } };
  return validateResource(input, { file: "test" }).resource ?? assert.fail("not an account");
}

/** "Reason: message" of each condition of TrafficPolicies. */
function report(...resources: readonly Resource[]): readonly string[] {
  return compileModel(resources, null)
    .conditions.filter(({ kind }) => kind === "TrafficPolicy")
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
}

describe("on a port declared opaque", () => {
  const cases: readonly (readonly [Record<string, unknown>, lost: string | null])[] = [
    [{ loadBalancing: { strategy: "roundRobin", slowStart: "1s", preferZone: false, panicPercent: 1 } }, null],
    [{ loadBalancing: { strategy: "ringHash", hashOn: [{ source: true }] } }, "loadBalancing.hashOn has"],
    [{ outlierDetection: { consecutiveGatewayErrors: 1 } }, null],
    [{ limits: { connections: 1, perInstance: { connections: 1 } } }, null],
    [{ limits: { connections: 1, requests: 1, pendingRequests: 1 } }, "limits.pendingRequests, limits.requests have"],
    [{ limits: { retries: 1, perInstance: { requests: 1 } } }, "limits.retries, limits.perInstance.requests have"],
    [{ timeouts: { connect: "1s", idle: "1m" } }, null],
    [{ timeouts: { connect: "1s", request: "1s" } }, "timeouts.request has"],
    [{ timeouts: { perTry: "1s" } }, "timeouts.perTry has"],
    [{ healthChecks: [{ tcp: {}, interval: "1s" }] }, null],
    [{ healthChecks: [{ tcp: {} }, { http: {} }] }, "healthChecks other than tcp has"],
    [{ circuitBreaker: { failurePercent: 1 } }, "circuitBreaker has"],
    [{ instanceCircuitBreaker: { failurePercent: 1 } }, "instanceCircuitBreaker has"],
    [{ retryBudget: {}, overload: {} }, "retryBudget, overload have"],
    [{ retries: {} }, "retries has"],
    [{ sticky: { header: "a" } }, "sticky has"],
    [{ rateLimits: [{ name: "a", requests: 1 }] }, "rateLimits has"],
    [{ faults: [{ name: "a", until: LATER, reset: true }] }, "faults has"],
    [{ mirrors: [{ service: "shadow" }] }, "mirrors has"],
    [{ cache: {}, requestHeaders: {}, responseHeaders: {} }, "cache, requestHeaders, responseHeaders have"],
    [{ redirect: { host: "a" } }, "redirect has"],
    [{ rewrite: { host: "a" } }, "rewrite has"],
  ];
  for (const [spec, lost] of cases) {
    it(`${JSON.stringify(spec)} ${lost === null ? "is in force" : `is told that ${lost} no effect`}`, () => {
      assert.deepEqual(
        report(OPAQUE, samplePolicy("p", spec)),
        lost === null ? [] : [`Accepted NeedsHttp: "reviews" port 80 is opaque TCP: ${lost} no effect there`],
      );
      assert.deepEqual(
        findPort(compileModel([OPAQUE, samplePolicy("p", spec)], null), "default/reviews", 80).routePolicies,
        [],
      );
    });
  }

  it("what is about connections stays of a section that says more", () => {
    const { policy } = findPort(
      compileModel(
        [
          OPAQUE,
          samplePolicy("p", {
            limits: { connections: 3, requests: 4, perInstance: { connections: 2, requests: 1 } },
            timeouts: { connect: "1s", request: "2s" },
            healthChecks: [{ grpc: {} }, { tcp: {} }],
          }),
        ],
        null,
      ),
      "default/reviews",
      80,
    );
    assert.deepEqual(
      [policy?.limits?.connections, policy?.limits?.instanceConnections, policy?.limits?.instanceRequests],
      [3, 2, 0],
    );
    assert.deepEqual([policy?.connectMs, policy?.healthChecks?.map(({ kind }) => kind)], [1_000, ["tcp"]]);
  });

  it("a section of which nothing is left keeps nobody from writing it", () => {
    const model = compileModel(
      [
        OPAQUE,
        samplePolicy("a", { limits: { requests: 4 } }, { createdAt: "2026-01-01T00:00:00Z" }),
        samplePolicy("b", { limits: { connections: 5 } }, { createdAt: "2026-02-01T00:00:00Z" }),
      ],
      null,
    );
    assert.equal(findPort(model, "default/reviews", 80).policy?.limits?.connections, 5);
    assert.deepEqual(
      model.conditions.map(({ name, reason }) => [name, reason]),
      [["a", "NeedsHttp"]],
    );
  });
});

describe("a policy hears", () => {
  it("that nothing is split where it is sticky, until something is", () => {
    const sticky = samplePolicy("p", { sticky: { cookie: { name: "user" } } });
    assert.deepEqual(report(REVIEWS, sticky), [
      'Accepted NoSplit: No TrafficSplit splits "reviews" port 80; sticky has no effect there until one does',
    ]);
    assert.deepEqual(report(REVIEWS, sticky, sampleSplit("s", "reviews", { weights: { reviews: 1 } })), []);
    const group = sampleGroup("g", [{ name: "m" }]);
    const narrow = samplePolicy("p", {
      matches: [{ kind: "HTTPRouteGroup", name: "g" }],
      sticky: { cookie: { name: "user" } },
    });
    assert.equal(report(REVIEWS, group, narrow).length, 1);
  });

  it("that a split sends all requests to Services with policies of their own", () => {
    const spec = { limits: { requests: 1 }, retryBudget: {}, retries: {}, overload: {} };
    const v1 = sampleService("reviews-v1");
    const away = sampleSplit("away", "reviews", { weights: { "reviews-v1": 1 } });
    assert.deepEqual(report(REVIEWS, v1, away, samplePolicy("p", spec)), [
      'Accepted SplitElsewhere: TrafficSplit "away" sends all requests for "reviews" port 80 to reviews-v1, where their own policies hold; limits, retryBudget here have no effect on them',
    ]);
    const some = sampleSplit("some", "reviews", { weights: { "reviews-v1": 1, reviews: 1 } });
    assert.deepEqual(report(REVIEWS, v1, some, samplePolicy("p", spec)), []);
    const requests = samplePolicy("p", { retries: {}, cache: {} });
    assert.deepEqual(report(REVIEWS, v1, away, requests), []);
    const affinity = samplePolicy("p", { loadBalancing: { strategy: "maglev", hashOn: [{ header: "a" }] } });
    assert.deepEqual(report(REVIEWS, v1, away, affinity), []);
  });

  it("that a caller of its rate limit is nobody", () => {
    const limits = samplePolicy("p", {
      rateLimits: [{ name: "all", requests: 9, by: "caller", overrides: [{ caller: "default/web", requests: 1 }] }],
    });
    assert.deepEqual(report(REVIEWS, limits), [
      'ResolvedRefs CallerNotFound: There is no ServiceAccount "web" in namespace "default"; its amount in rate limit "all" is nobody\'s',
    ]);
    assert.deepEqual(report(REVIEWS, account("web"), limits), []);
  });

  it("why nothing is mirrored, and the other mirrors go on", () => {
    const raw = sampleService("raw", { ports: [{ port: 80, appProtocol: "tcp" }] });
    const mirrors = [{ service: "shadow" }, { service: "raw" }, { service: "nobody" }, { service: "shadow", port: 9 }];
    const resources = [REVIEWS, sampleService("shadow"), raw, samplePolicy("p", { mirrors })];
    assert.deepEqual(report(...resources), [
      'ResolvedRefs MirrorNotFound: There is no Service "nobody" in namespace "default"; nothing is mirrored to it',
      'ResolvedRefs MirrorNotHttp: Port 80 of "raw" is opaque TCP; nothing is mirrored to it',
      'ResolvedRefs MirrorPortNotFound: Service "shadow" has no TCP port 9; nothing is mirrored to it',
    ]);
    const [route] = findPort(compileModel(resources, null), "default/reviews", 80).routePolicies;
    assert.deepEqual(route?.mirrors, [{ service: "shadow", port: 80, percentage: 100 }]);
  });

  it("of a UDP port that it is none of TCP", () => {
    const service = sampleService("reviews", {
      ports: [
        { port: 53, protocol: "UDP" },
        { port: 80, name: "web" },
      ].map((port, index) => ({ name: `p${index}`, ...port })),
    });
    const targetRef = { kind: "Service", name: "reviews", port: 53 };
    assert.deepEqual(report(service, samplePolicy("p", { targetRef, retries: {} })), [
      'ResolvedRefs PortNotFound: Service "reviews" has no TCP port 53; the policy has no effect',
    ]);
  });
});
