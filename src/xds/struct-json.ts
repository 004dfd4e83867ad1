import type { google } from "#gen/protos.js";

/** JSON as google.protobuf.Struct carries it, and back. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export function toStruct(object: object): google.protobuf.Struct {
  const fields: Record<string, google.protobuf.Value> = {};
  for (const [key, value] of Object.entries(object)) if (value !== undefined) fields[key] = toValue(value);
  return { fields };
}

export function fromStruct(struct: google.protobuf.Struct): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(struct.fields ?? {}).map(([key, value]) => [key, fromValue(value)]));
}

function toValue(value: unknown): google.protobuf.Value {
  if (value === null) return { nullValue: 0 };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  if (typeof value === "object") return { structValue: toStruct(value) };
  throw new TypeError(`Cannot put a ${typeof value} into a Struct; expected JSON`);
}

function fromValue(value: google.protobuf.Value): Json {
  switch (value.kind) {
    case "numberValue":
      return value.numberValue ?? 0;
    case "stringValue":
      return value.stringValue ?? "";
    case "boolValue":
      return value.boolValue ?? false;
    case "structValue":
      return fromStruct(value.structValue ?? {});
    case "listValue":
      return (value.listValue?.values ?? []).map(fromValue);
    default:
      return null;
  }
}
