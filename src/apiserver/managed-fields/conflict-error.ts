import { StatusError } from "../status.ts";
import type { OwnershipConflict } from "./change-owners.ts";
import { formatPath } from "./fields-v1.ts";
import { listPaths } from "./field-set.ts";
import type { Owner } from "./owners.ts";

/** How much of a long list the message carries; the causes have all. */
const MAX_LISTED = 100;

export interface ConflictTarget {
  readonly name: string;
  readonly group: string;
}

/**
 * The answer to an apply that would take fields from others: one cause for each field and owner. kubectl and GitOps tools
 * read the causes; the message begins as Kubernetes' does because people and scripts look for it.
 */
export function createConflictError(conflicts: readonly OwnershipConflict[], target: ConflictTarget): StatusError {
  const lines = [...conflicts]
    .map(({ owner, set }) => ({ who: describeOwner(owner), fields: listPaths(set).map(formatPath) }))
    .sort((a, b) => (a.who < b.who ? -1 : 1));
  const causes = lines.flatMap(({ who, fields }) =>
    fields.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${who}`, field })),
  );
  const first = causes[0];
  const message =
    causes.length === 1 && first !== undefined
      ? `Apply failed with 1 conflict: ${first.message}: ${first.field}`
      : `Apply failed with ${causes.length} conflicts: ${lines.map(({ who, fields }) => listFields(who, fields)).join("\n")}`;
  return new StatusError("Conflict", message, { ...target, causes });
}

function listFields(who: string, fields: readonly string[]): string {
  const listed = fields.slice(0, MAX_LISTED).map((field) => `- ${field}`);
  const more = fields.length - listed.length;
  return [`conflicts with ${who}:`, ...listed, ...(more > 0 ? [`- and ${more} more`] : [])].join("\n");
}

function describeOwner({ manager, operation, apiVersion, subresource }: Owner): string {
  const through = subresource === "" ? "" : ` with subresource "${subresource}"`;
  return `"${manager}"${through}${operation === "Update" ? ` using ${apiVersion}` : ""}`;
}
