import type { HeaderChanges } from "../traffic-policy-changes.ts";
import type { CircuitBreaker, HashSource } from "../traffic-policy-instances.ts";
import type { TrafficPolicy } from "../traffic-policy.ts";
import type { FieldDoc, KindDocs } from "./field-docs.ts";

/** The fields of a [text, fields] pair; the text of a section differs with its place. */
type Fields<T> = Exclude<FieldDoc<T>, string>[1];

const HASH_SOURCE: Fields<HashSource> = {
  cookie: [
    "A cookie. Where the request has none, a random one is made and set on the response.",
    {
      name: "Name of the cookie.",
      path: "Path of a cookie that is made. Default /.",
      ttl: "Max-Age of a cookie that is made: 0s to 8760h. Default 0s: until the browser closes.",
    },
  ],
  header: "Name of a header: its first value counts.",
  query: "Name of a parameter of the query.",
  source: "true: the caller counts, by its proved identity, else by its address.",
};

const CIRCUIT_BREAKER: Fields<CircuitBreaker> = {
  failurePercent: "Percentage of failures in the window that trips it. Default 0: failures do not count.",
  slowPercent: "Percentage of slow calls in the window that trips it. Default 0: slow calls do not count.",
  slowAfter: "A call that took longer is slow: 1ms to 1h. Needed with slowPercent.",
  window: "How far back is counted: 100ms to 1h. Default 10s.",
  minRequests: "Fewer requests in the window say nothing. Default 20.",
  open: "How long it stays open: 10ms to 24h. Doubles with each trip in a row, up to ten times as long. Default 5s.",
  probes: "Trial requests at a time after that; as many successes close it. Default 3.",
};

const HEADER_CHANGES: Fields<HeaderChanges> = {
  remove: "Names of headers that are taken off, before anything else. At most 64.",
  set: "Values by header name; each replaces all fields of that name. At most 64.",
  add: "Values by header name, put behind what is there. At most 64.",
};

const PATH_CHANGE = {
  path: "The whole new path; the query stays. At most one of path, prefix and regex.",
  prefix: [
    "Replaces text at the start of the path: /a is also the start of /ab.",
    { from: "What the path begins with.", to: "What stands there instead." },
  ],
  regex: [
    "Replaces every place of the path that fits.",
    { pattern: "Regular expression (RE2).", replacement: "What stands there instead; \\1 to \\9 are its groups." },
  ],
} as const;

export const TRAFFIC_POLICY_DOCS: KindDocs<TrafficPolicy> = {
  text: "How callers treat a Service and its instances: waiting, retries, limits, load balancing, changes. Everything has a default that holds without any policy.",
  fields: {
    spec: [
      "What the policy is about, and at least one section that says something about it.",
      {
        targetRef: [
          "The name that is called: a Service of the policy's namespace.",
          {
            group: "Empty: the group of Services. May be left out.",
            kind: "Service.",
            name: "Name of the Service.",
            port: "One port of it. Left out: all its ports.",
          },
        ],
        matches: [
          "Only requests that fit any of these are meant. Left out: the whole Service. With them the policy has sections about requests only.",
          {
            kind: "HTTPRouteGroup.",
            name: "Name of the HTTPRouteGroup, of the same namespace.",
            matches: "Names of its matches. Left out: all of them.",
          },
        ],
        loadBalancing: [
          "How callers choose an instance.",
          {
            strategy: "adaptive, roundRobin, leastRequest, random, peakEwma, ringHash or maglev. Default adaptive.",
            slowStart: "How long a new instance's share grows: 0s to 1h; 0s = at once. Default 10s.",
            preferZone: "Whether instances of the caller's zone come first. Default true.",
            panicPercent: "With fewer than so many percent available, all instances are used; 0 = never. Default 50.",
            ringSize: "Points on the ring, at least. Only with ringHash. Default 1024.",
            tableSize: "Size of the table: a prime. Only with maglev. Default 65537.",
            hashOn: [
              "What ringHash and maglev go by: the first that is found in a request. Each is exactly one of cookie, header, query and source.",
              HASH_SOURCE,
            ],
          },
        ],
        healthChecks: [
          "What each caller's proxy asks the instances; one must pass all. Each has exactly one of http, grpc and tcp. At most 8.",
          {
            http: [
              "An HTTP request.",
              {
                path: "What is requested. Default /.",
                statuses: 'What counts as healthy, e.g. "200" or "200-299". Default ["200-299"].',
              },
            ],
            grpc: [
              "A request of gRPC's health protocol.",
              { service: "The service that is asked for. Default empty: the server as a whole." },
            ],
            tcp: "{}: a connection.",
            interval: "Time between checks: 100ms to 1h. Default 5s.",
            timeout: "How long one may take: 10ms to 5m, at most interval. Default 1s, or interval if that is less.",
            jitterPercent: "Random part that is added to the interval. Default 20.",
            unhealthyThreshold: "Failures in a row that make an instance unhealthy. Default 3.",
            healthyThreshold: "Successes in a row that make it healthy again. Default 2.",
          },
        ],
        outlierDetection: [
          "When an instance that fails too much gets nothing for a while. On without any policy; 0 switches one reason off.",
          {
            enabled: "false: nothing is ever ejected. Default true.",
            consecutive5xx: "5xx in a row, or what gRPC has in their place. Default 10.",
            consecutiveGatewayErrors: "502, 503, 504, resets, failed connections and timeouts in a row. Default 5.",
            interval: "How often rates are looked at: 100ms to 1h. Default 10s.",
            baseEjection:
              "How long the first ejection lasts; the nth in a row lasts n times as long. 100ms to 24h. Default 5s.",
            maxEjection: "How long one may last at most: 100ms to 24h. Default 5m.",
            maxEjectedPercent: "Of the instances that may be out together; one always may. Default 50.",
            minInstances: "So many always stay in. Default 1.",
            successRateFactor:
              "So many standard deviations below the mean success rate of all; 1.9 is usual. Default 0.",
            failurePercent: "Percentage of failures in an interval. Default 0.",
            latencyFactor: "Mean latency above so many times the median of the others. Default 0.",
            minRequests: "Rates and latency count from so many requests in an interval on. Default 20.",
          },
        ],
        limits: [
          "What is beyond one fails at once with overflow. 0 = no limit.",
          {
            connections: "To all instances. An instance's first connection is always allowed. Default 1024.",
            pendingRequests: "Requests that wait for a connection. Default 16384.",
            requests: "Requests at once. Default 0.",
            retries: "Retries at once; retryBudget bounds them by rate. Default 0.",
            perInstance: [
              "The same, of one instance.",
              {
                connections: "To one instance, at most connections. Default 0.",
                requests: "At one instance, at most requests. Default 0.",
              },
            ],
          },
        ],
        circuitBreaker: [
          "When the whole Service gets nothing for a while: requests then fail at once. Off without a policy.",
          CIRCUIT_BREAKER,
        ],
        instanceCircuitBreaker: [
          "When one instance gets nothing for a while, and the others do. Off without a policy.",
          CIRCUIT_BREAKER,
        ],
        retryBudget: [
          "How many retries there may be; what is beyond is not retried. On without any policy.",
          {
            ratio: "Retries per first request. Default 0.2.",
            minPerSecond: "And so many a second whatever the traffic. Default 10.",
          },
        ],
        overload: [
          "The gate in front of each instance: lets in what the app can work on, keeps a few waiting, refuses the rest at once. Without a policy it only stands guard.",
          {
            enabled: "false: no gate, and no guard. Default true.",
            concurrency:
              "Requests at the app at once: guard (as without a policy), adaptive (found by measuring latency), or a number. Default adaptive.",
            minConcurrency: "Lower bound of adaptive. Default 4.",
            maxConcurrency: "Upper bound of adaptive. Default 1000.",
            maxQueue: "Requests that may wait; 0 = none. Default 100.",
            maxWait: "How long one may wait: 0s to 5m. Default 1s.",
            priorityHeader: "The header whose value names a class of requests. Default x-weft-priority.",
            priorities:
              "The classes, the most important first. Default critical, normal, sheddable; who names none is of the middle one.",
          },
        ],
        timeouts: [
          "How long callers wait. 0s = no limit.",
          {
            connect: "For a connection with its TLS: 10ms to 5m. Not beside matches. Default 5s.",
            idle: "Connections that nobody uses so long are closed: 1s to 24h. Not beside matches. Default 30m.",
            request:
              "From the request to the end of its response, all attempts; it becomes the request's deadline. Default none.",
            response:
              "From the complete request to the head of its response, all attempts. Not for gRPC and upgrades. Default 15s, or none where request is set.",
            perTry:
              "One attempt, to the head of its response. It is tried again only with timeout in retries.conditions. Default none.",
            streamIdle: "No byte either way once the response has begun. Default 5m.",
          },
        ],
        retries: [
          "What is tried again, and how often.",
          {
            attempts: "So often after the first attempt; 0 = never. Default 2.",
            conditions:
              "What is tried again: connect, reset, timeout, gateway-error, 5xx, grpc-cancelled, grpc-deadline-exceeded, grpc-resource-exhausted, grpc-internal, grpc-unavailable, or a status of 400 to 599. Default connect and reset.",
            anyMethod: "true says that every request here may be sent twice, POST too. Default false.",
            backoff: [
              "The wait before retry n is random, up to base * 2^(n-1).",
              { base: "1ms to 1m. Default 25ms.", max: "The longest: 1ms to 10m. Default 250ms." },
            ],
            maxRetryAfter: "A Retry-After of up to so long is kept to; a longer one ends the retries. Default 10s.",
          },
        ],
        sticky: [
          "What keeps a user on one side of a TrafficSplit: exactly one of cookie, header, query and source. Without it each request is drawn anew.",
          HASH_SOURCE,
        ],
        rateLimits: [
          "A request must be within all of them, else it gets 429. Counted in front of each instance. At most 32.",
          {
            name: "Name of the limit, once in the list: for headers and messages.",
            requests: "So many in each period.",
            period: "10ms to 24h. Default 1s.",
            burst: "So many at once. Default: the same as requests.",
            by: "Who shares one bucket: route (all), caller (each proved identity), header (each value of header). Default route.",
            header: "Name of the header, with by: header.",
            overrides: [
              "Other amounts for some callers, with by: caller. At most 1000.",
              { caller: "<namespace>/<service account>.", requests: "So many in each period." },
            ],
            maxBuckets:
              "So many buckets are kept, with by: caller and header; the one used longest ago is forgotten first. Default 10000.",
          },
        ],
        faults: [
          "Failures on purpose, to find out what they do. Each has exactly one of delay, abort, reset and slowBody. At most 32.",
          {
            name: "Name of the fault, once in the list: for logs, messages and metrics.",
            percentage: "Of the requests, drawn for each. Default 100.",
            until: 'When it ends, e.g. "2026-12-01T18:00:00Z", by the clock of each proxy.',
            delay: [
              "The request waits: a duration of 1ms to 1h, or {min, max} for a random one between the two.",
              { min: "The shortest: 0s to 1h.", max: "The longest: 1ms to 1h." },
            ],
            abort: [
              "The request is answered with a failure.",
              {
                httpStatus: "200 to 599. Default 503.",
                grpcStatus: "1 to 16, for gRPC calls. Default 14.",
              },
            ],
            reset: "true: the stream is cut off without an answer.",
            slowBody: ["The response body comes slowly.", { bytesPerSecond: "No faster than this." }],
          },
        ],
        mirrors: [
          "Services that get a copy of each request; what they answer is thrown away. At most 8.",
          {
            service: "A Service of the same namespace, and not the target.",
            port: "Its port. Default: that of the request.",
            percentage: "Of the requests. Default 100.",
          },
        ],
        cache: [
          "Keeps responses in the caller's proxy. Off without a policy.",
          {
            maxBytes: "Of one route in one proxy. Default 67108864 (64 MiB).",
            maxBodyBytes: "A longer body is not stored. Default 1048576 (1 MiB).",
            defaultTtl: "For responses that say nothing: 0s to 8760h; 0s = those are not stored. Default 0s.",
            staleWhileRevalidate: "For responses that do not say it themselves: 0s to 8760h. Default 0s.",
          },
        ],
        requestHeaders: ["Changes to the headers of requests.", HEADER_CHANGES],
        responseHeaders: ["Changes to the headers of responses.", HEADER_CHANGES],
        redirect: [
          "An answer in the app's place that sends the caller elsewhere. At least one field beside status.",
          {
            ...PATH_CHANGE,
            status: "301, 302, 303, 307 or 308. Default 302.",
            scheme: "http or https. Default: as requested.",
            host: "Default: as requested.",
            port: "Default: the scheme's, or as requested when that stays.",
          },
        ],
        rewrite: [
          "What the app sees instead of what was requested. At least one field; not beside redirect.",
          { ...PATH_CHANGE, host: "A host, with a port or without." },
        ],
      },
    ],
  },
};
