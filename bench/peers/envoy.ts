import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BenchProcess } from "../bench-process.ts";
import { CALLED_NAME, PEER_ENVIRONMENT, type PeerFiles, type PeerHop, type PeerSpec, toFileName } from "./peer.ts";

const TYPE = "type.googleapis.com";
const TLS = `${TYPE}/envoy.extensions.transport_sockets.tls.v3`;
const MANY = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };

/**
 * One worker thread; statistics and request ids as they come, no logs. Its TLS library chooses AES-128-GCM by itself where
 * the processor helps with it.
 */
export function startEnvoy(file: string, spec: PeerSpec): BenchProcess {
  const { title, core, files, hops } = spec;
  const config = join(files.folder, `${toFileName(title)}.json`);
  const resources = {
    listeners: hops.map((hop, index) => createListener(hop, `hop${index}`, files)),
    clusters: hops.map((hop, index) => createCluster(hop, `hop${index}`, files)),
  };
  writeFileSync(config, JSON.stringify({ static_resources: resources }));
  const parameters = ["-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"];
  return new BenchProcess({ title, file, parameters, cwd: files.folder, environment: PEER_ENVIRONMENT, core });
}

function createListener(hop: PeerHop, name: string, files: PeerFiles): unknown {
  const tls = {
    "@type": `${TLS}.DownstreamTlsContext`,
    require_client_certificate: true,
    common_tls_context: createTls(files, "called", hop.carries === "tcp" ? [] : ["h2", "http/1.1"]),
  };
  return {
    name,
    address: toAddress(hop.port),
    filter_chains: [
      {
        filters: [hop.carries === "tcp" ? createTcpFilter(name) : createHttpFilter(name)],
        ...(hop.tls === "downstream" ? { transport_socket: toSocket(tls) } : {}),
      },
    ],
  };
}

function createHttpFilter(name: string): unknown {
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type": `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: name,
      codec_type: "AUTO",
      route_config: {
        virtual_hosts: [
          { name, domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: name, timeout: "15s" } }] },
        ],
      },
      http_filters: [
        {
          name: "envoy.filters.http.router",
          typed_config: { "@type": `${TYPE}/envoy.extensions.filters.http.router.v3.Router` },
        },
      ],
    },
  };
}

function createTcpFilter(name: string): unknown {
  return {
    name: "envoy.filters.network.tcp_proxy",
    typed_config: {
      "@type": `${TYPE}/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: name,
      cluster: name,
    },
  };
}

function createCluster(hop: PeerHop, name: string, files: PeerFiles): unknown {
  const isHttp2 = hop.carries === "grpc" || (hop.carries === "http" && hop.tls === "upstream" && hop.middle === "h2");
  const protocol = isHttp2 ? "http2_protocol_options" : "http_protocol_options";
  const tls = {
    "@type": `${TLS}.UpstreamTlsContext`,
    sni: CALLED_NAME,
    common_tls_context: createTls(files, "caller", hop.carries === "tcp" ? [] : [isHttp2 ? "h2" : "http/1.1"]),
  };
  return {
    name,
    type: "STATIC",
    circuit_breakers: { thresholds: [MANY] },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: toAddress(hop.targetPort) } }] }],
    },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { [protocol]: {} },
      },
    },
    ...(hop.tls === "upstream" ? { transport_socket: toSocket(tls) } : {}),
  };
}

function createTls(files: PeerFiles, side: "caller" | "called", alpn: readonly string[]): unknown {
  return {
    tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
    tls_certificates: [
      { certificate_chain: { filename: files[side].certificate }, private_key: { filename: files[side].key } },
    ],
    validation_context: { trusted_ca: { filename: files.caFile } },
    alpn_protocols: alpn,
  };
}

function toSocket(config: unknown): unknown {
  return { name: "envoy.transport_sockets.tls", typed_config: config };
}

function toAddress(port: number): unknown {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
