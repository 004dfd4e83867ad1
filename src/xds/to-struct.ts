import type { google } from "#gen/protos.js";

/** What JSON can say; fields that are undefined are left out. */
export type PlainFields = Readonly<Record<string, unknown>>;

export function toStruct(plain: PlainFields): google.protobuf.Struct {
  const fields: Record<string, google.protobuf.Value> = {};
  for (const [key, value] of Object.entries(plain)) if (value !== undefined) fields[key] = toValue(value);
  return { fields };
}

function toValue(value: unknown): google.protobuf.Value {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  return value === null ? { nullValue: 0 } : { structValue: toStruct(value as PlainFields) };
}
