import { z } from "zod";
import { INT_OR_STRING } from "./definition-names.ts";
import type { JsonSchema } from "./json-schema.ts";

/** JSON Schema as zod writes it. */
interface ZodJson {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly ZodJson[];
  readonly items?: ZodJson;
  readonly properties?: Readonly<Record<string, ZodJson>>;
  readonly required?: readonly string[];
  /** Added here, beside what zod writes. */
  readonly nullableFields?: readonly string[];
  readonly additionalProperties?: ZodJson | boolean;
  readonly not?: unknown;
}

const SCALARS: ReadonlySet<string> = new Set(["boolean", "integer", "number", "string"]);
const MAX_INT32 = 2 ** 31 - 1;

/** What users may write: before defaults, and before anything is read into it. */
export function fromZod(schema: z.ZodType): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    reused: "inline",
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (def.type !== "object") return;
      jsonSchema.required = listRequired(def.shape);
      jsonSchema["nullableFields"] = listNullable(def.shape);
    },
  });
  return convert(json as ZodJson);
}

/** A field is needed when nothing in its place is an error: the schema itself is asked, so defaults count. */
function listRequired(shape: z.core.$ZodShape): string[] {
  return Object.entries(shape)
    .filter(([, field]) => {
      if (field._zod.traits.has("$ZodExactOptional")) return false;
      return !z.safeParse(field, undefined).success;
    })
    .map(([name]) => name);
}

/** Of the fields, those that may be written as null: again the schema is asked, as it may read null as something. */
function listNullable(shape: z.core.$ZodShape): string[] {
  return Object.entries(shape)
    .filter(([, field]) => z.safeParse(field, null).success)
    .map(([name]) => name);
}

function convert(json: ZodJson): JsonSchema {
  const variants = (json.anyOf ?? []).filter((variant) => variant.type !== "null");
  const isNullable =
    variants.length < (json.anyOf ?? []).length || (Array.isArray(json.type) && json.type.includes("null"));
  const nullable = isNullable ? { nullable: true } : {};
  if (variants.length === 1 && variants[0] !== undefined) return { ...convert(variants[0]), ...nullable };
  if (variants.length > 1) return { ...convertUnion(variants), ...convertDefault(json.default), ...nullable };
  return { ...convertPlain(json), ...nullable };
}

function convertPlain(json: ZodJson): JsonSchema {
  const type = typeOf(json);
  switch (type) {
    case null:
      return { "x-kubernetes-preserve-unknown-fields": true };
    case "object":
      return convertObject(json);
    case "array":
      return {
        type: "array",
        items: convert(json.items ?? {}),
        ...pick(json, ["minItems", "maxItems"]),
        ...convertDefault(json.default),
      };
    case "integer":
      return { type, format: isInt32(json) ? "int32" : "int64", ...convertScalar(json) };
    case "number":
      return { type, format: "double", ...convertScalar(json) };
    default:
      return { type, ...convertScalar(json) };
  }
}

type TypeName = NonNullable<JsonSchema["type"]>;

function typeOf(json: ZodJson): TypeName | null {
  const type = Array.isArray(json.type) ? (json.type as readonly string[]).find((name) => name !== "null") : json.type;
  if (typeof type !== "string") return null;
  // Literals of whole numbers are numbers to zod.
  if (type === "number" && Number.isInteger(json.const)) return "integer";
  return type as TypeName;
}

function convertObject(json: ZodJson): JsonSchema {
  const properties = Object.entries(json.properties ?? {}).filter(([, child]) => child.not === undefined);
  if (json.properties === undefined && typeof json.additionalProperties === "object") {
    const values = json.additionalProperties;
    if (Object.keys(values).length === 0) return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    return { type: "object", additionalProperties: convert(values) };
  }
  const required = json.required ?? [];
  return {
    type: "object",
    ...(properties.length === 0
      ? {}
      : { properties: Object.fromEntries(properties.map(([name, child]) => [name, convertField(json, name, child)])) }),
    ...(required.length === 0 ? {} : { required }),
  };
}

function convertField({ nullableFields = [] }: ZodJson, name: string, child: ZodJson): JsonSchema {
  const schema = convert(child);
  // What has no type takes null anyway.
  return nullableFields.includes(name) && schema.type !== undefined ? { ...schema, nullable: true } : schema;
}

/**
 * Kubernetes has no unions but "number or text". Literals of one type are an enumeration; an object beside something
 * else keeps its fields, so that they can be explained, and no type.
 */
function convertUnion(variants: readonly ZodJson[]): JsonSchema {
  const parts = variants.map(convert);
  const types = [...new Set(parts.map((part) => part.type))];
  const [only] = types;
  if (types.length === 1 && only !== undefined && parts.every((part) => part.enum !== undefined)) {
    return { type: only, enum: parts.flatMap((part) => part.enum ?? []) };
  }
  if (types.every((type) => type === "integer" || type === "string")) {
    return { $ref: INT_OR_STRING };
  }
  const object = parts.find((part) => part.type === "object");
  return {
    ...(object?.properties === undefined ? {} : { properties: object.properties }),
    ...(types.every((type) => type !== undefined) ? { anyOf: types.map((type) => ({ type: type as TypeName })) } : {}),
    "x-kubernetes-preserve-unknown-fields": true,
  };
}

function convertScalar(json: ZodJson): JsonSchema {
  const { minimum, maximum } = json;
  return {
    ...(json.const === undefined ? {} : { enum: [json.const] }),
    ...pick(json, ["enum", "minLength", "maxLength", "pattern"]),
    // zod bounds whole numbers by what a number can hold exactly.
    ...(minimum === undefined || !Number.isSafeInteger(minimum - 1) ? {} : { minimum }),
    ...(maximum === undefined || !Number.isSafeInteger(maximum + 1) ? {} : { maximum }),
    ...convertDefault(json.default),
  };
}

/** Only what stands for itself: the default of an object says nothing that its fields do not. */
function convertDefault(value: unknown): JsonSchema {
  return SCALARS.has(typeof value) && value !== "" ? { default: value } : {};
}

function isInt32({ minimum, maximum }: ZodJson): boolean {
  return minimum !== undefined && maximum !== undefined && minimum >= -MAX_INT32 && maximum <= MAX_INT32;
}

function pick<K extends keyof ZodJson & keyof JsonSchema>(json: ZodJson, keys: readonly K[]): Pick<JsonSchema, K> {
  const found = keys.filter((key) => json[key] !== undefined).map((key) => [key, json[key]]);
  return Object.fromEntries(found) as Pick<JsonSchema, K>;
}
