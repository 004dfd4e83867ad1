import { explainPolicies, type PolicyInForce } from "../control/model/explain-policies.ts";
import type { Condition, MeshModel, ServiceModel } from "../control/model/mesh-model.ts";
import type { StatRow } from "../control/views.ts";
import type { Resource } from "../resources/resource.ts";
import type { Secret } from "../resources/secret.ts";
import type { TrafficPolicy } from "../resources/traffic-policy.ts";
import type { TrafficTarget } from "../resources/traffic-target.ts";
import type { CliContext } from "./context.ts";
import { describeReferences } from "./dangling-references.ts";
import { describePolicy, formatPolicy, type PolicyDescription } from "./describe-policy.ts";
import { paint } from "./output/style.ts";
import { formatTable } from "./output/table.ts";
import type { Terminal } from "./output/terminal.ts";
import { escapeControl } from "./output/text-width.ts";
import { formatResourceAge, formatShare } from "../apiserver/table/kind-columns.ts";
import { formatStatTable } from "./stat-table.ts";

/** One resource and what it means together with the others. */
export interface Description {
  readonly resource: Resource;
  /** Null for what is not a Service. */
  readonly service: ServiceDescription | null;
  /** Null for what is not a TrafficPolicy. */
  readonly policy: PolicyDescription | null;
  /** How it is in force otherwise than written; empty when it is not. */
  readonly conditions: readonly Condition[];
  /** Names in it that nothing has. */
  readonly unknownNames: readonly string[];
}

export interface ServiceDescription {
  readonly access: "strict" | "permissive";
  readonly ports: ServiceModel["ports"];
  /** What TrafficPolicies say of it, in the order in which they are tried. */
  readonly policies: readonly PolicyInForce[];
  /** The TrafficTargets that open it. */
  readonly allowedBy: readonly AccessGrant[];
  readonly traffic: readonly StatRow[];
}

export interface AccessGrant {
  /** "<namespace>/<name>" of the TrafficTarget. */
  readonly target: string;
  /** "<namespace>/<service account>". */
  readonly sources: readonly string[];
  /** Names of its HTTPRouteGroups and TCPRoutes. */
  readonly rules: readonly string[];
}

export interface DescriptionFacts {
  readonly model: MeshModel;
  readonly resources: readonly Resource[];
  readonly traffic: readonly StatRow[];
  /** Now: which faults have ended. */
  readonly wallMs: number;
}

export function createDescription(resource: Resource, facts: DescriptionFacts): Description {
  const { kind, metadata } = resource;
  const conditions = facts.model.conditions.filter(
    (condition) =>
      condition.kind === kind && condition.namespace === metadata.namespace && condition.name === metadata.name,
  );
  const unknownNames = describeReferences(facts.model, facts.resources)
    .filter(
      (reference) => reference.resource === `${kind}/${metadata.name}` && reference.namespace === metadata.namespace,
    )
    .map((reference) => reference.problem);
  return {
    resource: kind === "Secret" ? hideValues(resource as Secret) : resource,
    service: kind === "Service" ? describeService(resource, facts) : null,
    policy: kind === "TrafficPolicy" ? describePolicy(resource as TrafficPolicy, facts.resources, facts.wallMs) : null,
    conditions,
    unknownNames,
  };
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Whoever wants to see a Secret's values asks for them: `weft get secret NAME -o yaml`. */
function hideValues(secret: Secret): Resource {
  const sizes = Object.entries(secret.data).map(([key, value]) => [key, `${Buffer.byteLength(value, "base64")} bytes`]);
  // What kubectl last applied, and says so in an annotation, has the values as well.
  const { [LAST_APPLIED]: _applied, ...annotations } = secret.metadata.annotations ?? {};
  const metadata = { ...secret.metadata, annotations };
  return { ...secret, metadata, data: Object.fromEntries(sizes) as Record<string, string> };
}

function describeService(resource: Resource, facts: DescriptionFacts): ServiceDescription {
  const { namespace, name } = resource.metadata;
  const key = `${namespace}/${name}`;
  const service = facts.model.services.get(key);
  const ports = [...(service?.ports ?? []), ...(service?.udpPorts ?? [])];
  const accounts = new Set(ports.flatMap((port) => port.serviceAccounts));
  const targets = [...accounts].flatMap((account) => facts.model.access.get(`${namespace}/${account}`)?.targets ?? []);
  return {
    access: facts.model.settings.access,
    ports,
    policies: explainPolicies(facts.resources, key),
    allowedBy: targets.map((target) => ({
      target: target.key,
      sources: target.sources,
      rules: listRules(facts.resources, target.key),
    })),
    traffic: facts.traffic.filter((row) => row.destination === key),
  };
}

function listRules(resources: readonly Resource[], targetKey: string): readonly string[] {
  const target = resources.find(
    (resource) =>
      resource.kind === "TrafficTarget" && `${resource.metadata.namespace}/${resource.metadata.name}` === targetKey,
  ) as TrafficTarget | undefined;
  return (target?.spec.rules ?? []).map((rule) =>
    rule.matches.length === 0 ? rule.name : `${rule.name}[${rule.matches.join(",")}]`,
  );
}

/** For people; sections that have nothing to say are left out. */
export async function formatDescription(context: CliContext, description: Description): Promise<readonly string[]> {
  const { resource, service, policy, conditions } = description;
  const heading = (text: string): readonly string[] => ["", paint(context.stdout, "bold", text)];
  const lines = [...formatMetadata(context, resource)];
  if (policy !== null) lines.push(...formatPolicy(policy, heading));
  if (service === null) lines.push(...heading("Content"), ...(await formatContent(resource)));
  else lines.push(...formatService(context, service, heading));
  const problems = [
    ...conditions.map((condition) => `${condition.reason}: ${condition.message}`),
    ...description.unknownNames,
  ];
  if (problems.length > 0) lines.push(...heading("Problems"));
  for (const problem of problems) lines.push(`  ${paint(context.stdout, "yellow", "‼")} ${escapeControl(problem)}`);
  return lines;
}

function formatMetadata(context: CliContext, resource: Resource): readonly string[] {
  const {
    name,
    namespace,
    labels = {},
    annotations = {},
    creationTimestamp = "",
    resourceVersion = "",
  } = resource.metadata;
  const lines = [paint(context.stdout, "bold", `${resource.kind} ${name}`)];
  const add = (title: string, value: string): void => {
    if (value !== "") lines.push(`  ${`${title}:`.padEnd(13)}${escapeControl(value)}`);
  };
  add("Namespace", namespace);
  add("Labels", formatMap(labels));
  add("Annotations", formatMap(annotations));
  add("Age", `${formatResourceAge(resource, context.clock.wallMs())} (created ${creationTimestamp})`);
  add("Version", resourceVersion);
  return lines;
}

function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

async function formatContent(resource: Resource): Promise<readonly string[]> {
  const { stringify } = await import("yaml");
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...content } = resource;
  return stringify(content, { lineWidth: 0 })
    .trimEnd()
    .split("\n")
    .map((line) => `  ${escapeControl(line)}`);
}

type Heading = (text: string) => readonly string[];

/** A terminal two columns narrower, for tables that are indented. */
function inset(terminal: Terminal): Terminal {
  return {
    ...terminal,
    size: () => {
      const { columns, rows } = terminal.size();
      return { columns: columns - INDENT.length, rows };
    },
  };
}

const INDENT = "  ";

function formatService(context: CliContext, service: ServiceDescription, heading: Heading): readonly string[] {
  const lines: string[] = [];
  for (const port of service.ports) {
    const count = port.endpoints.length;
    lines.push(...heading(`Port ${port.port} (${port.protocol}), ${count} ready endpoint${count === 1 ? "" : "s"}`));
    lines.push(...indent(formatEndpoints(context, port.endpoints)));
    for (const split of port.splits) {
      const total = split.backends.reduce((sum, backend) => sum + backend.weight, 0);
      const backends = split.backends
        .map((backend) => `${formatShare(backend.weight, total)} ${backend.service}`)
        .join(", ");
      const condition = split.matches === null ? "" : ", of the requests that match";
      lines.push(`  split by TrafficSplit ${split.key}: ${backends === "" ? "to nobody" : backends}${condition}`);
    }
    for (const { policy, sections, isNarrow } of service.policies.filter(
      (found) => found.port === port.port && port.protocol !== "udp",
    )) {
      const condition = isNarrow ? ", for the requests that match" : "";
      lines.push(`  TrafficPolicy ${policy}: ${sections.join(", ")}${condition}`);
    }
  }
  lines.push(...heading(`Who may call it (access: ${service.access})`), ...formatAccess(service));
  lines.push(...heading("Traffic of the last minute"));
  lines.push(
    ...indent(service.traffic.length === 0 ? ["none"] : formatStatTable(inset(context.stdout), service.traffic)),
  );
  return lines;
}

function formatEndpoints(
  context: CliContext,
  endpoints: ServiceModel["ports"][number]["endpoints"],
): readonly string[] {
  if (endpoints.length === 0) return [];
  return formatTable(
    inset(context.stdout),
    [
      { title: "address", value: (endpoint) => `${endpoint.address}:${endpoint.port}` },
      { title: "workload", value: (endpoint) => endpoint.workload || "-" },
      { title: "version", value: (endpoint) => endpoint.version || "-" },
    ],
    endpoints,
  );
}

function formatAccess(service: ServiceDescription): readonly string[] {
  if (service.allowedBy.length === 0) {
    return [
      service.access === "strict"
        ? "  nobody: no TrafficTarget has its service account as destination"
        : "  everybody, and what strict would have denied is counted",
    ];
  }
  return service.allowedBy.map(({ target, sources, rules }) => {
    const who = sources.length === 0 ? "nobody" : sources.join(", ");
    return `  ${who}: ${rules.join(", ")} (TrafficTarget ${target})`;
  });
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => INDENT + line);
}
