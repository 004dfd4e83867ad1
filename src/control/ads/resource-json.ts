import { envoy, google } from "#gen/protos.js";
import type { Json } from "../../xds/struct-json.ts";
import type { EncodedResource } from "../config-source.ts";

/** Never shown, whoever asks: field names of private material in envoy.extensions.transport_sockets.tls.v3. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  "privateKey",
  "password",
  "sessionTicketKeys",
  "genericSecret",
  "pkcs12",
]);
const TYPE_PREFIX = "type.googleapis.com/";
const MAX_DEPTH = 64;

/** A resource as JSON for people: `@type`, then the fields that are set; what cannot be decoded is base64. */
export function toResourceJson(resource: EncodedResource): Json {
  const { resource: content } = envoy.service.discovery.v3.Resource.decode(resource.bytes);
  return content === null || content === undefined ? null : toAnyJson(content, 0);
}

function toAnyJson(any: google.protobuf.Any, depth: number): Json {
  const typeUrl = any.typeUrl ?? "";
  const bytes = any.value ?? new Uint8Array(0);
  const decode = findDecoder(typeUrl);
  try {
    const fields = decode === null ? null : toJson(decode(bytes), depth + 1);
    if (fields !== null && typeof fields === "object" && !isList(fields)) return { "@type": typeUrl, ...fields };
  } catch {
    // Shown undecoded below: this is a view, and the proxy judges the content.
  }
  return { "@type": typeUrl, value: Buffer.from(bytes).toString("base64") };
}

function toJson(value: unknown, depth: number): Json {
  if (value === null || value === undefined || depth > MAX_DEPTH) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map((item) => toJson(item, depth + 1));
  if (typeof value !== "object") return typeof value;
  if (isAny(value)) return toAnyJson(value, depth);
  const fields: [string, Json][] = [];
  for (const [name, field] of Object.entries(value)) {
    if (name === "$unknowns" || isUnset(field)) continue;
    fields.push([name, SECRET_FIELDS.has(name) ? "[redacted]" : toJson(field, depth + 1)]);
  }
  return Object.fromEntries(fields);
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}

/** Decoders give repeated fields and maps without entries where nothing was sent; a message without fields was sent. */
function isUnset(field: unknown): boolean {
  if (Array.isArray(field)) return field.length === 0;
  if (typeof field !== "object" || field === null) return false;
  return Object.getPrototypeOf(field) === Object.prototype && Object.keys(field).length === 0;
}

function isAny(value: object): value is google.protobuf.Any {
  return (
    "typeUrl" in value && typeof value.typeUrl === "string" && "value" in value && value.value instanceof Uint8Array
  );
}

/** Every generated message is found by its full name. */
function findDecoder(typeUrl: string): ((bytes: Uint8Array) => unknown) | null {
  if (!typeUrl.startsWith(TYPE_PREFIX)) return null;
  let found: unknown = { envoy, google };
  for (const part of typeUrl.slice(TYPE_PREFIX.length).split(".")) {
    if (found === null || (typeof found !== "object" && typeof found !== "function")) return null;
    if (!Object.hasOwn(found, part)) return null;
    found = (found as Record<string, unknown>)[part];
  }
  if (typeof found !== "function" || !("decode" in found) || typeof found.decode !== "function") return null;
  return found.decode as (bytes: Uint8Array) => unknown;
}
