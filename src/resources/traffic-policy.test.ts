import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatProblem } from "./problem.ts";
import { parseResourceFile } from "./parse-file.ts";

const HEAD = `apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: p }
spec:
  targetRef: { kind: Service, name: reviews }
`;

/** The problems of a policy with these lines below its target, without file and position. */
function problems(...lines: readonly string[]): readonly string[] {
  const text = HEAD + lines.map((line) => `  ${line}\n`).join("");
  return parseResourceFile(text, "p.yaml").problems.map((problem) => {
    return formatProblem(problem).replace(/^p\.yaml:\d+:\d+: error: /, "");
  });
}

const LATER = "2026-12-31T00:00:00Z";

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
  ["overload: { concurrency: auto }", /concurrency: found "auto"; expected adaptive, or a whole number/],
  ["overload: { concurrency: 10, maxConcurrency: 20 }", /concurrency: .*expected adaptive, or no minConcurrency/],
  ["overload: { minConcurrency: 50, maxConcurrency: 20 }", /minConcurrency: .*expected at most maxConcurrency, 20/],
  ["overload: { maxQueue: -1 }", /maxQueue: found -1/],
  ["overload: { maxWait: 1h }", /maxWait: found "1h"; expected a duration of 0s to 5m/],
  ["overload: { priorityHeader: 'a b' }", /priorityHeader: found "a b"; expected a header name/],
  ["overload: { priorities: [] }", /priorities: found an empty list; expected at least one class/],
  ["overload: { priorities: [a, a] }", /priorities: .*expected each class once/],
  ["timeouts: { connect: 0s }", /connect: found "0s"; expected a duration of 10ms to 5m/],
  ["timeouts: { idle: 1ms }", /idle: found "1ms"; expected a duration of 1s to 24h/],
  ["timeouts: { request: 25h }", /request: found "25h"; expected a duration of 0s to 24h/],
  ["timeouts: { request: 1s, perTry: 2s }", /perTry: .*expected at most the time of the whole request, 1s/],
  ["timeouts: { request: 1s, response: 2s }", /response: .*expected at most the time of the whole request, 1s/],
  ["timeouts: { streamIdle: soon }", /streamIdle: found "soon"; expected a duration/],
  [
    "timeouts: { total: 1s }",
    /found unknown field "total"; expected one of connect, idle, perTry, request, response, streamIdle/,
  ],
  ["retries: { attempts: 21 }", /attempts: found 21; expected a whole number of 0 to 20/],
  ["retries: { on: [sometimes] }", /on\[0\]: found "sometimes"; expected connect, reset, /],
  ["retries: { on: [200] }", /on\[0\]: found 200; expected a whole number of 400 to 599/],
  ["retries: { anyMethod: GET }", /anyMethod: found "GET" \(string\); expected true or false/],
  ["retries: { backoff: { base: 0s } }", /base: found "0s"; expected a duration of 1ms to 1m/],
  ["retries: { backoff: { base: 2s, max: 1s } }", /base: .*expected at most max, 1s/],
  ["retries: { maxRetryAfter: 2h }", /maxRetryAfter: found "2h"; expected a duration of 0s to 1h/],
  ["sticky: {}", /^spec\.sticky: .*expected exactly one of cookie, header, query, source/],
  ["rateLimits: [{ name: a }]", /requests: found nothing; expected a whole number/],
  ["rateLimits: [{ requests: 1 }]", /name: found nothing; expected a name/],
  ["rateLimits: [{ name: 'a b', requests: 1 }]", /name: found "a b"; expected a name/],
  ["rateLimits: [{ name: a, requests: 0 }]", /requests: found 0; expected a whole number of 1 to/],
  ["rateLimits: [{ name: a, requests: 1, period: 1ms }]", /period: found "1ms"; expected a duration of 10ms to 24h/],
  ["rateLimits: [{ name: a, requests: 1, burst: 0 }]", /burst: found 0/],
  ["rateLimits: [{ name: a, requests: 1, by: user }]", /by: found "user"; expected route, caller or header/],
  ["rateLimits: [{ name: a, requests: 1, by: header }]", /header: .*expected a header name with by: header/],
  [
    "rateLimits: [{ name: a, requests: 1, header: x }]",
    /header: .*expected a header name with by: header, and none without/,
  ],
  [
    "rateLimits: [{ name: a, requests: 1, overrides: [{ caller: a/b, requests: 2 }] }]",
    /overrides: .*expected none, or by: caller/,
  ],
  [
    "rateLimits: [{ name: a, requests: 1, by: caller, overrides: [{ caller: b, requests: 2 }] }]",
    /caller: found "b"; expected <namespace>\/<service account>/,
  ],
  [
    "rateLimits: [{ name: a, requests: 1, by: caller, overrides: [{ caller: a/b, requests: 2 }, { caller: a/b, requests: 3 }] }]",
    /overrides\[1\]\.caller: .*expected a caller that no other entry has/,
  ],
  [
    "rateLimits: [{ name: a, requests: 1 }, { name: a, requests: 2 }]",
    /rateLimits\[1\]\.name: .*expected a name that no other entry has/,
  ],
  ["rateLimits: [{ name: a, requests: 1, maxBuckets: 0 }]", /maxBuckets: found 0/],
  ["faults: [{ name: a, delay: 1s }]", /until: found nothing; expected a time like .*every fault has an end/],
  [`faults: [{ name: a, until: '${LATER}' }]`, /faults\[0\]: .*expected exactly one of delay, abort, reset, slowBody/],
  [
    `faults: [{ name: a, until: '${LATER}', delay: 1s, reset: true }]`,
    /faults\[0\]: .*expected exactly one of delay, abort, reset, slowBody/,
  ],
  ["faults: [{ name: a, until: tomorrow, delay: 1s }]", /until: found "tomorrow"; expected a time like/],
  ["faults: [{ name: a, until: '2026-13-40T00:00:00Z', delay: 1s }]", /until: .*expected a time like/],
  [`faults: [{ name: a, until: '${LATER}', delay: 2h }]`, /delay: found "2h"; expected a duration of 1ms to 1h/],
  [`faults: [{ name: a, until: '${LATER}', delay: { min: 2s, max: 1s } }]`, /delay\.min: .*expected at most max, 1s/],
  [
    `faults: [{ name: a, until: '${LATER}', abort: { httpStatus: 99 } }]`,
    /httpStatus: found 99; expected a whole number of 200 to 599/,
  ],
  [
    `faults: [{ name: a, until: '${LATER}', abort: { grpcStatus: 0 } }]`,
    /grpcStatus: found 0; expected a whole number of 1 to 16/,
  ],
  [`faults: [{ name: a, until: '${LATER}', reset: false }]`, /reset: found false; expected true/],
  [`faults: [{ name: a, until: '${LATER}', slowBody: { bytesPerSecond: 0 } }]`, /bytesPerSecond: found 0/],
  [
    `faults: [{ name: a, until: '${LATER}', reset: true, percentage: 101 }]`,
    /percentage: found 101; expected a number of 0 to 100/,
  ],
  ["mirrors: [{ service: A }]", /service: found "A"; expected a DNS label/],
  ["mirrors: [{ service: a, percentage: 101 }]", /percentage: found 101/],
  ["mirrors: [{ service: a, port: 0 }]", /port: found 0; expected a port/],
  ["cache: { maxBytes: -1 }", /maxBytes: found -1/],
  ["cache: { defaultTtl: long }", /defaultTtl: found "long"; expected a duration/],
  ["cache: { staleWhileRevalidate: 5 }", /staleWhileRevalidate: found 5; expected a duration/],
  ["requestHeaders: { remove: [host] }", /remove\[0\]: found "host"; expected a header name that neither frames/],
  ["requestHeaders: { remove: ['a b'] }", /remove\[0\]: found "a b"; expected a header name/],
  ["requestHeaders: { set: { content-length: '1' } }", /expected a header name that neither frames/],
  ["requestHeaders: { set: { x-weft-failure: a } }", /expected a header name that neither frames/],
  ["requestHeaders: { set: { ':path': /x } }", /expected a header name/],
  ['responseHeaders: { add: { x: "a\\r\\nset-cookie: b" } }', /responseHeaders\.add\.x: .*expected a header value/],
  ["responseHeaders: { set: { transfer-encoding: chunked } }", /expected a header name that neither frames/],
  ["redirect: { status: 200, host: a }", /status: found 200; expected 301, 302, 303, 307 or 308/],
  ["redirect: { status: 301 }", /^spec\.redirect: .*expected a scheme, host, port or path to redirect to/],
  ["redirect: { scheme: ftp }", /scheme: found "ftp"; expected http or https/],
  ["redirect: { host: 'a/b' }", /host: found "a\/b"; expected a host name/],
  ["redirect: { path: x }", /path: found "x"; expected a path that begins with/],
  [
    "redirect: { path: /x, prefix: { from: /a, to: /b } }",
    /^spec\.redirect: .*expected at most one of path, prefix and regex/,
  ],
  ["rewrite: {}", /^spec\.rewrite: .*expected a host, path, prefix or regex to rewrite/],
  ["rewrite: { host: 'a b' }", /host: found "a b"; expected a host name/],
  ["rewrite: { regex: { pattern: '(', replacement: /x } }", /pattern: found "\("; expected a regular expression/],
  ["rewrite: { regex: { pattern: '(?=a)', replacement: /x } }", /pattern: .*expected a regular expression/],
  ["rewrite: { prefix: { from: a, to: /b } }", /from: found "a"; expected a path that begins with/],
  ["matches: [{ kind: TCPRoute, name: a }]", /kind: found "TCPRoute"; expected HTTPRouteGroup/],
  [
    "matches: [{ kind: HTTPRouteGroup, name: a, matches: [] }]",
    /matches: found an empty list; expected at least one name/,
  ],
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
  ["timeouts: { connect: 10m }", /connect: found "10m"; expected a duration of 10ms to 5m/],
  ["timeouts: { request: -1s }", /request: found "-1s"; expected a duration/],
  ["timeouts: { response: 1s, perTry: 2s }", /perTry: .*expected at most the time of all attempts, response: 1s/],
  ["timeouts: { perTry: 25h }", /perTry: found "25h"; expected a duration of 0s to 24h/],
  ["timeouts: { response: 25h }", /response: found "25h"; expected a duration of 0s to 24h/],
  ["retries: { attempts: -1 }", /attempts: found -1; expected a whole number of 0 to 20/],
  ["retries: { on: [600] }", /on\[0\]: found 600; expected a whole number of 400 to 599/],
  ["retries: { on: 5xx }", /^spec\.retries\.on: found "5xx" \(string\); expected a list of conditions/],
  ["retries: { backoff: { max: 11m } }", /max: found "11m"; expected a duration of 1ms to 10m/],
  ["sticky: { cookie: { name: user }, header: x }", /^spec\.sticky: .*expected exactly one of cookie, header/],
  ["sticky: { cookie: { name: '' } }", /sticky\.cookie\.name: found ""; expected a cookie name/],
  [
    "rateLimits: [{ name: a, requests: 1, maxBuckets: 9 }]",
    /maxBuckets: found 9; expected none, or by: caller or header/,
  ],
  [
    "rateLimits: [{ name: a, requests: 1, by: header, header: ':path' }]",
    /header: found ":path"; expected a header name/,
  ],
  [
    "rateLimits: [{ name: a, requests: 1, by: caller, overrides: [{ caller: a/b, requests: -1 }] }]",
    /overrides\[0\]\.requests: found -1; expected a whole number/,
  ],
  [
    `faults: [{ name: a, until: '${LATER}', delay: { max: 1s } }]`,
    /delay\.min: found nothing; expected a duration of 0s to 1h/,
  ],
  [`faults: [{ name: a, until: '${LATER}', abort: { httpStatus: 600 } }]`, /httpStatus: found 600; expected a whole/],
  [`faults: [{ name: a, until: '${LATER}', abort: { grpcStatus: 17 } }]`, /grpcStatus: found 17; expected a whole/],
  [`faults: [{ name: '', until: '${LATER}', reset: true }]`, /name: found ""; expected a name of at most 63/],
  ["faults: [{ name: a, until: '2026-12-31', reset: true }]", /until: found "2026-12-31"; expected a time like/],
  [
    `faults: [{ name: a, until: '${LATER}', reset: true }, { name: a, until: '${LATER}', reset: true }]`,
    /faults\[1\]\.name: .*expected a name that no other entry has/,
  ],
  [
    `faults: [{ name: a, until: '${LATER}', reset: true, percentage: -1 }]`,
    /percentage: found -1; expected a number of 0/,
  ],
  ["mirrors: [{ service: reviews }]", /service: found "reviews"; expected another Service than the target/],
  ["mirrors: [{ service: a }, { service: a }]", /mirrors\[1\]\.service: .*expected a service that no other entry has/],
  ["mirrors: [{ percentage: 5 }]", /service: found nothing; expected a DNS label/],
  ["cache: { maxBodyBytes: 2000, maxBytes: 1000 }", /maxBodyBytes: found 2000; expected at most maxBytes, 1000/],
  ["cache: { maxBodyBytes: 2000000000 }", /maxBodyBytes: found 2000000000; expected a whole number of 0 to 1073741824/],
  ["requestHeaders: { remove: [te] }", /remove\[0\]: found "te"; expected a header name that neither frames/],
  ["requestHeaders: { remove: [Keep-Alive] }", /remove\[0\]: found "Keep-Alive"; expected a header name that neither/],
  ["requestHeaders: { set: { Connection: close } }", /set\.Connection: .*expected a header name that neither frames/],
  ["requestHeaders: { set: { Upgrade: h2c } }", /set\.Upgrade: .*expected a header name that neither frames/],
  ["requestHeaders: { set: { X-A: '1', x-a: '2' } }", /set\.x-a: .*expected each header once, in whatever case/],
  ["requestHeaders: { set: { x-a: ' 1' } }", /set\.x-a: found " 1"; expected a header value/],
  ["requestHeaders: { set: { x-a: 1 } }", /set\.x-a: found 1; expected a header value/],
  ['requestHeaders: { set: { x-a: "a\\0b" } }', /set\.x-a: .*expected a header value/],
  ['requestHeaders: { add: { "x:y": a } }', /expected a header name/],
  ["responseHeaders: { set: { x-a: ü } }", /set\.x-a: found "ü"; expected a header value/],
  ["responseHeaders: { set: [a] }", /^spec\.responseHeaders\.set: found a list; expected values by header name/],
  ["redirect: { host: 'a:80' }", /host: found "a:80"; expected a host name/],
  ["redirect: { port: 65536, host: a }", /port: found 65536; expected a port/],
  ["redirect: { path: '/a?b' }", /path: found "\/a\?b"; expected a path that begins with/],
  ['redirect: { path: "/a\\r\\nx: y" }', /path: .*expected a path that begins with/],
  ["rewrite: { host: 'a:65536' }", /host: found "a:65536"; expected a host name, with a port of 1 to 65535/],
  ["rewrite: { host: 'a:0' }", /host: found "a:0"; expected a host name/],
  [
    "rewrite: { regex: { pattern: '^/v(1)/', replacement: '/\\2' } }",
    /replacement: .*expected no group above \\1: the pattern has no more/,
  ],
  [
    "rewrite: { regex: { pattern: a, replacement: '/?b' } }",
    /replacement: found "\/\?b"; expected a path without a query/,
  ],
  ["rewrite: { prefix: { from: /a } }", /to: found nothing; expected a path/],
  ["matches: [{ kind: HTTPRouteGroup }]", /name: found nothing; expected/],
  ["matches: reads", /^spec\.matches: found "reads" \(string\); expected a list of HTTPRouteGroups/],
  ["unknown: 1", /found unknown field "unknown"; expected one of /],
];

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
  ["[]", /^spec\.targetRef: found an empty list; expected an object/],
];

describe("a TrafficPolicy", () => {
  it("is tested with 200 mistakes at least", () => {
    assert.ok(WRONG.length + WRONG_TARGETS.length + WIDE_ONLY.length >= 200);
  });

  for (const [target, problem] of WRONG_TARGETS) {
    it(`is refused for the target ${target}`, () => {
      const text = HEAD.replace("{ kind: Service, name: reviews }", target) + "  retries: { attempts: 1 }\n";
      const found = parseResourceFile(text, "p.yaml").problems.map((one) =>
        formatProblem(one).replace(/^.* error: /, ""),
      );
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

  for (const [line, problem] of WRONG) {
    it(`is refused for ${line}`, () => {
      const found = problems(line);
      assert.ok(
        found.some((text) => problem.test(text)),
        found.join("\n"),
      );
    });
  }

  for (const line of WIDE_ONLY) {
    it(`is refused for ${line} beside matches`, () => {
      const found = problems("matches: [{ kind: HTTPRouteGroup, name: g }]", line, "retries: { attempts: 1 }");
      assert.match(found.join("\n"), /expected none beside matches: it is about instances/);
      assert.deepEqual(problems(line), []);
    });
  }

  it("is refused without anything to say, without a target, and for both a redirect and a rewrite", () => {
    assert.match(problems().join("\n"), /^spec: .*expected at least one section/);
    assert.match(
      problems("redirect: { host: a }", "rewrite: { host: b }").join("\n"),
      /spec\.rewrite: .*expected none beside redirect/,
    );
    const text = HEAD.replace("  targetRef: { kind: Service, name: reviews }\n", "  retries: { attempts: 1 }\n");
    assert.match(
      formatProblem(parseResourceFile(text, "p.yaml").problems[0] ?? assert.fail("no problem")),
      /targetRef: found nothing/,
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
        "retries: { attempts: 3, on: [connect, 5xx, 429, grpc-unavailable], backoff: { base: 10ms } }",
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
