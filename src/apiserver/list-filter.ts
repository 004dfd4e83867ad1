import type { Resource } from "../resources/resource.ts";
import { type LabelSelector, parseLabelSelector } from "./label-selector.ts";
import { StatusError } from "./status.ts";

/** `labelSelector` and `fieldSelector` of a list or watch. */
export interface ListFilter {
  /** True when everything is accepted. */
  readonly isEmpty: boolean;
  accepts(resource: Resource): boolean;
}

type FieldTest = (resource: Resource) => boolean;

const NO_LABELS: Readonly<Record<string, string>> = {};

/** Throws StatusError BadRequest. Fields: `metadata.name` and `metadata.namespace`, as for every Kubernetes kind. */
export function parseListFilter(query: URLSearchParams): ListFilter {
  const labelText = query.get("labelSelector") ?? "";
  const labels = parseLabels(labelText);
  const fields = parseFields(query.get("fieldSelector") ?? "");
  return {
    isEmpty: labelText === "" && fields.length === 0,
    accepts: (resource) => labels(resource.metadata.labels ?? NO_LABELS) && fields.every((isMet) => isMet(resource)),
  };
}

function parseLabels(text: string): LabelSelector {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    throw new StatusError("BadRequest", `Cannot read labelSelector: ${(error as Error).message}`);
  }
}

function parseFields(text: string): readonly FieldTest[] {
  if (text === "") return [];
  return text.split(",").map((part): FieldTest => {
    const match = /^metadata\.(name|namespace)(==|=|!=)(.*)$/.exec(part.trim());
    if (match === null) {
      throw new StatusError(
        "BadRequest",
        `Cannot read fieldSelector: found "${part}"; expected metadata.name=… or metadata.namespace=…`,
      );
    }
    const [, field, operator, value] = match;
    return (resource) => (resource.metadata[field as "name" | "namespace"] === value) === (operator !== "!=");
  });
}
