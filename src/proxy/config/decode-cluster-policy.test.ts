import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy, type google, type MessageType, xds } from "#gen/protos.js";
import { policyMetadata, weftMetadata } from "../../testing/struct-fixture.ts";
import { type PlainFields, toStruct } from "../../xds/to-struct.ts";
import { BALANCER_TYPES } from "../../xds/names.ts";
import {
  type ClusterPolicy,
  DEFAULT_CLUSTER_POLICY,
  DEFAULT_LIMITS,
  LOCAL_CLUSTER_POLICY,
} from "../policy/cluster-policy.ts";
import { decodeCluster } from "./decode-cluster.ts";
import { decodeEndpoints } from "./decode-endpoints.ts";

// What control planes write that know nothing of weft, and what the proxy must refuse, from whomever it comes.

type Cluster = envoy.config.cluster.v3.Cluster;
type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

const { Cluster } = envoy.config.cluster.v3;
const { ClusterLoadAssignment } = envoy.config.endpoint.v3;
const TIMING = { intervalMs: 5_000, timeoutMs: 1_000, jitterPercent: 0, unhealthyThreshold: 3, healthyThreshold: 2 };
const EDS = Cluster.DiscoveryType.EDS;
const LB = "envoy.extensions.load_balancing_policies";
const POLICIES = envoy.extensions.load_balancing_policies;
const DEFAULT_BALANCING = DEFAULT_CLUSTER_POLICY.balancing;

test("a cluster that says nothing has the default policy itself, and one of the app its own", () => {
  assert.equal(clusterPolicyOf({ type: EDS }), DEFAULT_CLUSTER_POLICY);
  assert.equal(clusterPolicyOf({}), LOCAL_CLUSTER_POLICY);
});

const envoyClusters: readonly (readonly [title: string, cluster: Cluster, expected: Partial<ClusterPolicy>])[] = [
  ["the old field of balancing", { lbPolicy: 1 }, { balancing: { ...DEFAULT_BALANCING, strategy: "leastRequest" } }],
  [
    "a list of balancers, of which the first that is known counts",
    {
      lbPolicy: 7,
      commonLbConfig: { healthyPanicThreshold: { value: 20 } },
      loadBalancingPolicy: balancers(
        { typeUrl: "type.googleapis.com/acme.Own", value: Uint8Array.of(1, 2) },
        pack("xds.type.v3.TypedStruct", xds.type.v3.TypedStruct, { typeUrl: "acme.dev/x", value: {} }),
        pack(`${LB}.maglev.v3.Maglev`, POLICIES.maglev.v3.Maglev, { tableSize: { value: 251 } }),
        pack(`${LB}.random.v3.Random`, POLICIES.random.v3.Random, {}),
      ),
    },
    { balancing: { ...DEFAULT_BALANCING, panicPercent: 20, strategy: "maglev", tableSize: 251 } },
  ],
  [
    "round robin without a slow start",
    { loadBalancingPolicy: balancers(pack(`${LB}.round_robin.v3.RoundRobin`, POLICIES.round_robin.v3.RoundRobin, {})) },
    { balancing: { ...DEFAULT_BALANCING, strategy: "roundRobin", slowStartMs: 0 } },
  ],
  [
    "outlier detection",
    { outlierDetection: {} },
    {
      outliers: {
        consecutive5xx: 5,
        consecutiveGatewayErrors: 0,
        intervalMs: 10_000,
        baseEjectionMs: 30_000,
        maxEjectionMs: 300_000,
        maxEjectedPercent: 10,
        minInstances: 1,
        successRateFactor: 1.9,
        failurePercent: 0,
        latencyFactor: 0,
        minRequests: 100,
      },
    },
  ],
  [
    "outlier detection that ejects nobody",
    { outlierDetection: { enforcingConsecutive_5xx: { value: 0 }, enforcingSuccessRate: { value: 0 } } },
    { outliers: null },
  ],
  [
    "circuit breakers",
    {
      circuitBreakers: {
        thresholds: [{ maxConnections: { value: 7 }, maxRetries: { value: 0xffff_ffff } }],
        perHostThresholds: [{ maxConnections: { value: 2 } }],
      },
    },
    {
      limits: {
        ...DEFAULT_LIMITS,
        connections: 7,
        pendingRequests: 1_024,
        requests: 1_024,
        retries: 0,
        instanceConnections: 2,
      },
    },
  ],
  [
    "health checks",
    {
      healthChecks: [
        { ...timing(), httpHealthCheck: { path: "/healthz" } },
        { ...timing(), grpcHealthCheck: { serviceName: "s" } },
        { ...timing(), tcpHealthCheck: {} },
      ],
    },
    {
      healthChecks: [
        { ...TIMING, kind: "http", path: "/healthz", statuses: [[200, 200]], service: "" },
        { ...TIMING, kind: "grpc", path: "/", statuses: [], service: "s" },
        { ...TIMING, kind: "tcp", path: "/", statuses: [], service: "" },
      ],
    },
  ],
];
for (const [title, cluster, expected] of envoyClusters) {
  test(`decodeCluster() takes Envoy's word for ${title}`, () => {
    assert.deepEqual(clusterPolicyOf({ type: EDS, ...cluster }), { ...DEFAULT_CLUSTER_POLICY, ...expected });
  });
}

test("decodeCluster() takes the idle time of connections from the protocol's options", () => {
  const options = envoy.extensions.upstreams.http.v3.HttpProtocolOptions;
  const any = pack("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", options, {
    explicitHttpConfig: { http2ProtocolOptions: new Uint8Array(0) },
    commonHttpProtocolOptions: { idleTimeout: seconds(5) },
  });
  assert.equal(clusterPolicyOf({ type: EDS, typedExtensionProtocolOptions: { o: any } }).idleMs, 5_000);
});

const badClusters: readonly (readonly [title: string, cluster: Cluster, message: RegExp])[] = [
  ["no time to connect", { connectTimeout: seconds(0) }, /connect_timeout: found 0 ms/],
  ["an unknown old balancer", { lbPolicy: 4 }, /lb_policy: found policy 4/],
  ["a list of balancers that is missing", { lbPolicy: 7 }, /load_balancing_policy: found nothing/],
  [
    "no balancer that is known",
    { loadBalancingPolicy: balancers({ typeUrl: "acme.Own" }) },
    /policies: found acme.Own; exp/,
  ],
  [
    "a ring without points",
    ring(0),
    /policies\[0\]\.typed_extension_config\.minimum_ring_size: found 0; .* 1 to 8388608/,
  ],
  ["a table whose size is no prime", maglev(65_536), /table_size: found 65536; expected a prime/],
  ["an unknown key of our balancer", own("adaptive", { speed: 1 }), /typed_extension_config\.value: found key "speed"/],
  ["a slow start of less than nothing", own("peakEwma", { slowStartMs: -1 }), /value\.slowStartMs: found -1/],
  ["locality weights", { commonLbConfig: { localityWeightedLbConfig: new Uint8Array(0) } }, /localityWeightedLbConfig/],
  [
    "a panic beyond all",
    { commonLbConfig: { healthyPanicThreshold: { value: 101 } } },
    /healthy_panic_threshold: found 101/,
  ],
  [
    "outliers that are ejected by chance",
    { outlierDetection: { enforcingSuccessRate: { value: 50 } } },
    /enforcing_success_rate: found 50/,
  ],
  ["no interval", { outlierDetection: { interval: seconds(0) } }, /outlier_detection\.interval: found 0 ms/],
  [
    "a share above all",
    { outlierDetection: { maxEjectionPercent: { value: 101 } } },
    /max_ejection_percent: found 101/,
  ],
  [
    "a longest ejection below the first",
    { outlierDetection: { baseEjectionTime: seconds(9), maxEjectionTime: seconds(1) } },
    /max_ejection_time: found 1000/,
  ],
  [
    "a limit of nothing",
    { circuitBreakers: { thresholds: [{ maxRequests: { value: 0 } }] } },
    /thresholds\[0\]\.max_requests: found 0/,
  ],
  [
    "limits of another priority",
    { circuitBreakers: { thresholds: [{ priority: 1 }] } },
    /thresholds\[0\]: found field "priority"/,
  ],
  ["Envoy's retry budget", { circuitBreakers: { thresholds: [{ retryBudget: Uint8Array.of(10) }] } }, /retryBudget/],
  [
    "limits of an instance that Envoy lacks",
    { circuitBreakers: { perHostThresholds: [{ maxRequests: { value: 1 } }] } },
    /per_host_thresholds\[0\]/,
  ],
  [
    "a check without an interval",
    { healthChecks: [{ timeout: seconds(1) }] },
    /health_checks\[0\]\.interval: found nothing/,
  ],
  ["a check of nothing", { healthChecks: [timing()] }, /health_checks\[0\]: found no check/],
  [
    "a check without a path",
    { healthChecks: [{ ...timing(), httpHealthCheck: {} }] },
    /http_health_check\.path: found ""/,
  ],
  [
    "statuses that are none",
    { healthChecks: [{ ...timing(), httpHealthCheck: { path: "/", expectedStatuses: [{ start: 300, end: 300 }] } }] },
    /expected_statuses\[0\]\.end: found 300/,
  ],
  [
    "a threshold of none",
    { healthChecks: [{ ...timing(), healthyThreshold: null, tcpHealthCheck: {} }] },
    /healthy_threshold: found 0/,
  ],
  [
    "an unknown key beside service",
    { metadata: weftMetadata({ zone: {} }) },
    /metadata\["weft.dev"\]: found key "zone"; expected only service, withheld, policy/,
  ],
];
for (const [title, cluster, message] of badClusters) {
  test(`decodeCluster() refuses ${title}`, () => {
    assert.throws(() => clusterPolicyOf({ type: EDS, ...cluster }), message);
  });
}

const TRIP = { failurePercent: 50, windowMs: 1, minRequests: 1, openMs: 1, probes: 1 };
const badClusterKeys: readonly (readonly [policy: PlainFields, message: RegExp])[] = [
  [{ unknown: {} }, /policy: found key "unknown"/],
  [{ healthChecks: [{ tcp: true }] }, /policy\.healthChecks\[0\]\.intervalMs: found nothing/],
  [{ healthChecks: [{ tcp: true, grpc: {} }] }, /policy\.healthChecks\[0\]: found 2 kinds of check/],
  [{ healthChecks: [{ http: { path: "x" } }] }, /healthChecks\[0\]\.http\.path: found "x"/],
  [{ healthChecks: [{ http: { path: "/", statuses: [{ from: 300, to: 299 }] } }] }, /statuses\[0\]\.to: found 299/],
  [{ balancing: { preferZone: 1 } }, /policy\.balancing\.preferZone: found 1; expected true or false/],
  [{ balancing: { slowStartMs: -5 } }, /balancing\.slowStartMs: found -5/],
  [{ outliers: { minInstances: 0.5 } }, /outliers\.minInstances: found 0.5/],
  [{ outliers: { latencyFactor: -1 } }, /outliers\.latencyFactor: found -1/],
  [{ limits: { instanceRequests: -1 } }, /limits\.instanceRequests: found -1/],
  [{ trip: {} }, /policy\.trip: found no condition/],
  [{ trip: { ...TRIP, failurePercent: 101 } }, /trip\.failurePercent: found 101/],
  [{ trip: { ...TRIP, slowPercent: 1 } }, /trip\.slowMs: found nothing/],
  [{ instanceTrip: { ...TRIP, windowMs: 0 } }, /instanceTrip\.windowMs: found 0/],
  [{ instanceTrip: { ...TRIP, probes: 0 } }, /instanceTrip\.probes: found 0/],
  [{ trip: { ...TRIP, openMs: "1s" } }, /trip\.openMs: found "1s"/],
  [{ trip: { ...TRIP, minRequests: 0 } }, /trip\.minRequests: found 0/],
  [{ retryBudget: { ratio: -0.1 } }, /retryBudget\.ratio: found -0.1/],
  [{ retryBudget: { minPerSecond: -1 } }, /retryBudget\.minPerSecond: found -1/],
  [{ idleMs: 0 }, /policy\.idleMs: found 0/],
  [{ overload: {} }, /overload\.limit: found nothing/],
  [{ overload: { limit: 0 } }, /overload\.limit: found 0/],
  [{ overload: { limit: 1, adaptive: { min: 1, max: 2 } } }, /overload: found limit and adaptive/],
  [{ overload: { limit: 1, guard: true } }, /overload: found guard and another/],
  [{ overload: { adaptive: { min: 3, max: 2 } } }, /adaptive\.max: found 2; .* from 3/],
  [{ overload: { limit: 1, maxQueue: -1 } }, /overload\.maxQueue: found -1/],
  [{ overload: { limit: 1, maxWaitMs: -1 } }, /overload\.maxWaitMs: found -1/],
  [{ overload: { limit: 1, priorityHeader: "X Y" } }, /overload\.priorityHeader: found "X Y"/],
  [{ overload: { limit: 1, priorities: ["a", "a"] } }, /overload\.priorities\[1\]: found "a" twice/],
];
for (const [policy, message] of badClusterKeys) {
  test(`decodeCluster() refuses the policy ${JSON.stringify(policy)}`, () => {
    assert.throws(() => clusterPolicyOf({ type: EDS, metadata: policyMetadata(policy) }), message);
  });
}

test("decodeEndpoints() reads zone, priority and weight", () => {
  const endpoints = endpointsOf({
    endpoints: [
      { lbEndpoints: [lbEndpoint(1)] },
      { locality: { region: "r", zone: "b" }, priority: 1, lbEndpoints: [lbEndpoint(2, 5)] },
    ],
  });
  assert.deepEqual(
    endpoints.map(({ port, zone, priority, weight }) => [port, zone, priority, weight]),
    [
      [1, "", 0, 1],
      [2, "b", 1, 5],
    ],
  );
});

test("decodeEndpoints() refuses priorities and weights out of range, and policies of Envoy's", () => {
  assert.throws(() => endpointsOf({ endpoints: [{ priority: 129 }] }), /endpoints\[0\]\.priority: found 129/);
  const unweighted = { endpoints: [{ lbEndpoints: [lbEndpoint(1, 0)] }] };
  assert.throws(() => endpointsOf(unweighted), /lb_endpoints\[0\]\.load_balancing_weight: found 0/);
  assert.throws(() => endpointsOf({ policy: Uint8Array.of(16, 1) }), /field "policy"/);
});

function timing(): envoy.config.core.v3.HealthCheck {
  const thresholds = { unhealthyThreshold: { value: 3 }, healthyThreshold: { value: 2 } };
  return { interval: seconds(5), timeout: seconds(1), ...thresholds };
}

function clusterPolicyOf(cluster: Cluster): ClusterPolicy {
  return decodeCluster(Cluster.decode(Cluster.encode({ name: "c", ...cluster }).finish())).config.policy;
}

function endpointsOf(wire: Assignment): ReturnType<typeof decodeEndpoints> {
  return decodeEndpoints(ClusterLoadAssignment.decode(ClusterLoadAssignment.encode(wire).finish()));
}

function lbEndpoint(port: number, weight: number | null = null): envoy.config.endpoint.v3.LbEndpoint {
  const endpoint = { address: { socketAddress: { address: "127.0.0.1", portValue: port } } };
  return weight === null ? { endpoint } : { endpoint, loadBalancingWeight: { value: weight } };
}

function seconds(count: number): google.protobuf.Duration {
  return { seconds: count };
}

function pack<T>(name: string, type: MessageType<T>, message: T): google.protobuf.Any {
  return { typeUrl: `type.googleapis.com/${name}`, value: type.encode(message).finish() };
}

function balancers(...configs: readonly google.protobuf.Any[]): envoy.config.cluster.v3.LoadBalancingPolicy {
  return {
    policies: configs.map((typedConfig, index) => ({ typedExtensionConfig: { name: `${index}`, typedConfig } })),
  };
}

function ring(size: number): Cluster {
  const type = POLICIES.ring_hash.v3.RingHash;
  const any = pack(`${LB}.ring_hash.v3.RingHash`, type, { minimumRingSize: { value: size } });
  return { loadBalancingPolicy: balancers(any) };
}

function maglev(size: number): Cluster {
  const any = pack(`${LB}.maglev.v3.Maglev`, POLICIES.maglev.v3.Maglev, { tableSize: { value: size } });
  return { loadBalancingPolicy: balancers(any) };
}

function own(name: "adaptive" | "peakEwma", value: PlainFields): Cluster {
  const any = pack("xds.type.v3.TypedStruct", xds.type.v3.TypedStruct, {
    typeUrl: BALANCER_TYPES[name],
    value: toStruct(value),
  });
  return { loadBalancingPolicy: balancers(any) };
}
