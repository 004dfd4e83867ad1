/**
 * The part of JSON Schema that OpenAPI 2 and 3 share, with Kubernetes' extensions. Both documents are made of it. `$ref`
 * holds the plain name of a definition; where definitions stand differs.
 */
export interface JsonSchema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: "array" | "boolean" | "integer" | "number" | "object" | "string";
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  /** OpenAPI 3 only. */
  readonly nullable?: boolean;
  /** OpenAPI 3 only. */
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema;
  readonly [extension: `x-${string}`]: unknown;
}

/** By full name, e.g. `io.k8s.api.core.v1.Service`. */
export type Definitions = Readonly<Record<string, JsonSchema>>;

/** Every place that refers to a definition, in this schema and below. */
export function listReferences(schema: JsonSchema): readonly string[] {
  const found = schema.$ref === undefined ? [] : [schema.$ref];
  const children = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties];
  return [...found, ...children.flatMap((child) => (child === undefined ? [] : listReferences(child)))];
}

/** The same schema with each part changed, the innermost first. */
export function mapSchema(schema: JsonSchema, change: (part: JsonSchema) => JsonSchema): JsonSchema {
  const { items, properties, additionalProperties } = schema;
  return change({
    ...schema,
    ...(items === undefined ? {} : { items: mapSchema(items, change) }),
    ...(properties === undefined ? {} : { properties: mapValues(properties, (child) => mapSchema(child, change)) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: mapSchema(additionalProperties, change) }),
  });
}

export function mapValues<A, B>(object: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
