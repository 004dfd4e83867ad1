import type { EdgeStats } from "../../observe/edge-stats.ts";
import type { MetricFamily, MetricSample } from "../../observe/prometheus-text.ts";
import type { ProxyCounters } from "../counters.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { WorkerFacts } from "../worker/worker-pool.ts";
import { LATENCY_BOUNDS_MS } from "../../observe/latency-buckets.ts";
import { WEFT_VERSION } from "../../version.ts";
import { FAILURES } from "../failures.ts";

/** What the metrics say beside traffic. */
export interface ProxyFacts {
  readonly runtimeName: string;
  readonly residentBytes: number;
  /** Wall clock, null without a certificate. */
  readonly certificateExpiryMs: number | null;
  readonly xdsConnected: boolean;
  /** Left out or empty: this process carries the traffic itself. */
  readonly workers?: readonly WorkerFacts[];
}

/** Every metric of a proxy, by the names that docs/metrics.md lists. */
export function collectMetrics(runtime: ProxyRuntime, facts: ProxyFacts): readonly MetricFamily[] {
  return [
    ...collectEdges([...runtime.edges.all()]),
    ...collectProcess(runtime, facts),
    ...collectHealth(runtime.counters),
    ...collectOverload(runtime.counters),
    family("weft_mirror_total", "counter", "Requests copied to a mirror, by what came of it.", [
      sample({ result: "sent" }, runtime.counters.mirrors),
      sample({ result: "left_out" }, runtime.counters.mirrorsLeftOut),
      sample({ result: "cut" }, runtime.counters.mirrorsCut),
    ]),
    ...collectCache(runtime.counters),
    ...collectWorkers(runtime, facts.workers ?? []),
  ];
}

/** Here and in workers. */
export function countDownstreams(runtime: ProxyRuntime): number {
  return runtime.downstreams.size + runtime.workerDownstreams;
}

function collectEdges(edges: readonly EdgeStats[]): MetricFamily[] {
  const requests: MetricSample[] = [];
  const failures: MetricSample[] = [];
  const grpcStatuses: MetricSample[] = [];
  const durations: MetricSample[] = [];
  const requestBytes: MetricSample[] = [];
  const responseBytes: MetricSample[] = [];
  for (const edge of edges) {
    if (edge.changes === 0) continue;
    const labels = { ...edge.labels };
    for (let index = 0; index < 6; index += 1) {
      const count = edge.classes[index] ?? 0;
      if (count > 0) requests.push(sample({ ...labels, class: index === 0 ? "none" : `${index}xx` }, count));
    }
    for (let code = 1; code < FAILURES.length; code += 1) {
      const count = edge.failures[code] ?? 0;
      if (count > 0) failures.push(sample({ ...labels, code: FAILURES[code]?.name ?? "" }, count));
    }
    edge.grpcStatuses?.forEach((count, code) => {
      if (count > 0) grpcStatuses.push(sample({ ...labels, grpc_status: String(code) }, count));
    });
    durations.push(...histogram(labels, edge));
    requestBytes.push(sample(labels, edge.requestBytes));
    responseBytes.push(sample(labels, edge.responseBytes));
  }
  return [
    family("weft_request_total", "counter", "Requests (or TCP connections) that ended, by response class.", requests),
    family(
      "weft_failure_total",
      "counter",
      "Requests (or TCP connections) that weft ended, by failure code.",
      failures,
    ),
    family("weft_grpc_status_total", "counter", "gRPC calls that ended, by the status that callers got.", grpcStatuses),
    family(
      "weft_request_duration_seconds",
      "histogram",
      "Time from a complete request head to the end of the exchange.",
      durations,
    ),
    family("weft_request_bytes_total", "counter", "Body bytes from callers.", requestBytes),
    family("weft_response_bytes_total", "counter", "Body bytes to callers.", responseBytes),
  ];
}

function collectProcess(runtime: ProxyRuntime, facts: ProxyFacts): MetricFamily[] {
  const { counters } = runtime;
  const expiry = facts.certificateExpiryMs;
  return [
    one("weft_connection_open_count", "gauge", "Open downstream connections.", countDownstreams(runtime)),
    one("weft_connection_total", "counter", "Downstream connections accepted.", counters.downstreamTotal),
    one("weft_upstream_connection_open_count", "gauge", "Open upstream connections.", counters.upstreamOpen),
    one("weft_upstream_connection_total", "counter", "Upstream connections opened.", counters.upstreamTotal),
    family("weft_tls_handshake_total", "counter", "Mutual TLS handshakes by side and result.", [
      sample({ side: "server", result: "ok" }, counters.tlsAccepted),
      sample({ side: "server", result: "refused" }, counters.tlsRefused),
      sample({ side: "client", result: "ok" }, counters.tlsConnected),
      sample({ side: "client", result: "failed" }, counters.tlsConnectFailed),
    ]),
    one("weft_exchange_active_count", "gauge", "Requests in flight.", counters.activeExchanges),
    one("weft_retry_total", "counter", "Attempts made again.", counters.retries),
    one(
      "weft_retry_over_budget_total",
      "counter",
      "Attempts not made again because the budget was spent.",
      counters.retriesOverBudget,
    ),
    family(
      "weft_access_denied_total",
      "counter",
      "Requests that access control denied, beside the called app or (withheld) beside the caller, or under permissive access would have.",
      [
        sample({ mode: "strict" }, counters.accessDenied),
        sample({ mode: "withheld" }, counters.accessWithheld),
        sample({ mode: "permissive" }, counters.accessShadowDenied),
      ],
    ),
    one(
      "weft_rate_bucket_forgotten_total",
      "counter",
      "Rate limit buckets that were not full and made room for those of other callers.",
      counters.rateBucketsForgotten,
    ),
    family("weft_fault_total", "counter", "Faults injected, by kind; over_limit: delays that were left out.", [
      sample({ kind: "delay" }, counters.faultDelays),
      sample({ kind: "abort" }, counters.faultAborts),
      sample({ kind: "reset" }, counters.faultResets),
      sample({ kind: "slow_body" }, counters.faultSlowBodies),
      sample({ kind: "over_limit" }, counters.faultDelaysOverLimit),
    ]),
    one("weft_udp_flow_total", "counter", "Flows of UDP begun by clients beside this proxy.", counters.udpFlows),
    family("weft_udp_datagram_total", "counter", "Datagrams of clients and apps beside this proxy.", [
      sample({ result: "received" }, counters.udpReceived),
      sample({ result: "sent" }, counters.udpSent),
      sample({ result: "dropped" }, counters.udpDropped),
    ]),
    one("weft_egress_total", "counter", "Requests to hosts outside the mesh.", counters.egress),
    one(
      "weft_malformed_total",
      "counter",
      "Connections ended because what came was not well-formed HTTP.",
      counters.malformed,
    ),
    family("weft_xds_update_total", "counter", "Configuration resources by what became of them.", [
      sample({ result: "accepted" }, counters.xdsAccepted),
      sample({ result: "rejected" }, counters.xdsRejected),
    ]),
    one("weft_xds_connected", "gauge", "1 while the control plane's stream is open.", facts.xdsConnected ? 1 : 0),
    one(
      "weft_snapshot_generation",
      "gauge",
      "Configurations applied since the proxy started.",
      runtime.snapshot?.generation ?? 0,
    ),
    family(
      "weft_certificate_expiry_seconds",
      "gauge",
      "When the proxy's certificate ends, seconds since the epoch.",
      expiry === null ? [] : [sample({}, expiry / 1000)],
    ),
    one("weft_resident_memory_bytes", "gauge", "Resident memory of the proxy process.", facts.residentBytes),
    family("weft_build_info", "gauge", "1, with the version and the runtime.", [
      sample({ version: WEFT_VERSION, runtime: facts.runtimeName }, 1),
    ]),
  ];
}

function collectOverload(counters: ProxyCounters): MetricFamily[] {
  return [
    family("weft_overload_shed_total", "counter", "Requests refused in front of a busy app, by importance.", [
      sample({ importance: "critical" }, counters.overloadShedCritical),
      sample({ importance: "normal" }, counters.overloadShedNormal),
      sample({ importance: "sheddable" }, counters.overloadShedSheddable),
    ]),
    family("weft_overload_refusal_total", "counter", "The same requests, by reason.", [
      sample({ reason: "full" }, counters.overloadFull),
      sample({ reason: "pushed_out" }, counters.overloadPushedOut),
      sample({ reason: "waited" }, counters.overloadWaited),
      sample({ reason: "late" }, counters.overloadLate),
    ]),
    one("weft_overload_waiting_count", "gauge", "Requests that wait in front of a busy app.", counters.overloadWaiting),
    one("weft_overload_in_flight_count", "gauge", "Requests at an app with a limit.", counters.overloadInFlight),
    one("weft_overload_limit_count", "gauge", "How many requests may be at the app.", counters.overloadLimit),
  ];
}

function collectHealth(counters: ProxyCounters): MetricFamily[] {
  return [
    one("weft_ejection_total", "counter", "Instances ejected as outliers.", counters.ejections),
    one(
      "weft_ejection_withheld_total",
      "counter",
      "Ejections not made, as too few instances would have been left.",
      counters.ejectionsWithheld,
    ),
    one("weft_ejected_count", "gauge", "Instances ejected now.", counters.ejectedNow),
    one("weft_circuit_trip_total", "counter", "Circuits that opened.", counters.trips),
    one("weft_circuit_open_count", "gauge", "Circuits that are open or half open.", counters.circuitsOpenNow),
    family("weft_overflow_total", "counter", "What the limits of a service did not let through, by limit.", [
      sample({ limit: "connections" }, counters.overflowConnections),
      sample({ limit: "pendingRequests" }, counters.overflowPending),
      sample({ limit: "requests" }, counters.overflowRequests),
      sample({ limit: "retries" }, counters.overflowRetries),
    ]),
    family("weft_health_check_total", "counter", "Active health checks by what they found.", [
      sample({ result: "passed" }, counters.checksPassed),
      sample({ result: "failed" }, counters.checksFailed),
      sample({ result: "unknown" }, counters.checksUnknown),
    ]),
    one("weft_unhealthy_count", "gauge", "Instances that fail their active health checks.", counters.unhealthyNow),
  ];
}

function collectCache(counters: ProxyCounters): MetricFamily[] {
  return [
    family(
      "weft_cache_request_total",
      "counter",
      "Requests that asked the response cache, by how they were answered.",
      [
        sample({ result: "hit" }, counters.cacheHits),
        sample({ result: "stale" }, counters.cacheStaleHits),
        sample({ result: "validated" }, counters.cacheRevalidated),
        sample({ result: "collapsed" }, counters.cacheCollapsed),
        sample({ result: "forwarded" }, counters.cacheMisses),
      ],
    ),
    one("weft_cache_stored_total", "counter", "Responses stored.", counters.cacheStored),
    one("weft_cache_evicted_total", "counter", "Stored responses thrown out to make room.", counters.cacheEvicted),
    one(
      "weft_cache_invalidated_total",
      "counter",
      "Stored responses thrown out by a request that changes what they show.",
      counters.cacheInvalidated,
    ),
    one("weft_cache_bytes", "gauge", "Memory that stored responses take.", counters.cacheBytesNow),
    one("weft_cache_entry_count", "gauge", "Stored responses.", counters.cacheEntriesNow),
  ];
}

function collectWorkers(runtime: ProxyRuntime, workers: readonly WorkerFacts[]): MetricFamily[] {
  if (workers.length === 0) return [];
  const each = (read: (worker: WorkerFacts) => number): MetricSample[] =>
    workers.map((worker) => sample({ worker: String(worker.worker) }, read(worker)));
  return [
    family(
      "weft_worker_busy_ratio",
      "gauge",
      "Share of a core that the worker uses.",
      each((w) => w.busyRatio),
    ),
    family(
      "weft_worker_connection_open_count",
      "gauge",
      "Open downstream connections of the worker.",
      each((w) => w.openConnections),
    ),
    family(
      "weft_worker_connection_total",
      "counter",
      "Connections handed to the worker since it started.",
      each((w) => w.handed),
    ),
    one(
      "weft_worker_replaced_total",
      "counter",
      "Workers that ended on their own and were started again.",
      runtime.counters.workersReplaced,
    ),
  ];
}

function histogram(labels: Readonly<Record<string, string>>, edge: EdgeStats): MetricSample[] {
  const samples: MetricSample[] = [];
  let total = 0;
  for (let index = 0; index < LATENCY_BOUNDS_MS.length; index += 1) {
    total += edge.latency[index] ?? 0;
    const le = String((LATENCY_BOUNDS_MS[index] ?? 0) / 1000);
    samples.push({ suffix: "_bucket", labels: { ...labels, le }, value: total });
  }
  total += edge.latency[LATENCY_BOUNDS_MS.length] ?? 0;
  samples.push({ suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: total });
  samples.push({ suffix: "_sum", labels, value: edge.latencySumMs / 1000 });
  samples.push({ suffix: "_count", labels, value: total });
  return samples;
}

function family(
  name: string,
  type: MetricFamily["type"],
  help: string,
  samples: readonly MetricSample[],
): MetricFamily {
  return { name, type, help, samples };
}

function one(name: string, type: MetricFamily["type"], help: string, value: number): MetricFamily {
  return family(name, type, help, [sample({}, value)]);
}

function sample(labels: Readonly<Record<string, string>>, value: number): MetricSample {
  return { suffix: "", labels, value };
}
