import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listPolicyProblems } from "./test-policy-problems.ts";

const LATER = "2026-12-31T00:00:00Z";

/** Each on a policy that is right but for this one line. */
const WRONG: readonly (readonly [line: string, problem: RegExp])[] = [
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
  ["retries: { conditions: [sometimes] }", /conditions\[0\]: found "sometimes"; expected connect, reset, /],
  ["retries: { conditions: [200] }", /conditions\[0\]: found 200; expected a whole number of 400 to 599/],
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
  ["timeouts: { connect: 10m }", /connect: found "10m"; expected a duration of 10ms to 5m/],
  ["timeouts: { request: -1s }", /request: found "-1s"; expected a duration/],
  ["timeouts: { response: 1s, perTry: 2s }", /perTry: .*expected at most the time of all attempts, response: 1s/],
  ["timeouts: { perTry: 25h }", /perTry: found "25h"; expected a duration of 0s to 24h/],
  ["timeouts: { response: 25h }", /response: found "25h"; expected a duration of 0s to 24h/],
  ["retries: { attempts: -1 }", /attempts: found -1; expected a whole number of 0 to 20/],
  ["retries: { conditions: [600] }", /conditions\[0\]: found 600; expected a whole number of 400 to 599/],
  ["retries: { conditions: 5xx }", /^spec\.retries\.conditions: found "5xx" \(string\); expected a list of conditions/],
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

describe("a TrafficPolicy about requests", () => {
  it("is tested with 110 mistakes at least", () => {
    assert.ok(WRONG.length >= 110);
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
