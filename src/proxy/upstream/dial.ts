import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Credentials, ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig, EndpointConfig } from "../snapshot.ts";
import { APP_UNREACHABLE, CONNECT_FAILED, CONNECT_TIMEOUT, TLS_FAILED, parseFailureName } from "../failures.ts";

/** Opens a connection to an endpoint: mutual TLS when the cluster expects identities, else plain (the app beside us, egress). */
export function dialEndpoint(
  runtime: ProxyRuntime,
  cluster: ClusterConfig,
  endpoint: EndpointConfig,
  target: { readonly credentials: Credentials | null; readonly handler: ConnectionHandler },
): Connection {
  const { credentials, handler } = target;
  return runtime.transport.connect(
    {
      host: endpoint.address,
      port: endpoint.port,
      timeoutMs: cluster.connectTimeoutMs,
      tls: credentials === null ? null : credentials.linkTls,
    },
    handler,
  );
}

/** Why an open connection's peer is not who the cluster expects; null when it is. The chain has been verified already. */
export function refusePeer(cluster: ClusterConfig, connection: Connection): string | null {
  const expected = cluster.peerIdentities;
  if (expected === null) return null;
  const found = connection.peer.tls?.spiffeId ?? null;
  if (found !== null && expected.has(found)) return null;
  return `the server proved ${found ?? "no SPIFFE ID"}; expected ${[...expected].join(" or ") || "an identity of the service"}`;
}

/** The failure code of a connection that never opened. */
export function toDialFailureCode(cluster: ClusterConfig, failure: TransportFailure | null): number {
  if (failure?.refusal !== undefined) return parseFailureName(failure.refusal);
  if (failure?.kind === "tls") return TLS_FAILED;
  if (cluster.kind === "static") return APP_UNREACHABLE;
  return failure?.kind === "timeout" ? CONNECT_TIMEOUT : CONNECT_FAILED;
}

/** What went wrong, for the caller's eyes. A host outside the mesh was perhaps meant to be a service of it. */
export function describeDialFailure(
  cluster: ClusterConfig,
  endpoint: EndpointConfig,
  failure: TransportFailure | null,
): string {
  const message = failure?.message ?? "closed while connecting";
  if (cluster.kind !== "dynamic") return message;
  return `No service of the mesh is called "${endpoint.address}", so it was called as a host outside the mesh: ${message}`;
}
