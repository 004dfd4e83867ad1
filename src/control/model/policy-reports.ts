import type { Service } from "../../resources/service.ts";
import type { TrafficPolicy } from "../../resources/traffic-policy.ts";
import { INSTANCE_SECTIONS } from "../../resources/traffic-policy-spec.ts";
import type { ConditionLog } from "./condition-log.ts";
import type { MergedPolicies, SectionLoss } from "./merge-policies.ts";
import type { SplitModel } from "./mesh-model.ts";
import type { ResourceIndex } from "./resource-index.ts";
import { portProtocol, tcpPorts } from "./service-ports.ts";

export interface PolicyContext {
  readonly index: ResourceIndex;
  readonly conditions: ConditionLog;
}

export interface ReportContext extends PolicyContext {
  readonly service: Service;
  readonly port: number;
  /** Of this port. */
  readonly splits: readonly SplitModel[];
}

/** Tells each policy what of it is not in force on one port of its Service, or leads nowhere. */
export function reportPolicies(merged: MergedPolicies, context: ReportContext): void {
  for (const [policy, losses] of groupByPolicy(merged.losses)) reportLosses(policy, losses, context);
  for (const policy of listInForce(merged)) {
    reportMirrors(policy, context);
    reportCallers(policy, context);
  }
  reportSticky(merged, context);
  reportSplitElsewhere(merged, context);
}

/** Why nothing can be mirrored there. */
export function findMirrorProblem(
  service: Service | undefined,
  port: number,
): "MirrorNotFound" | "MirrorPortNotFound" | "MirrorNotHttp" | null {
  if (service === undefined) return "MirrorNotFound";
  const found = tcpPorts(service).find((candidate) => candidate.port === port);
  if (found === undefined) return "MirrorPortNotFound";
  return portProtocol(found) === "tcp" ? "MirrorNotHttp" : null;
}

function groupByPolicy(losses: readonly SectionLoss[]): ReadonlyMap<TrafficPolicy, readonly SectionLoss[]> {
  const groups = new Map<TrafficPolicy, SectionLoss[]>();
  for (const loss of losses) {
    const group = groups.get(loss.policy);
    if (group === undefined) groups.set(loss.policy, [loss]);
    else group.push(loss);
  }
  return groups;
}

function reportLosses(policy: TrafficPolicy, losses: readonly SectionLoss[], context: ReportContext): void {
  const { conditions } = context;
  const place = describePlace(context);
  const opaque = losses.filter((loss) => loss.winner === null).map((loss) => loss.what);
  if (opaque.length > 0) {
    const message = opaque.includes("matches")
      ? "its requests cannot be told apart, so the policy has no effect there"
      : `${opaque.join(", ")} ${opaque.length === 1 ? "has" : "have"} no effect there`;
    conditions.add(policy, "Accepted", { reason: "NeedsHttp", message: `${place} is opaque TCP: ${message}` });
  }
  const winners = new Set(losses.flatMap((loss) => loss.winner?.policy ?? []));
  for (const winner of winners) {
    const lost = losses.filter((loss) => loss.winner?.policy === winner);
    const claim = `TrafficPolicy "${winner.metadata.name}" ${describeOrder(winner, policy)}`;
    const message = lost.some((loss) => loss.what === "matches")
      ? `${claim} and takes all requests to ${place} that this one is for, so it has no effect there`
      : `${claim} and says ${lost.map(describeClaim).join(", ")} of ${place}; what this one says of ${lost.length === 1 ? "it" : "them"} has no effect`;
    conditions.add(policy, "Conflicted", { reason: "AnotherPolicy", message });
  }
}

function describeOrder(winner: TrafficPolicy, loser: TrafficPolicy): string {
  const isOlder = winner.metadata.creationTimestamp !== loser.metadata.creationTimestamp;
  return isOlder ? "is older" : "is as old, comes first by name";
}

function describeClaim({ what, winner }: SectionLoss): string {
  return winner === null || winner.what === what ? what : `${winner.what} (which leaves no ${what})`;
}

function describePlace({ service, port }: ReportContext): string {
  return `"${service.metadata.name}" port ${port}`;
}

function listInForce({ wide, narrow }: MergedPolicies): ReadonlySet<TrafficPolicy> {
  return new Set([...wide.values(), ...narrow.map(({ policy }) => policy)]);
}

function reportMirrors(policy: TrafficPolicy, { index, conditions, port }: ReportContext): void {
  const { namespace } = policy.metadata;
  for (const { service: name, port: wanted = port } of policy.spec.mirrors ?? []) {
    const reason = findMirrorProblem(index.services.get(`${namespace}/${name}`), wanted);
    if (reason === null) continue;
    const found = {
      MirrorNotFound: `There is no Service "${name}" in namespace "${namespace}"`,
      MirrorPortNotFound: `Service "${name}" has no TCP port ${wanted}`,
      MirrorNotHttp: `Port ${wanted} of "${name}" is opaque TCP`,
    }[reason];
    conditions.add(policy, "ResolvedRefs", { reason, message: `${found}; nothing is mirrored to it` });
  }
}

function reportCallers(policy: TrafficPolicy, { index, conditions }: ReportContext): void {
  for (const { name, overrides = [] } of policy.spec.rateLimits ?? []) {
    for (const { caller } of overrides) {
      if (index.serviceAccounts.has(caller)) continue;
      const [namespace = "", account = ""] = caller.split("/");
      conditions.add(policy, "ResolvedRefs", {
        reason: "CallerNotFound",
        message: `There is no ServiceAccount "${account}" in namespace "${namespace}"; its amount in rate limit "${name}" is nobody's`,
      });
    }
  }
}

function reportSticky({ wide, narrow }: MergedPolicies, context: ReportContext): void {
  if (context.splits.length > 0) return;
  const sticky = [wide, ...narrow.map(({ sections }) => sections)].flatMap((sections) => sections.get("sticky") ?? []);
  for (const policy of new Set(sticky)) {
    context.conditions.add(policy, "Accepted", {
      reason: "NoSplit",
      message: `No TrafficSplit splits ${describePlace(context)}; sticky has no effect there until one does`,
    });
  }
}

/** Requests that a split sends to another Service are treated there as that Service's own policies say. */
function reportSplitElsewhere({ wide }: MergedPolicies, context: ReportContext): void {
  const { conditions, service, splits } = context;
  const split = splits.find(({ matches }) => matches === null);
  if (split === undefined || split.backends.length === 0) return;
  if (split.backends.some((backend) => backend.service === service.metadata.name)) return;
  const idle = new Map<TrafficPolicy, string[]>();
  for (const section of INSTANCE_SECTIONS) {
    const policy = wide.get(section);
    // Instances have several names, and overload is theirs. What affinity hashes is said by the name that was called.
    if (policy === undefined || section === "overload") continue;
    if (section === "loadBalancing" && policy.spec.loadBalancing?.hashOn !== undefined) continue;
    idle.set(policy, [...(idle.get(policy) ?? []), section]);
  }
  const backends = split.backends.map((backend) => backend.service).join(", ");
  for (const [policy, sections] of idle) {
    conditions.add(policy, "Accepted", {
      reason: "SplitElsewhere",
      message: `TrafficSplit "${nameOf(split.key)}" sends all requests for ${describePlace(context)} to ${backends}, where their own policies hold; ${sections.join(", ")} here ${sections.length === 1 ? "has" : "have"} no effect on them`,
    });
  }
}

function nameOf(key: string): string {
  return key.slice(key.indexOf("/") + 1);
}
