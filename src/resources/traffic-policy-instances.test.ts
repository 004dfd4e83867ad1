import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listPolicyProblems } from "./test-policy-problems.ts";

/** Each on a policy that is right but for this one line. */
const WRONG: readonly (readonly [line: string, problem: RegExp])[] = [
  [
    "loadBalancing: { strategy: fastest }",
    /^spec\.loadBalancing\.strategy: found "fastest"; expected one of adaptive, /,
  ],
  ["loadBalancing: { slowStart: 2h }", /slowStart: found "2h"; expected a duration of 0s to 1h/],
  ["loadBalancing: { slowStart: 10 }", /slowStart: found 10; expected a duration/],
  ["loadBalancing: { preferZone: yes please }", /preferZone: found "yes please" \(string\); expected true or false/],
  ["loadBalancing: { panicPercent: 101 }", /panicPercent: found 101; expected a number of 0 to 100/],
  ["loadBalancing: { panicPercent: -1 }", /panicPercent: found -1; expected a number of 0 to 100/],
  ["loadBalancing: { strategy: ringHash }", /hashOn: found nothing; expected what ringHash goes by/],
  [
    "loadBalancing: { strategy: random, hashOn: [{ source: true }] }",
    /hashOn: .*expected none, or strategy ringHash or maglev/,
  ],
  ["loadBalancing: { strategy: maglev, hashOn: [] }", /hashOn: found an empty list; expected at least one source/],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ header: x, query: y }] }",
    /hashOn\[0\]: .*expected exactly one of cookie, header, query, source/,
  ],
  ["loadBalancing: { strategy: maglev, hashOn: [{ header: 'x y' }] }", /header: found "x y"; expected a header name/],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ cookie: { name: 'a;b' } }] }",
    /cookie\.name: found "a;b"; expected a cookie name/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ cookie: { name: a, path: x } }] }",
    /path: found "x"; expected a path that begins with/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ cookie: { name: a, ttl: forever } }] }",
    /ttl: found "forever"; expected a duration/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ source: true }], tableSize: 65536 }",
    /tableSize: found 65536; expected a prime/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ source: true }], ringSize: 10 }",
    /ringSize: found 10; expected none, or strategy ringHash/,
  ],
  [
    "loadBalancing: { strategy: ringHash, hashOn: [{ source: true }], ringSize: 0 }",
    /ringSize: found 0; expected a whole number of 1 to 8388608/,
  ],
  ["loadBalancing: { stratgy: random }", /found unknown field "stratgy"; expected `strategy`/],
  ["healthChecks: [{ http: {}, tcp: {} }]", /healthChecks\[0\]: .*expected exactly one of http, grpc, tcp/],
  ["healthChecks: [{ interval: 1s }]", /healthChecks\[0\]: .*expected exactly one of http, grpc, tcp/],
  ["healthChecks: [{ http: { path: healthz } }]", /path: found "healthz"; expected a path that begins with/],
  ["healthChecks: [{ http: { statuses: [ok] } }]", /statuses\[0\]: found "ok"; expected a status like 200/],
  [
    "healthChecks: [{ http: { statuses: ['299-200'] } }]",
    /statuses\[0\]: .*expected a range that begins with the lower/,
  ],
  ["healthChecks: [{ http: { statuses: ['600'] } }]", /statuses\[0\]: found "600"; expected a status/],
  ["healthChecks: [{ grpc: { service: 'a b' } }]", /service: found "a b"; expected the name of a gRPC service/],
  ["healthChecks: [{ tcp: { port: 1 } }]", /found unknown field "port"; expected no fields/],
  ["healthChecks: [{ tcp: {}, interval: 10ms }]", /interval: found "10ms"; expected a duration of 100ms to 1h/],
  ["healthChecks: [{ tcp: {}, interval: 1s, timeout: 2s }]", /timeout: .*expected at most the interval, 1s/],
  [
    "healthChecks: [{ tcp: {}, unhealthyThreshold: 0 }]",
    /unhealthyThreshold: found 0; expected a whole number of 1 to 100/,
  ],
  ["healthChecks: [{ tcp: {}, healthyThreshold: 1.5 }]", /healthyThreshold: found 1.5; expected a whole number/],
  ["healthChecks: [{ tcp: {}, jitterPercent: 200 }]", /jitterPercent: found 200; expected a number of 0 to 100/],
  ["outlierDetection: { consecutive5xx: -1 }", /consecutive5xx: found -1; expected a whole number of 0 to 10000/],
  ["outlierDetection: { enabled: 1 }", /enabled: found 1; expected true or false/],
  ["outlierDetection: { interval: 0s }", /interval: found "0s"; expected a duration of 100ms to 1h/],
  ["outlierDetection: { baseEjection: 10m, maxEjection: 1m }", /baseEjection: .*expected at most maxEjection, 1m/],
  ["outlierDetection: { maxEjectedPercent: 150 }", /maxEjectedPercent: found 150; expected a number of 0 to 100/],
  ["outlierDetection: { minInstances: -1 }", /minInstances: found -1/],
  ["outlierDetection: { successRateFactor: 101 }", /successRateFactor: found 101; expected a number of 0 to 100/],
  ["outlierDetection: { failurePercent: 101 }", /failurePercent: found 101/],
  ["outlierDetection: { latencyFactor: -2 }", /latencyFactor: found -2/],
  ["outlierDetection: { minRequests: 0 }", /minRequests: found 0; expected a whole number of 1 to/],
  ["limits: { connections: many }", /connections: found "many" \(string\); expected a whole number/],
  ["limits: { requests: -1 }", /requests: found -1; expected a whole number of 0 to 1000000/],
  ["limits: { perInstance: { requests: 2000000 } }", /perInstance\.requests: found 2000000/],
  ["circuitBreaker: {}", /^spec\.circuitBreaker: .*expected failurePercent or slowPercent above 0/],
  ["circuitBreaker: { failurePercent: 120 }", /failurePercent: found 120; expected a number of 0 to 100/],
  ["circuitBreaker: { slowPercent: 50 }", /slowAfter: found nothing; expected a duration: what counts as slow/],
  ["circuitBreaker: { failurePercent: 50, window: 1ms }", /window: found "1ms"; expected a duration of 100ms to 1h/],
  ["circuitBreaker: { failurePercent: 50, open: 1ms }", /open: found "1ms"; expected a duration of 10ms to 24h/],
  ["circuitBreaker: { failurePercent: 50, probes: 0 }", /probes: found 0/],
  ["instanceCircuitBreaker: { failurePercent: 50, minRequests: 0 }", /instanceCircuitBreaker\.minRequests: found 0/],
  ["retryBudget: { ratio: 11 }", /ratio: found 11; expected a number of 0 to 10/],
  ["retryBudget: { minPerSecond: -1 }", /minPerSecond: found -1/],
  ["overload: { concurrency: 0 }", /concurrency: found 0; expected a whole number/],
  ["overload: { concurrency: auto }", /concurrency: found "auto"; expected guard, adaptive, or a whole number/],
  ["overload: { concurrency: 10, maxConcurrency: 20 }", /concurrency: .*expected adaptive, or no minConcurrency/],
  ["overload: { concurrency: guard, minConcurrency: 5 }", /concurrency: .*expected adaptive, or no minConcurrency/],
  ["overload: { enabled: 'no' }", /enabled: found "no" \(string\); expected true or false/],
  ["overload: { minConcurrency: 50, maxConcurrency: 20 }", /minConcurrency: .*expected at most maxConcurrency, 20/],
  ["overload: { maxQueue: -1 }", /maxQueue: found -1/],
  ["overload: { maxWait: 1h }", /maxWait: found "1h"; expected a duration of 0s to 5m/],
  ["overload: { priorityHeader: 'a b' }", /priorityHeader: found "a b"; expected a header name/],
  ["overload: { priorities: [] }", /priorities: found an empty list; expected at least one class/],
  ["overload: { priorities: [a, a] }", /priorities: .*expected each class once/],
  [
    "loadBalancing: { strategy: ringHash, hashOn: [{ source: true }], ringSize: 8388609 }",
    /ringSize: found 8388609; expected a whole number of 1 to 8388608/,
  ],
  [
    "loadBalancing: { strategy: ringHash, hashOn: [{ source: true }], tableSize: 101 }",
    /tableSize: found 101; expected none, or strategy maglev/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ source: true }], tableSize: 5000029 }",
    /tableSize: found 5000029; expected a whole number of 3 to 5000011/,
  ],
  ["loadBalancing: { strategy: maglev, hashOn: [{ source: false }] }", /source: found false; expected true/],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ header: ':path' }] }",
    /header: found ":path"; expected a header name/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ query: 'a=b' }] }",
    /query: found "a=b"; expected the name of a query/,
  ],
  [
    "loadBalancing: { strategy: maglev, hashOn: [{ cookie: { name: a, path: '/a;Domain=b' } }] }",
    /path: found "\/a;Domain=b"; expected a path/,
  ],
  ["loadBalancing: { strategy: maglev, hashOn: [{}] }", /hashOn\[0\]: .*expected exactly one of cookie, header/],
  ["loadBalancing: random", /^spec\.loadBalancing: found "random" \(string\); expected an object/],
  ["healthChecks: { tcp: {} }", /^spec\.healthChecks: found an object; expected a list of checks/],
  ["healthChecks: [{ http: { statuses: ['101'] } }]", /statuses\[0\]: found "101"; expected a status like 200/],
  ["healthChecks: [{ http: { statuses: [] } }]", /statuses: found an empty list; expected at least one status/],
  ["healthChecks: [{ http: { statuses: [200] } }]", /statuses\[0\]: found 200; expected a status like 200/],
  ["healthChecks: [{ tcp: {}, timeout: 10m }]", /timeout: found "10m"; expected a duration of 10ms to 5m/],
  ["healthChecks: [{ tcp: {}, timeout: 6s }]", /timeout: .*expected at most the interval, 5s/],
  [
    "healthChecks: [{ tcp: {}, healthyThreshold: 101 }]",
    /healthyThreshold: found 101; expected a whole number of 1 to 100/,
  ],
  ["outlierDetection: { consecutiveGatewayErrors: 10001 }", /consecutiveGatewayErrors: found 10001; expected a whole/],
  ["outlierDetection: { maxEjection: 25h }", /maxEjection: found "25h"; expected a duration of 100ms to 24h/],
  ["limits: { pendingRequests: 1.5 }", /pendingRequests: found 1.5; expected a whole number/],
  ["limits: { retries: -1 }", /retries: found -1; expected a whole number of 0 to 1000000/],
  [
    "limits: { connections: 5, perInstance: { connections: 6 } }",
    /perInstance\.connections: found 6; expected at most that of all, 5/,
  ],
  [
    "limits: { requests: 5, perInstance: { requests: 6 } }",
    /perInstance\.requests: found 6; expected at most that of all, 5/,
  ],
  ["circuitBreaker: { failurePercent: 0, slowPercent: 0 }", /expected failurePercent or slowPercent above 0/],
  [
    "circuitBreaker: { failurePercent: 5, slowAfter: 1s }",
    /slowAfter: found "1s"; expected none, or slowPercent above/,
  ],
  ["circuitBreaker: { slowPercent: 5, slowAfter: 0s }", /slowAfter: found "0s"; expected a duration of 1ms to 1h/],
  ["circuitBreaker: { slowPercent: -1, failurePercent: 5 }", /slowPercent: found -1; expected a number of 0 to 100/],
  ["retryBudget: { ratio: '20%' }", /ratio: found "20%" \(string\); expected a number of 0 to 10/],
  ["overload: { maxConcurrency: 0 }", /maxConcurrency: found 0; expected a whole number of 1 to 1000000/],
  ["overload: { minConcurrency: 0 }", /minConcurrency: found 0; expected a whole number of 1 to 1000000/],
  ["overload: { priorities: ['a b'] }", /priorities\[0\]: found "a b"; expected a name without spaces/],
];

describe("a TrafficPolicy about instances", () => {
  it("is tested with 90 mistakes at least", () => {
    assert.ok(WRONG.length >= 90);
  });

  for (const [line, problem] of WRONG) {
    it(`is refused for ${line}`, () => {
      const found = listPolicyProblems([line]);
      assert.ok(
        found.some((text) => problem.test(text)),
        found.join("\n"),
      );
    });
  }
});
