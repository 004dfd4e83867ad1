import { status } from "@grpc/grpc-js";
import type { sendUnaryData, Server, ServerReadableStream, ServiceDefinition } from "@grpc/grpc-js";
import { weft } from "#gen/protos.js";
import type { Log } from "../../lib/log.ts";
import { LATENCY_BUCKET_COUNT } from "../../observe/latency-buckets.ts";
import type { Clock } from "../../time/clock.ts";
import type { PeerIdentity, PeerVerifier } from "../ca/peer-verifier.ts";
import type { WouldDenyLog } from "./would-deny-log.ts";
import type { TrafficCounts, TrafficEdge, TrafficRing } from "./traffic-ring.ts";

export interface TelemetryServiceOptions {
  /** By service accounts. */
  readonly ring: TrafficRing;
  /** The same traffic with the reporting instance in place of its service account. */
  readonly instances: TrafficRing;
  readonly wouldDeny: WouldDenyLog;
  readonly verifier: PeerVerifier;
  readonly clock: Clock;
  readonly log: Log;
}

type Call = ServerReadableStream<weft.v1.TelemetryReport, weft.v1.TelemetryAck>;

const DEFINITION: ServiceDefinition = {
  report: {
    path: "/weft.v1.TelemetryService/Report",
    requestStream: true,
    responseStream: false,
    requestSerialize: (message: weft.v1.TelemetryReport) =>
      Buffer.from(weft.v1.TelemetryReport.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => weft.v1.TelemetryReport.decode(bytes),
    responseSerialize: (message: weft.v1.TelemetryAck) => Buffer.from(weft.v1.TelemetryAck.encode(message).finish()),
    responseDeserialize: (bytes: Buffer) => weft.v1.TelemetryAck.decode(bytes),
  },
};

/** More edges than this in one report are not read. */
const MAX_EDGES_PER_REPORT = 2_000;
const MAX_WOULD_DENY_PER_EDGE = 128;
const MAX_LABEL_CHARACTERS = 512;
const MAX_CODE_CHARACTERS = 64;
/** Above any true count of one interval; a proxy that says more is broken. */
const MAX_COUNT = 1e15;

/**
 * Serves weft.v1.TelemetryService. A caller reports its own traffic: what it sent out is counted under its own identity
 * whatever it claims, and what came in must be for its own namespace.
 */
export function addTelemetryService(server: Server, options: TelemetryServiceOptions): void {
  server.addService(DEFINITION, {
    report: (call: Call, respond: sendUnaryData<weft.v1.TelemetryAck>) => receive(call, respond, options),
  });
}

function receive(call: Call, respond: sendUnaryData<weft.v1.TelemetryAck>, options: TelemetryServiceOptions): void {
  const { verifier, clock, ring, instances, wouldDeny, log } = options;
  const peer = verifier.identify(call);
  let answered = peer === null;
  const answer = (code: status, details: string): void => {
    if (answered) return;
    answered = true;
    if (code === status.OK) respond(null, {});
    else respond({ code, details }, null);
  };
  // A stream that breaks off has lost its last counts; there is nobody left to tell.
  call.on("error", () => undefined);
  if (peer === null) {
    respond(
      {
        code: status.UNAUTHENTICATED,
        details:
          "WEFT_TELEMETRY_UNAUTHENTICATED: Cannot take reports: found no valid client certificate; expected a workload's",
      },
      null,
    );
    call.resume();
    return;
  }
  let refused = 0;
  call.on("data", (report: weft.v1.TelemetryReport) => {
    if (answered) return;
    if (clock.wallMs() >= peer.notAfterMs) {
      answer(
        status.UNAVAILABLE,
        "WEFT_TELEMETRY_EXPIRED: Cannot take more reports on this stream: the certificate it began with has expired; expected a new stream with the renewed one",
      );
      return;
    }
    if ((report.workload ?? "") !== peer.workload) {
      answer(
        status.PERMISSION_DENIED,
        `WEFT_TELEMETRY_WORKLOAD: Cannot take a report of ${JSON.stringify(report.workload ?? "")}: found the certificate of "${peer.workload}"; expected its own`,
      );
      return;
    }
    const bad = addReport(report, peer, (edge, counts, denied) => {
      ring.add(edge, counts, clock.nowMs());
      // Nobody says of another workload who should be let in there.
      const isOwn = edge.direction === "inbound" && edge.destination === `${peer.namespace}/${peer.serviceAccount}`;
      if (isOwn) wouldDeny.add(edge, denied, clock.nowMs());
      if (isOwn || edge.direction === "outbound") instances.add(toInstanceEdge(edge, peer), counts, clock.nowMs());
    });
    if (bad > 0 && refused === 0) {
      log.warn("a proxy reported traffic that is malformed or not its own; it is not counted", {
        workload: peer.workload,
        edges: bad,
      });
    }
    refused += bad;
  });
  call.on("end", () => answer(status.OK, ""));
}

/** Returns how many edges were not counted. */
function addReport(
  report: weft.v1.TelemetryReport,
  peer: PeerIdentity,
  add: (edge: TrafficEdge, counts: TrafficCounts, denied: readonly (readonly [string, number])[]) => void,
): number {
  const edges = report.edges ?? [];
  let refused = Math.max(0, edges.length - MAX_EDGES_PER_REPORT);
  for (const edge of edges.slice(0, MAX_EDGES_PER_REPORT)) {
    const labels = toEdge(edge, peer);
    if (labels === null) refused += 1;
    else add(labels, toCounts(edge), toDenied(edge));
  }
  return refused;
}

/** Null when malformed or not the peer's own. */
function toEdge(edge: weft.v1.EdgeDelta, peer: PeerIdentity): TrafficEdge | null {
  const { direction, protocol } = edge;
  const destination = edge.destination ?? "";
  const source = edge.source ?? "";
  const version = edge.version ?? "";
  if (direction !== "inbound" && direction !== "outbound") return null;
  if (protocol !== "http" && protocol !== "grpc" && protocol !== "tcp" && protocol !== "udp") return null;
  if (Math.max(destination.length, source.length, version.length) > MAX_LABEL_CHARACTERS || destination === "")
    return null;
  if (direction === "inbound" && !destination.startsWith(`${peer.namespace}/`)) return null;
  return {
    direction,
    source: direction === "outbound" ? `${peer.namespace}/${peer.serviceAccount}` : source,
    destination,
    version,
    protocol,
  };
}

/** Versions are not told apart here: the instance says more. */
function toInstanceEdge(edge: TrafficEdge, { namespace, workload }: PeerIdentity): TrafficEdge {
  const instance = `${namespace}/${workload}`;
  return edge.direction === "inbound"
    ? { ...edge, destination: instance, version: "" }
    : { ...edge, source: instance, version: "" };
}

function toCounts(edge: weft.v1.EdgeDelta): TrafficCounts {
  return {
    success: toCount(edge.success),
    failure: toCount(edge.failure),
    latency: (edge.latencyBuckets ?? []).slice(0, LATENCY_BUCKET_COUNT).map(toCount),
    requestBytes: toCount(edge.requestBytes),
    responseBytes: toCount(edge.responseBytes),
    failureCodes: Object.entries(edge.failureCode ?? {}).map(([code, count]) => [
      code.slice(0, MAX_CODE_CHARACTERS),
      toCount(count),
    ]),
  };
}

function toDenied({ wouldDeny }: weft.v1.EdgeDelta): readonly (readonly [string, number])[] {
  const entries = Object.entries(wouldDeny ?? {}).slice(0, MAX_WOULD_DENY_PER_EDGE);
  return entries.map(([key, count]) => [key, toCount(count)]);
}

function toCount(value: number | null | undefined): number {
  return typeof value === "number" && value >= 0 && value <= MAX_COUNT ? value : 0;
}
