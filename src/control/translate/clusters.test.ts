import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import type { Resource } from "../../resources/resource.ts";
import { CLUSTER_TYPE, EGRESS_CLUSTER, EMPTY_CLUSTER, ENDPOINT_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import { sampleMesh, sampleService, sampleSlice } from "../model/sample-resources.ts";
import { decodeFrom, SAMPLE_BUNDLE, sampleInbound, sampleNode, sampleSource } from "./sample-node.ts";

const { Cluster } = envoy.config.cluster.v3;
const TLS = envoy.extensions.transport_sockets.tls.v3;

const REVIEWS: readonly Resource[] = [
  sampleService("reviews", {
    ports: [
      { port: 80, name: "http" },
      { port: 6379, name: "tcp" },
    ],
  }),
  sampleSlice("r-1", "reviews", { port: 9001, portName: "http", version: "v1" }),
  sampleSlice("r-2", "reviews", { port: 9002, portName: "http", serviceAccount: "second", workload: "r-two" }),
];

test("a Service's cluster expects exactly the identities of its endpoints, over mutual TLS 1.3", () => {
  const cluster = clusterOf(REVIEWS, "default/reviews:80");
  assert.equal(cluster.type, Cluster.DiscoveryType.EDS);
  assert.ok(cluster.edsClusterConfig?.edsConfig?.ads);
  assert.equal(cluster.connectTimeout?.seconds, 5);
  const common = upstreamTls(cluster).commonTlsContext;
  assert.equal(common?.tlsParams?.tlsMinimumProtocolVersion, TLS.TlsParameters.TlsProtocol.TLSv1_3);
  assert.equal(common?.tlsParams?.tlsMaximumProtocolVersion, TLS.TlsParameters.TlsProtocol.TLSv1_3);
  assert.deepEqual(common?.alpnProtocols, ["h2"]);
  assert.ok(isHttp2Only(cluster), "HTTP/2 between proxies");
  assert.deepEqual(
    common?.tlsCertificateSdsSecretConfigs?.map((secret) => secret.name),
    ["identity"],
  );
  assert.equal(common?.combinedValidationContext?.validationContextSdsSecretConfig?.name, "trust-bundle");
  assert.deepEqual(identities(cluster), [
    "spiffe://shop.mesh/ns/default/sa/reviews",
    "spiffe://shop.mesh/ns/default/sa/second",
  ]);
  assert.equal(cluster.metadata?.filterMetadata?.["weft.dev"]?.fields?.["service"]?.stringValue, "default/reviews");
});

test("a cluster without endpoints expects an identity that nobody can have", () => {
  assert.deepEqual(identities(clusterOf(REVIEWS, "default/reviews:6379")), ["spiffe://shop.mesh"]);
});

test("the cluster of an opaque port is not HTTP/2", () => {
  const cluster = clusterOf(REVIEWS, "default/reviews:6379");
  assert.ok(!(upstreamTls(cluster).commonTlsContext?.alpnProtocols ?? []).includes("h2"));
  assert.ok(!isHttp2Only(cluster));
});

test("the app's cluster is plain TCP to the app and nothing else", () => {
  const cluster = clusterOf([], "local:8000");
  assert.equal(cluster.type, Cluster.DiscoveryType.STATIC);
  assert.equal(cluster.transportSocket, null);
  assert.deepEqual(addresses(cluster.loadAssignment ?? {}), ["127.0.0.1:8000"]);
});

for (const [protocol, http2] of [
  ["http", false],
  ["grpc", true],
  ["http2", true],
  ["tcp", false],
] as const) {
  test(`an app declared ${protocol} is ${http2 ? "" : "not "}sent HTTP/2 always`, () => {
    const view = sampleSource([]).viewFor(sampleNode({ inbound: [sampleInbound(protocol)] }));
    assert.equal(isHttp2Only(decodeFrom(view, CLUSTER_TYPE, "local:8000", Cluster)), http2);
  });
}

test("an app that was started without a protocol is sent what a Service says", () => {
  const inbound = sampleInbound();
  const resources = [
    sampleService("web", { ports: [{ port: 80, appProtocol: "kubernetes.io/h2c" }] }),
    sampleSlice("w", "web", { port: inbound.port, workload: sampleNode().workload }),
  ];
  assert.ok(isHttp2Only(clusterOf(resources, "local:8000")));
});

test("the empty cluster has no endpoints", () => {
  assert.deepEqual(addresses(clusterOf([], EMPTY_CLUSTER).loadAssignment ?? {}), []);
});

test("the egress cluster is there only where the mesh allows egress", () => {
  assert.equal(clusterOf([], EGRESS_CLUSTER).clusterType?.name, "envoy.clusters.dynamic_forward_proxy");
  const view = sampleSource([sampleMesh({ egress: "deny" })]).viewFor(sampleNode());
  assert.equal(view.get(CLUSTER_TYPE)?.has(EGRESS_CLUSTER), false);
});

test("endpoints carry their version and workload", () => {
  const view = sampleSource([...REVIEWS, sampleMesh({ access: "permissive" })]).viewFor(sampleNode());
  const assignment = decodeFrom(
    view,
    ENDPOINT_TYPE,
    "default/reviews:80",
    envoy.config.endpoint.v3.ClusterLoadAssignment,
  );
  assert.deepEqual(addresses(assignment), ["127.0.0.1:9001", "127.0.0.1:9002"]);
  const metadata = assignment.endpoints?.[0]?.lbEndpoints?.map((endpoint) => {
    const fields = endpoint.metadata?.filterMetadata?.["weft.dev"]?.fields ?? {};
    return [fields["version"]?.stringValue, fields["workload"]?.stringValue];
  });
  assert.deepEqual(metadata, [
    ["v1", "r-1"],
    [undefined, "r-two"],
  ]);
});

test("a Service without endpoints has an assignment all the same", () => {
  const view = sampleSource(REVIEWS).viewFor(sampleNode());
  const assignment = decodeFrom(
    view,
    ENDPOINT_TYPE,
    "default/reviews:6379",
    envoy.config.endpoint.v3.ClusterLoadAssignment,
  );
  assert.equal(assignment.clusterName, "default/reviews:6379");
  assert.deepEqual(addresses(assignment), []);
});

test("the trust bundle is a secret by its name", () => {
  const secret = decodeFrom(sampleSource([]).viewFor(sampleNode()), SECRET_TYPE, "trust-bundle", TLS.Secret);
  assert.equal(secret.validationContext?.trustedCa?.inlineString, SAMPLE_BUNDLE);
});

function clusterOf(resources: readonly Resource[], name: string): envoy.config.cluster.v3.Cluster {
  return decodeFrom(
    sampleSource([sampleMesh({ access: "permissive" }), ...resources]).viewFor(
      sampleNode({ inbound: [sampleInbound()] }),
    ),
    CLUSTER_TYPE,
    name,
    Cluster,
  );
}

function upstreamTls(
  cluster: envoy.config.cluster.v3.Cluster,
): envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext {
  return TLS.UpstreamTlsContext.decode(cluster.transportSocket?.typedConfig?.value ?? new Uint8Array());
}

function identities(cluster: envoy.config.cluster.v3.Cluster): string[] {
  const context = upstreamTls(cluster).commonTlsContext?.combinedValidationContext?.defaultValidationContext;
  return (context?.matchTypedSubjectAltNames ?? []).map((name) => {
    assert.equal(name.sanType, TLS.SubjectAltNameMatcher.SanType.URI);
    return name.matcher?.exact ?? "";
  });
}

function isHttp2Only(cluster: envoy.config.cluster.v3.Cluster): boolean {
  const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3;
  const options = cluster.typedExtensionProtocolOptions?.["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
  if (options === undefined) return false;
  const explicit = HttpProtocolOptions.decode(options.value ?? new Uint8Array()).explicitHttpConfig;
  return explicit?.http2ProtocolOptions != null;
}

function addresses(assignment: envoy.config.endpoint.v3.ClusterLoadAssignment): string[] {
  return (assignment.endpoints ?? []).flatMap((locality) =>
    (locality.lbEndpoints ?? []).map((endpoint) => {
      const socket = endpoint.endpoint?.address?.socketAddress;
      return `${socket?.address}:${socket?.portValue}`;
    }),
  );
}
