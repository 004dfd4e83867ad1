import { stringify } from "yaml";
import type { Resource } from "../../resources/resource.ts";
import type { CliContext } from "../context.ts";
import { writeLines } from "../output/format.ts";
import { paint } from "../output/style.ts";
import { escapeControl } from "../output/text-width.ts";
import type { CanAnswer, Decision } from "./can.ts";
import type { ResourceReference } from "./rule-reference.ts";

/** For people. */
export function writeDecisions(context: CliContext, { access, decisions }: CanAnswer): void {
  for (const [index, decision] of decisions.entries()) {
    if (index > 0) context.stdout.write("\n");
    writeLines(context.stdout, [formatAnswer(context, decision), ...listFacts(decision, access)]);
    if (decision.wouldAllow.length === 0) continue;
    context.stdout.write(
      `\n${paint(context.stdout, "dim", "# This would allow it:")}\n${formatDocuments(decision.wouldAllow)}`,
    );
  }
}

/** Ready for `weft apply -f -`. */
export function formatDocuments(resources: readonly Resource[]): string {
  return resources.map((resource) => stringify(resource, { lineWidth: 0, aliasDuplicateObjects: false })).join("---\n");
}

function formatAnswer(context: CliContext, { allowed, isPartial, source, destination, call }: Decision): string {
  const answer = !allowed
    ? paint(context.stdout, "red", "no")
    : paint(context.stdout, "green", isPartial ? "yes, some requests" : "yes");
  const what =
    call.kind === "request"
      ? `${call.method} ${escapeControl(call.path)}`
      : call.kind === "connection"
        ? "open a connection"
        : "send any request";
  return `${answer}: ${source} → ${destination}, ${what}`;
}

function listFacts(decision: Decision, access: string): readonly string[] {
  const { rule, otherRules, reason, services, protocol, strictAllows } = decision;
  const facts: (readonly [string, string])[] = [["at", `${services.join(", ") || "no Service's port"} (${protocol})`]];
  if (!strictAllows && access === "permissive") {
    facts.push(["because", "access is permissive, which allows every call; strict access would deny it"]);
  }
  if (rule !== null) {
    facts.push(["allowed by", formatReference(rule)]);
    for (const part of rule.parts) facts.push(["through", formatReference(part)]);
  }
  if (otherRules.length > 0) facts.push(["also", otherRules.map((key) => `TrafficTarget ${key}`).join(", ")]);
  if (reason !== null) facts.push([access === "permissive" ? "strict says" : "because", escapeControl(reason)]);
  return facts.map(([name, value]) => `  ${name.padEnd(12)}${value}`);
}

function formatReference({ kind, namespace, name, match, file }: ResourceReference): string {
  const which = match === undefined ? "" : `, match ${match}`;
  return `${kind} ${namespace}/${name}${which}${file === null ? "" : ` (${escapeControl(file)})`}`;
}
