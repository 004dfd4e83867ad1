import type { Resource } from "../resources/resource.ts";
import { type LabelSelector, parseLabelSelector } from "./label-selector.ts";
import { StatusError } from "./status.ts";

/** `labelSelector` and `fieldSelector` of a list or watch. */
export interface ListFilter {
  /** True when everything is accepted. */
  readonly isEmpty: boolean;
  accepts(resource: Resource): boolean;
  /** Of what never changes, name and namespace: false means that the resource is never accepted. */
  acceptsName(resource: Resource): boolean;
}

type FieldValue = (resource: Resource) => string;

interface FieldTest {
  readonly isOfName: boolean;
  readonly isMet: (resource: Resource) => boolean;
}

const NO_LABELS: Readonly<Record<string, string>> = {};

const NAME_FIELDS: ReadonlyMap<string, FieldValue> = new Map([
  ["metadata.name", ({ metadata }) => metadata.name],
  ["metadata.namespace", ({ metadata }) => metadata.namespace],
]);

/** Those that Kubernetes has. */
const FIELDS_BY_KIND: ReadonlyMap<string, ReadonlyMap<string, FieldValue>> = new Map([
  ["Namespace", new Map<string, FieldValue>([["status.phase", ({ status }) => textAt(status, "phase")]])],
  [
    "Service",
    new Map<string, FieldValue>([
      ["spec.clusterIP", ({ spec }) => textAt(spec, "clusterIP")],
      ["spec.type", ({ spec }) => textAt(spec, "type")],
    ]),
  ],
]);

/** Throws StatusError BadRequest. */
export function parseListFilter(query: URLSearchParams, definition: { readonly kind: string }): ListFilter {
  const labelText = query.get("labelSelector") ?? "";
  const labels = parseLabels(labelText);
  const fields = parseFields(query.get("fieldSelector") ?? "", definition.kind);
  const names = fields.filter((field) => field.isOfName);
  return {
    isEmpty: labelText === "" && fields.length === 0,
    accepts: (resource) =>
      labels(resource.metadata.labels ?? NO_LABELS) && fields.every(({ isMet }) => isMet(resource)),
    acceptsName: (resource) => names.every(({ isMet }) => isMet(resource)),
  };
}

function parseLabels(text: string): LabelSelector {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    throw new StatusError("BadRequest", `Cannot read labelSelector: ${(error as Error).message}`);
  }
}

function parseFields(text: string, kind: string): readonly FieldTest[] {
  if (text === "") return [];
  return text.split(/(?<!\\),/).map((part): FieldTest => {
    const match = /^\s*([A-Za-z.]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part);
    const [, field = "", operator, value = ""] = match ?? [];
    const read = NAME_FIELDS.get(field) ?? FIELDS_BY_KIND.get(kind)?.get(field);
    if (read === undefined) throw unknownField(part, kind);
    const wanted = value.replace(/\\([\\,=])/g, "$1");
    return {
      isOfName: NAME_FIELDS.has(field),
      isMet: (resource) => (read(resource) === wanted) === (operator !== "!="),
    };
  });
}

function unknownField(part: string, kind: string): StatusError {
  const fields = [...NAME_FIELDS.keys(), ...(FIELDS_BY_KIND.get(kind)?.keys() ?? [])];
  return new StatusError(
    "BadRequest",
    `Cannot read fieldSelector: found ${JSON.stringify(part)}; expected ${fields.map((field) => `${field}=…`).join(" or ")}`,
  );
}

function textAt(object: unknown, field: string): string {
  const value = typeof object === "object" && object !== null ? (object as Record<string, unknown>)[field] : undefined;
  return typeof value === "string" ? value : "";
}
