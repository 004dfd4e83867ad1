import type { TrafficPolicy } from "../resources/traffic-policy.ts";
import type { Fault } from "../resources/traffic-policy-requests.ts";
import { formatWallTime, parseWallTime } from "../time/wall-time.ts";
import { formatAge } from "../lib/format-age.ts";

/** One fault of a TrafficPolicy, and whether requests meet it. */
export interface FaultDescription {
  readonly name: string;
  /** `20% of requests: delay of 200ms to 2s`. */
  readonly does: string;
  /** When it ends, ISO 8601 in UTC. */
  readonly until: string;
  /** "idle": its policy, or the policy's section, is not in force; the conditions say why. */
  readonly state: "active" | "idle" | "ended";
  /** Until it ends; below 0 when it has. */
  readonly leftMs: number;
}

/** `isInForce`: the policy's section, on one port at least. */
export function describeFaults(policy: TrafficPolicy, isInForce: boolean, wallMs: number): readonly FaultDescription[] {
  return (policy.spec.faults ?? []).map((fault) => {
    const untilMs = parseWallTime(fault.until);
    const state = untilMs <= wallMs ? "ended" : isInForce ? "active" : "idle";
    const does = `${fault.percentage ?? 100}% of requests: ${describeAction(fault)}`;
    return { name: fault.name, does, until: formatWallTime(untilMs), state, leftMs: untilMs - wallMs };
  });
}

/** `active until 2026-12-01T18:00:00.000Z (3h20m left)`. */
export function formatFaultState({ state, until, leftMs }: FaultDescription): string {
  switch (state) {
    case "active":
      return `active until ${until} (${formatAge(leftMs)} left)`;
    case "ended":
      return `ended at ${until} (${formatAge(-leftMs)} ago)`;
    case "idle":
      return `not in force (it would end at ${until})`;
  }
}

function describeAction({ delay, abort, slowBody }: Fault): string {
  if (delay !== undefined) {
    return typeof delay === "string" ? `delay of ${delay}` : `delay of ${delay.min} to ${delay.max}`;
  }
  if (abort !== undefined) return `abort with ${abort.httpStatus ?? 503} (gRPC ${abort.grpcStatus ?? 14})`;
  if (slowBody !== undefined) return `response body at ${slowBody.bytesPerSecond} bytes/s`;
  return "reset without an answer";
}
