import type { JsonSchema } from "../apiserver/openapi/json-schema.ts";

/** A small validator of the published documents, for tests: it knows the keywords that they use and refuses others. */

const TEXT_KEYWORDS: ReadonlySet<string> = new Set(["description", "format", "default"]);
const CHECKED_KEYWORDS: ReadonlySet<string> = new Set([
  ...["$ref", "allOf", "anyOf", "type", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern"],
  ...["minItems", "maxItems", "nullable", "items", "properties", "required", "additionalProperties"],
]);

type Schema = JsonSchema & { readonly allOf?: readonly JsonSchema[] };

export interface OpenApiComponents {
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

/** What is wrong with `value`, one line each; fields that the schema does not name are wrong, too. */
export function checkValue(document: OpenApiComponents, schema: Schema, value: unknown, path = ""): readonly string[] {
  const unknownKeyword = Object.keys(schema).find(
    (key) => !TEXT_KEYWORDS.has(key) && !CHECKED_KEYWORDS.has(key) && !key.startsWith("x-kubernetes-"),
  );
  if (unknownKeyword !== undefined) return [`${path}: the schema has the keyword ${unknownKeyword}`];
  if (schema.$ref !== undefined) {
    const target = document.components.schemas[schema.$ref.replace("#/components/schemas/", "")];
    return target === undefined ? [`${path}: nothing is at ${schema.$ref}`] : checkValue(document, target, value, path);
  }
  if (value === null) return schema.nullable === true ? [] : [`${path}: null`];
  const parts = [
    ...(schema.allOf ?? []).flatMap((part) => checkValue(document, part, value, path)),
    ...(schema.anyOf === undefined || schema.anyOf.some((part) => isOfType(part.type, value)) ? [] : [`${path}: type`]),
    ...(schema.type === undefined || isOfType(schema.type, value) ? [] : [`${path}: no ${schema.type}`]),
    ...(schema.enum === undefined || schema.enum.includes(value) ? [] : [`${path}: ${String(value)} is not listed`]),
  ];
  if (Array.isArray(value)) return [...parts, ...checkList(document, schema, value, path)];
  if (typeof value === "object") return [...parts, ...checkFields(document, schema, value, path)];
  return [...parts, ...checkBounds(schema, value, path)];
}

function checkList(document: OpenApiComponents, schema: Schema, list: readonly unknown[], path: string): string[] {
  const { items, minItems = 0, maxItems = Infinity } = schema;
  const wrong = list.length < minItems || list.length > maxItems ? [`${path}: ${list.length} entries`] : [];
  return [
    ...wrong,
    ...list.flatMap((item, i) => (items === undefined ? [] : checkValue(document, items, item, `${path}[${i}]`))),
  ];
}

function checkFields(document: OpenApiComponents, schema: Schema, object: object, path: string): string[] {
  const { properties = {}, additionalProperties, required = [] } = schema;
  const isOpen =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    schema.allOf !== undefined ||
    (schema.properties === undefined && additionalProperties === undefined);
  return [
    ...required.filter((name) => !Object.hasOwn(object, name)).map((name) => `${path}.${name}: missing`),
    ...Object.entries(object).flatMap(([name, value]) => {
      const child = properties[name] ?? additionalProperties;
      if (child !== undefined) return checkValue(document, child, value, `${path}.${name}`);
      return isOpen ? [] : [`${path}.${name}: unknown`];
    }),
  ];
}

function checkBounds(schema: Schema, value: unknown, path: string): string[] {
  const { minimum = -Infinity, maximum = Infinity, minLength = 0, maxLength = Infinity, pattern } = schema;
  if (typeof value === "number")
    return value < minimum || value > maximum ? [`${path}: ${value} is out of bounds`] : [];
  if (typeof value !== "string") return [];
  const fits = value.length >= minLength && value.length <= maxLength;
  const matches = pattern === undefined || new RegExp(pattern, "u").test(value);
  return fits && matches ? [] : [`${path}: ${JSON.stringify(value)} does not fit`];
}

function isOfType(type: JsonSchema["type"], value: unknown): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
