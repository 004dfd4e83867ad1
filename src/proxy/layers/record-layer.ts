import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { EdgeStats } from "../../observe/edge-stats.ts";
import { GRPC_STATUS_UNKNOWN, toHttpStatus } from "../../observe/grpc-class.ts";
import { DOWNSTREAM_CLOSED, NO_FAILURE, getFailure } from "../failures.ts";
import { NO_GRPC_STATUS } from "../grpc-head.ts";

/** Outermost: times every exchange and counts how it ended, whatever ended it. */
export class RecordLayer {
  readonly #runtime: ProxyRuntime;

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  begin(x: Exchange): void {
    x.startedMs = this.#runtime.clock.nowMs();
    this.#runtime.counters.activeExchanges += 1;
    if (x.origin?.direction === "inbound") x.met = this.#runtime.loadReport.begin();
  }

  end(x: Exchange): void {
    const runtime = this.#runtime;
    runtime.counters.activeExchanges -= 1;
    x.endedMs = runtime.clock.nowMs();
    const failed = x.failure !== NO_FAILURE;
    const status = failed && x.status === 0 ? x.failureStatus || getFailure(x.failure).httpStatus : x.status;
    let outcome = status;
    let edge = this.#edge(x);
    if (x.grpc) {
      edge = runtime.edges.grpcTwin(edge);
      if (failed) x.grpcStatus = x.failureGrpcStatus < 0 ? getFailure(x.failure).grpcStatus : x.failureGrpcStatus;
      else outcome = grpcOutcome(x);
      if (x.grpcStatus !== NO_GRPC_STATUS) edge.countGrpcStatus(x.grpcStatus);
    }
    if (x.origin?.direction === "inbound") {
      // Errors are often fast, and what lasts for as long as somebody listens says nothing about the next request.
      const isTelling = !failed && outcome < 500 && !x.tunnel && !x.endless;
      runtime.loadReport.end(isTelling ? x.endedMs - x.startedMs : -1, x.met);
    }
    // A caller that leaves is not the service's failure; it is counted under its own code without a class.
    edge.record(x.failure === DOWNSTREAM_CLOSED ? 0 : outcome, x.failure, x.endedMs - x.startedMs);
    edge.requestBytes += x.requestBytes;
    edge.responseBytes += x.responseBytes;
    if (x.deniedCall !== "") edge.countWouldDeny(x.deniedCall);
    if (runtime.accessLog !== null) runtime.accessLog.exchange(x, status, edge.labels);
  }

  /** Its own, where it has one; the edge of the endpoint reached; without one, the service's; without a service, the listener's own. */
  #edge(x: Exchange): EdgeStats {
    if (x.edge !== null) return x.edge;
    const origin = x.origin;
    const direction = origin?.direction ?? "outbound";
    if (direction === "inbound" && origin !== null) {
      origin.edge ??= this.#runtime.edges.edge({
        direction,
        source: origin.source,
        destination: this.#runtime.self,
        version: "",
        protocol: "http",
      });
      return origin.edge;
    }
    const endpoint = x.endpoint;
    if (endpoint?.edge != null) return endpoint.edge;
    const edge = this.#runtime.edges.edge({
      direction,
      source: this.#runtime.self,
      destination: x.cluster === null ? "" : x.cluster.config.service,
      version: endpoint?.config.version ?? "",
      protocol: "http",
    });
    if (endpoint !== null) endpoint.edge = edge;
    return edge;
  }
}

/** The HTTP status that says how a gRPC call ended: 200 alone says nothing. One without a gRPC status is a failure. */
function grpcOutcome(x: Exchange): number {
  if (x.status !== 200) return x.status;
  return toHttpStatus(x.grpcStatus === NO_GRPC_STATUS ? GRPC_STATUS_UNKNOWN : x.grpcStatus);
}
