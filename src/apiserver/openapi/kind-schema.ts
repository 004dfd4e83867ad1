import { type AnyFieldDoc, type AnyFieldDocs } from "../../resources/field-docs/field-docs.ts";
import { findKindDocs } from "../../resources/field-docs/kind-docs.ts";
import { listMergeRules, type MergeRule } from "../../resources/merge-keys.ts";
import type { KindDefinition } from "../../resources/registry.ts";
import { OBJECT_META } from "./definition-names.ts";
import { fromZod } from "./from-zod.ts";
import type { JsonSchema } from "./json-schema.ts";

/** Of every kind, in Kubernetes' words as clients know them. */
export const API_VERSION: JsonSchema = {
  type: "string",
  description: "The group and version of the kind, e.g. v1 or weft.dev/v1alpha1.",
};
export const KIND: JsonSchema = { type: "string", description: "What kind of object this is, in CamelCase." };

const STATUS_TEXT = "What was found about it. Not written by users.";

/** One kind as OpenAPI describes it: what may be written, what it means, and how it is merged. */
export function createKindSchema(definition: KindDefinition): JsonSchema {
  const { text, fields } = findKindDocs(definition);
  const schema = fromZod(definition.schema);
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...own } = schema.properties ?? {};
  const described = describeFields(own, { status: STATUS_TEXT, ...fields });
  const properties = {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { $ref: OBJECT_META, description: "Names, labels, and what the API keeps about the object." },
    ...described,
    ...(described["status"] === undefined ? {} : { status: toStatus(described["status"]) }),
  };
  const required = (schema.required ?? []).filter((name) => name in own);
  const rules = listMergeRules(definition);
  return addMergeRules(
    {
      type: "object",
      description: text,
      properties,
      ...(required.length === 0 ? {} : { required }),
    },
    "",
    rules,
  );
}

function toStatus(schema: JsonSchema): JsonSchema {
  return schema.type === undefined ? { type: "object", ...schema } : schema;
}

function describeFields(
  properties: Readonly<Record<string, JsonSchema>>,
  docs: AnyFieldDocs,
): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, describe(schema, docs[name] ?? "")]),
  );
}

function describe(schema: JsonSchema, doc: AnyFieldDoc): JsonSchema {
  if (typeof doc === "string") return { ...schema, description: doc };
  const [text, fields] = doc;
  return { ...describeInside(schema, fields), description: text };
}

/** The texts of a list's fields stand with the list. */
function describeInside(schema: JsonSchema, docs: AnyFieldDocs): JsonSchema {
  if (schema.items !== undefined) return { ...schema, items: describeInside(schema.items, docs) };
  if (schema.properties === undefined) return schema;
  return { ...schema, properties: describeFields(schema.properties, docs) };
}

/** `path` is written as in merge-keys.ts: `spec.rateLimits[].overrides`. */
export function addMergeRules(schema: JsonSchema, path: string, rules: ReadonlyMap<string, MergeRule>): JsonSchema {
  const { items, properties } = schema;
  return {
    ...schema,
    ...toExtensions(rules.get(path), schema),
    ...(items === undefined ? {} : { items: addMergeRules(items, `${path}[]`, rules) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, child]) => [
              name,
              addMergeRules(child, path === "" ? name : `${path}.${name}`, rules),
            ]),
          ),
        }),
  };
}

function toExtensions(rule: MergeRule | undefined, schema: JsonSchema): JsonSchema {
  const listType = rule?.listType ?? (schema.type === "array" ? "atomic" : undefined);
  return {
    ...(listType === undefined ? {} : { "x-kubernetes-list-type": listType }),
    ...(rule?.listMapKeys === undefined ? {} : { "x-kubernetes-list-map-keys": rule.listMapKeys }),
    ...(rule?.mapType === "atomic" ? { "x-kubernetes-map-type": "atomic" } : {}),
    ...(rule?.patchStrategy === "merge" ? { "x-kubernetes-patch-strategy": "merge" } : {}),
    ...(rule?.patchMergeKey === undefined ? {} : { "x-kubernetes-patch-merge-key": rule.patchMergeKey }),
  };
}
