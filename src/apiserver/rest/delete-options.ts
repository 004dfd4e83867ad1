import type { ApiCall, BodyText } from "../api-route.ts";
import type { Propagation } from "../life-cycle/delete-object.ts";
import { describeShape, isObject, type JsonObject } from "../patch/json-value.ts";
import { decodeProtobufBody, PROTOBUF_TYPE } from "../protobuf/decode-body.ts";
import { StatusError } from "../status.ts";
import { JSON_TYPE, parseJson, parseYaml, unknownBodyType, YAML_TYPE } from "./read-object.ts";
import { readDryRun } from "./write-options.ts";

/** Kubernetes' DeleteOptions, from the body and from the query. gracePeriodSeconds means nothing to what weft keeps. */
export interface DeleteOptions {
  readonly isDryRun: boolean;
  readonly propagation: Propagation;
  /** An older way to say `propagation`: then the answer to what is not gone at once is HTTP 202. */
  readonly isAccepted: boolean;
  readonly uid: string | null;
  readonly resourceVersion: string | null;
}

const PROPAGATIONS: readonly string[] = ["Background", "Foreground", "Orphan"];

/** Throws StatusError BadRequest or Invalid. */
export async function readDeleteOptions(call: ApiCall): Promise<DeleteOptions> {
  const body = await readBody(call);
  const { query } = call;
  const inBody = body["dryRun"];
  if (inBody !== undefined && inBody !== null && !Array.isArray(inBody)) throw wrong("dryRun", inBody, "a list");
  const orphans = body["orphanDependents"] ?? query.get("orphanDependents");
  const policy = body["propagationPolicy"] ?? query.get("propagationPolicy");
  const preconditions = isObject(body["preconditions"]) ? body["preconditions"] : {};
  return {
    isDryRun: readDryRun([...(Array.isArray(inBody) ? (inBody as unknown[]) : []), ...query.getAll("dryRun")]),
    propagation: readPropagation(policy, orphans),
    isAccepted: orphans === false || orphans === "false",
    uid: readText(preconditions, "uid"),
    resourceVersion: readText(preconditions, "resourceVersion"),
  };
}

async function readBody(call: ApiCall): Promise<JsonObject> {
  const body = await call.readText();
  if (body.bytes.length === 0) return {};
  const value = decodeOptions(call, body);
  if (value === null) return {};
  if (isObject(value)) return value;
  throw new StatusError("BadRequest", `Cannot read the body: found ${describeShape(value)}; expected DeleteOptions`);
}

function decodeOptions(call: ApiCall, body: BodyText): unknown {
  if (body.type === JSON_TYPE) return parseJson(body, "Ignore", call.warn);
  if (body.type === YAML_TYPE) return parseYaml(body.text);
  if (body.type === PROTOBUF_TYPE) return decodeProtobufBody(body.bytes);
  throw unknownBodyType(body.type);
}

function readPropagation(policy: unknown, orphans: unknown): Propagation {
  const hasPolicy = policy !== undefined && policy !== null && policy !== "";
  if (orphans !== undefined && orphans !== null && orphans !== "") {
    if (hasPolicy) throw wrong("propagationPolicy and orphanDependents", policy, "one of them");
    return String(orphans) === "true" ? "Orphan" : "Background";
  }
  if (!hasPolicy) return "Background";
  if (typeof policy === "string" && PROPAGATIONS.includes(policy)) return policy as Propagation;
  throw wrong("propagationPolicy", policy, PROPAGATIONS.join(", "));
}

function readText(object: JsonObject, field: string): string | null {
  const value = object[field];
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw wrong(`preconditions.${field}`, value, "a string");
}

function wrong(field: string, found: unknown, expected: string): StatusError {
  return new StatusError("Invalid", `Cannot delete: ${field}: found ${JSON.stringify(found)}; expected ${expected}`, {
    causes: [{ reason: "FieldValueInvalid", field, message: `found ${JSON.stringify(found)}; expected ${expected}` }],
  });
}
