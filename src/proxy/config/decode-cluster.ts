import type { google } from "#gen/protos.js";
import { envoy } from "#gen/protos.js";
import type { ClusterConfig } from "../snapshot.ts";
import { IDENTITY_SECRET, TRUST_BUNDLE_SECRET } from "../../xds/names.ts";
import { DEFAULT_CLUSTER_POLICY, LOCAL_CLUSTER_POLICY } from "../policy/cluster-policy.ts";
import { decodeClusterPolicy } from "./decode-cluster-policy.ts";
import { decodeEndpoints } from "./decode-endpoints.ts";
import { decodeWithheld } from "./decode-withheld.ts";
import { PolicyPool } from "./policy-pool.ts";
import { readMetadata } from "./read-metadata.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { requireDuration, SOME_DURATION } from "./require-number.ts";

/** Envoy's default. */
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const UPSTREAM_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const RAW_BUFFER = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
const HTTP_PROTOCOL_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const DYNAMIC_CLUSTER = "envoy.clusters.dynamic_forward_proxy";

/** A cluster without its endpoints, which come by EDS under `edsName`; null for the other kinds. */
export interface DecodedCluster {
  readonly config: ClusterConfig;
  readonly edsName: string | null;
}

/** Policies that an earlier version of the cluster had, and `pool` knows, keep their objects. */
export function decodeCluster(
  wire: envoy.config.cluster.v3.Cluster,
  pool: PolicyPool = new PolicyPool(),
): DecodedCluster {
  refuseUnknownFields(
    wire,
    [
      "name",
      "altStatName",
      "type",
      "clusterType",
      "edsClusterConfig",
      "connectTimeout",
      "lbPolicy",
      "loadBalancingPolicy",
      "commonLbConfig",
      "healthChecks",
      "outlierDetection",
      "circuitBreakers",
      "loadAssignment",
      "typedExtensionProtocolOptions",
      "dnsLookupFamily",
      "transportSocket",
      "metadata",
      "clusterDiscoveryType",
      "ignoreHealthOnHostRemoval",
      "perConnectionBufferLimitBytes",
    ],
    "",
  );
  const name = wire.name ?? "";
  if (name === "") throw new ConfigRefusal("name", "an empty name", "a name");
  const kind = decodeKind(wire);
  const { appProtocol, idleMs } = decodeProtocolOptions(wire.typedExtensionProtocolOptions ?? {});
  const { connectTimeout } = wire;
  const withheld = decodeWithheld(wire.metadata ?? null);
  if (withheld !== null && kind !== "static") throw new ConfigRefusal("type", "a withheld cluster", "STATIC");
  const base = kind === "static" && withheld === null ? LOCAL_CLUSTER_POLICY : DEFAULT_CLUSTER_POLICY;
  return {
    config: {
      name,
      kind,
      peerIdentities:
        withheld === null ? decodeTransportSocket(wire.transportSocket ?? null) : new Set([withheld.destinationId]),
      appProtocol,
      service: readMetadata(wire.metadata ?? null, "service") ?? "",
      connectTimeoutMs:
        connectTimeout == null
          ? DEFAULT_CONNECT_TIMEOUT_MS
          : requireDuration(connectTimeout, SOME_DURATION, "connect_timeout"),
      policy: decodeClusterPolicy(wire, base, { idleMs, pool }),
      endpoints:
        kind === "static" && wire.loadAssignment != null && withheld === null
          ? decodeEndpoints(wire.loadAssignment)
          : [],
      withheld: withheld?.policy ?? null,
    },
    edsName: kind === "eds" ? wire.edsClusterConfig?.serviceName || name : null,
  };
}

function decodeKind(wire: envoy.config.cluster.v3.Cluster): ClusterConfig["kind"] {
  if (wire.clusterType != null) {
    if (wire.clusterType.name === DYNAMIC_CLUSTER) return "dynamic";
    throw new ConfigRefusal("cluster_type", `"${wire.clusterType.name}"`, `"${DYNAMIC_CLUSTER}"`);
  }
  const { EDS, STATIC } = envoy.config.cluster.v3.Cluster.DiscoveryType;
  if (wire.type === EDS) return "eds";
  if ((wire.type ?? STATIC) === STATIC) return "static";
  throw new ConfigRefusal("type", `type ${wire.type}`, "EDS or STATIC");
}

interface ProtocolOptions {
  readonly appProtocol: ClusterConfig["appProtocol"];
  /** Null = not said. */
  readonly idleMs: number | null;
}

/** Envoy takes HTTP/1.1 where nothing is said; we do too, except for gRPC, which HTTP/1.1 cannot carry. */
function decodeProtocolOptions(options: Readonly<Record<string, google.protobuf.Any>>): ProtocolOptions {
  let decoded: ProtocolOptions = { appProtocol: "auto", idleMs: null };
  for (const [name, any] of Object.entries(options)) {
    const path = `typed_extension_protocol_options["${name}"]`;
    if (any.typeUrl !== HTTP_PROTOCOL_OPTIONS) {
      throw new ConfigRefusal(path, `"${any.typeUrl ?? ""}"`, `"${HTTP_PROTOCOL_OPTIONS}"`);
    }
    const wire = envoy.extensions.upstreams.http.v3.HttpProtocolOptions.decode(any.value ?? new Uint8Array());
    refuseUnknownFields(wire, ["commonHttpProtocolOptions", "explicitHttpConfig", "upstreamProtocolOptions"], path);
    const explicit = wire.explicitHttpConfig;
    // An empty message is one that is set, which a field without bytes does not tell apart.
    if (explicit == null || wire.useDownstreamProtocolConfig != null || wire.autoConfig != null) {
      throw new ConfigRefusal(path, wire.upstreamProtocolOptions ?? "no protocol", "explicit_http_config");
    }
    decoded = {
      appProtocol: decodeExplicitProtocol(explicit, `${path}.explicit_http_config`),
      idleMs: decodeIdle(wire.commonHttpProtocolOptions ?? null, `${path}.common_http_protocol_options`),
    };
  }
  return decoded;
}

function decodeIdle(wire: envoy.config.core.v3.HttpProtocolOptions | null, path: string): number | null {
  if (wire === null) return null;
  refuseUnknownFields(wire, ["idleTimeout"], path);
  return wire.idleTimeout == null ? null : requireDuration(wire.idleTimeout, SOME_DURATION, `${path}.idle_timeout`);
}

function decodeExplicitProtocol(
  explicit: envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig,
  path: string,
): "http1" | "http2" {
  const { httpProtocolOptions, http2ProtocolOptions } = explicit;
  if (http2ProtocolOptions != null) {
    if (http2ProtocolOptions.length === 0) return "http2";
    throw new ConfigRefusal(`${path}.http2_protocol_options`, "settings of HTTP/2", "an empty message");
  }
  if (httpProtocolOptions == null) {
    throw new ConfigRefusal(path, explicit.protocolConfig ?? "no protocol", "HTTP/1.1 or HTTP/2");
  }
  refuseUnknownFields(httpProtocolOptions, [], `${path}.http_protocol_options`);
  return "http1";
}

/** Null = plain TCP. TLS that would verify nothing, or not by SPIFFE ID, is refused. */
function decodeTransportSocket(socket: envoy.config.core.v3.TransportSocket | null): ReadonlySet<string> | null {
  const any = socket?.typedConfig;
  if (socket === null || any == null || any.typeUrl === RAW_BUFFER) return null;
  if (any.typeUrl !== UPSTREAM_TLS)
    throw new ConfigRefusal("transport_socket", `"${any.typeUrl}"`, `"${UPSTREAM_TLS}"`);
  const context = envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext.decode(any.value ?? new Uint8Array());
  refuseUnknownFields(context, ["commonTlsContext", "sni"], "transport_socket");
  const common = context.commonTlsContext ?? {};
  requireMeshSecrets(common, "transport_socket");
  const combined = common.combinedValidationContext;
  const matchers = (combined?.defaultValidationContext ?? common.validationContext)?.matchTypedSubjectAltNames ?? [];
  const identities = new Set<string>();
  for (const matcher of matchers) {
    const exact = matcher.matcher?.exact;
    if (matcher.sanType !== envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType.URI || !exact) {
      throw new ConfigRefusal("transport_socket", "a name match that is not an exact URI", "exact URI names");
    }
    identities.add(exact);
  }
  // A cluster without endpoints has no identities to expect, and an empty set accepts nobody.
  return identities;
}

/** Our certificate and the mesh's roots, and nothing weaker. */
export function requireMeshSecrets(
  common: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext,
  path: string,
): void {
  refuseUnknownFields(
    common,
    [
      "tlsParams",
      "tlsCertificateSdsSecretConfigs",
      "combinedValidationContext",
      "validationContextSdsSecretConfig",
      "alpnProtocols",
      "validationContextType",
    ],
    path,
  );
  const { TLSv1_3 } = envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol;
  if (common.tlsParams?.tlsMinimumProtocolVersion !== TLSv1_3) {
    throw new ConfigRefusal(`${path}.tls_params`, "a minimum below TLS 1.3", "TLSv1_3");
  }
  const own = common.tlsCertificateSdsSecretConfigs?.[0]?.name;
  if (own !== IDENTITY_SECRET)
    throw new ConfigRefusal(path, `certificate secret "${own ?? ""}"`, `"${IDENTITY_SECRET}"`);
  const roots =
    common.validationContextSdsSecretConfig?.name ??
    common.combinedValidationContext?.validationContextSdsSecretConfig?.name;
  if (roots !== TRUST_BUNDLE_SECRET) {
    throw new ConfigRefusal(path, `roots secret "${roots ?? ""}"`, `"${TRUST_BUNDLE_SECRET}"`);
  }
}
