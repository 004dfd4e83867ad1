import { parseYamlDocuments } from "../../resources/yaml-document.ts";
import type { ApiCall, BodyText } from "../api-route.ts";
import { measure } from "../patch/json-value.ts";
import { decodeProtobufBody, PROTOBUF_TYPE } from "../protobuf/decode-body.ts";
import { StatusError } from "../status.ts";
import { findRepeatedFields } from "./find-repeated-fields.ts";
import type { FieldValidation } from "./write-options.ts";

export const JSON_TYPE = "application/json";
export const YAML_TYPE = "application/yaml";

/** The object in a request's body: JSON, YAML or Kubernetes' protobuf. Throws StatusError when it is neither, or there is none. */
export async function readObject(call: ApiCall, fieldValidation: FieldValidation): Promise<unknown> {
  const body = await call.readText();
  if (body.type === YAML_TYPE) return parseYaml(body.text);
  if (body.type === JSON_TYPE) return parseJson(body, fieldValidation, call.warn);
  if (body.type === PROTOBUF_TYPE) {
    const object = decodeProtobufBody(body.bytes);
    measure(object, "the body");
    return object;
  }
  throw unknownBodyType(body.type);
}

export function unknownBodyType(type: string): StatusError {
  return new StatusError(
    "UnsupportedMediaType",
    `Cannot read the body: found content-type "${type}"; expected ${JSON_TYPE}, ${YAML_TYPE} or ${PROTOBUF_TYPE}`,
  );
}

/** Throws StatusError BadRequest. A field that stands twice is refused, warned of or passed over. */
export function parseJson({ text }: BodyText, fieldValidation: FieldValidation, warn: (text: string) => void): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const found = text.trim() === "" ? "nothing" : `text that is not JSON (${(error as Error).message})`;
    throw new StatusError("BadRequest", `Cannot read the body: found ${found}; expected JSON`);
  }
  // Everything that looks into it later may recurse.
  measure(value, "the body");
  if (fieldValidation === "Ignore") return value;
  const repeats = findRepeatedFields(text);
  if (repeats.length > 0 && fieldValidation === "Strict") {
    const list = repeats.map((path) => `duplicate field "${path}"`).join(", ");
    throw new StatusError("BadRequest", `Cannot read the body: found ${list}; expected each field once`);
  }
  for (const path of repeats) warn(`duplicate field "${path}": the last one counts`);
  return value;
}

/** One document. Throws StatusError BadRequest, also for a field that stands twice: YAML forbids it. */
export function parseYaml(text: string): unknown {
  const { documents, problems } = parseYamlDocuments(text, "body");
  if (problems.length > 0) {
    const list = problems.map(({ line, found, expected }) => `line ${line}: found ${found}; expected ${expected}`);
    throw new StatusError("BadRequest", `Cannot read the body: ${list.join("; ")}`);
  }
  const [document] = documents;
  if (document === undefined || documents.length > 1) {
    throw new StatusError("BadRequest", `Cannot read the body: found ${documents.length} documents; expected one`);
  }
  return document.value;
}
