import type { HttpOrigin } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { EndpointConfig } from "../snapshot.ts";
import { NO_FAILURE, getFailure } from "../failures.ts";

/** How one opaque connection went. */
export interface ConnectionRecord {
  readonly protocol: "tcp" | "udp";
  /** NO_FAILURE or a code of the failure table. */
  readonly code: number;
  readonly detail: string | null;
  /** "<namespace>/<service>"; "" when none was reached, or outside the mesh. Not looked at inbound. */
  readonly service: string;
  readonly endpoint: EndpointConfig | null;
  readonly durationMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** As in `Exchange`; left out: nothing. */
  readonly deniedCall?: string;
}

/** Counts the connection at its edge and writes its line in the access log. */
export function recordConnection(runtime: ProxyRuntime, origin: HttpOrigin, record: ConnectionRecord): void {
  const { code, detail, endpoint, durationMs, sentBytes, receivedBytes } = record;
  const inbound = origin.direction === "inbound";
  const edge = runtime.edges.edge({
    direction: origin.direction,
    source: inbound ? origin.source : runtime.self,
    destination: inbound ? runtime.self : record.service,
    version: inbound ? "" : (endpoint?.version ?? ""),
    protocol: record.protocol,
  });
  edge.record(0, code, durationMs);
  if (record.deniedCall !== undefined && record.deniedCall !== "") edge.countWouldDeny(record.deniedCall);
  edge.requestBytes += sentBytes;
  edge.responseBytes += receivedBytes;
  if (runtime.accessLog === null) return;
  const failure = getFailure(code);
  runtime.accessLog.connection(
    {
      authority: origin.authority ?? "",
      flag: code === NO_FAILURE ? "-" : failure.flag,
      failure: code === NO_FAILURE ? null : failure.name,
      detail,
      durationMs: Math.round(durationMs * 1000) / 1000,
      requestBytes: sentBytes,
      responseBytes: receivedBytes,
      peer: origin.peerAddress,
      upstream: endpoint === null ? null : `${endpoint.address}:${endpoint.port}`,
      upstreamWorkload: endpoint?.workload || null,
    },
    edge.labels,
  );
}
