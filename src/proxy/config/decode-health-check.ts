import type { envoy } from "#gen/protos.js";
import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { PERCENT, requireDuration, requireNumber, SOME_COUNT, SOME_DURATION } from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

type HealthCheck = envoy.config.core.v3.HealthCheck;

const STATUS = { min: 100, max: 599 };
/** Envoy's, where a check does not say. */
const ENVOY_STATUSES: readonly (readonly [number, number])[] = [[200, 200]];
const TARGET = /^\/[\u0021-\u007e]*$/;

export function decodeHealthCheck(wire: HealthCheck, path: string): HealthCheckPolicy {
  const kinds = ["httpHealthCheck", "grpcHealthCheck", "tcpHealthCheck", "healthChecker"];
  const numbers = ["timeout", "interval", "intervalJitterPercent", "unhealthyThreshold", "healthyThreshold"];
  refuseUnknownFields(wire, [...kinds, ...numbers], path);
  const { timeout, interval, unhealthyThreshold, healthyThreshold } = wire;
  if (timeout == null) throw new ConfigRefusal(`${path}.timeout`, "nothing", "a duration");
  if (interval == null) throw new ConfigRefusal(`${path}.interval`, "nothing", "a duration");
  return {
    ...decodeKind(wire, path),
    intervalMs: requireDuration(interval, SOME_DURATION, `${path}.interval`),
    timeoutMs: requireDuration(timeout, SOME_DURATION, `${path}.timeout`),
    jitterPercent: requireNumber(wire.intervalJitterPercent ?? 0, PERCENT, `${path}.interval_jitter_percent`),
    unhealthyThreshold: requireNumber(unhealthyThreshold?.value ?? 0, SOME_COUNT, `${path}.unhealthy_threshold`),
    healthyThreshold: requireNumber(healthyThreshold?.value ?? 0, SOME_COUNT, `${path}.healthy_threshold`),
  };
}

/** One that Envoy cannot have beside another: `{http: {path, statuses} | grpc: {service} | tcp: true, intervalMs, ...}`. */
export function decodeOwnHealthCheck(reader: StructReader): HealthCheckPolicy {
  const check: HealthCheckPolicy = {
    ...readKind(reader),
    intervalMs: reader.number("intervalMs", null, SOME_DURATION),
    timeoutMs: reader.number("timeoutMs", null, SOME_DURATION),
    jitterPercent: reader.number("jitterPercent", null, PERCENT),
    unhealthyThreshold: reader.number("unhealthyThreshold", null, SOME_COUNT),
    healthyThreshold: reader.number("healthyThreshold", null, SOME_COUNT),
  };
  reader.finish();
  return check;
}

function readKind(reader: StructReader): Kind {
  const http = reader.object("http");
  const grpc = reader.object("grpc");
  const count = [http !== null, grpc !== null, reader.flag("tcp", false)].filter(Boolean).length;
  if (count !== 1) throw new ConfigRefusal(reader.path, `${count} kinds of check`, "one of http, grpc and tcp");
  if (http !== null) {
    const path = http.text("path", null, TARGET, 'a path that begins with "/"');
    const statuses = http.objects("statuses").map((range) => {
      const from = range.number("from", null, STATUS);
      const to = range.number("to", null, { min: from, max: STATUS.max });
      range.finish();
      return [from, to] as const;
    });
    http.finish();
    return { kind: "http", path, statuses, service: "" };
  }
  const service = grpc?.text("service", "") ?? "";
  grpc?.finish();
  return { kind: grpc === null ? "tcp" : "grpc", path: "/", statuses: [], service };
}

type Kind = Pick<HealthCheckPolicy, "kind" | "path" | "statuses" | "service">;

function decodeKind(wire: HealthCheck, path: string): Kind {
  const { httpHealthCheck: http, grpcHealthCheck: grpc, tcpHealthCheck: tcp } = wire;
  if (http != null) {
    const at = `${path}.http_health_check`;
    // Which protocol a check speaks is that of the requests to the instance.
    refuseUnknownFields(http, ["path", "expectedStatuses", "codecClientType"], at);
    const target = http.path ?? "";
    if (!TARGET.test(target))
      throw new ConfigRefusal(`${at}.path`, JSON.stringify(target), 'a path that begins with "/"');
    const ranges = (http.expectedStatuses ?? []).map((range, index) => {
      return decodeStatuses(range, `${at}.expected_statuses[${index}]`);
    });
    return { kind: "http", path: target, statuses: ranges.length === 0 ? ENVOY_STATUSES : ranges, service: "" };
  }
  if (grpc != null) {
    refuseUnknownFields(grpc, ["serviceName"], `${path}.grpc_health_check`);
    return { kind: "grpc", path: "/", statuses: [], service: grpc.serviceName ?? "" };
  }
  if (tcp == null)
    throw new ConfigRefusal(path, "no check", "http_health_check, grpc_health_check or tcp_health_check");
  refuseUnknownFields(tcp, [], `${path}.tcp_health_check`);
  return { kind: "tcp", path: "/", statuses: [], service: "" };
}

/** On the wire the end is not part of a range. */
function decodeStatuses(range: envoy.type.v3.Int64Range, path: string): readonly [number, number] {
  const from = requireNumber(range.start ?? 0, STATUS, `${path}.start`);
  const end = requireNumber(range.end ?? 0, { min: from + 1, max: STATUS.max + 1 }, `${path}.end`);
  return [from, end - 1];
}
