import type { Type } from "protobufjs";

/**
 * OpenAPI 2 as protobuf (package openapi.v2): the messages and fields that a description of resources needs, with their
 * published numbers. It is read by the control plane alone and only when an older kubectl asks, so it is not part of the
 * compiled messages that every proxy loads.
 */
const FIELDS: Readonly<Record<string, Readonly<Record<string, readonly [id: number, type: string]>>>> = {
  Document: {
    swagger: [1, "string"],
    info: [2, "Info"],
    paths: [8, "Paths"],
    definitions: [9, "NamedSchemas"],
  },
  Info: { title: [1, "string"], version: [2, "string"] },
  Paths: { path: [2, "NamedPathItem[]"] },
  NamedPathItem: { name: [1, "string"], value: [2, "PathItem"] },
  PathItem: {
    get: [2, "Operation"],
    put: [3, "Operation"],
    post: [4, "Operation"],
    delete: [5, "Operation"],
    patch: [8, "Operation"],
    parameters: [9, "ParametersItem[]"],
  },
  Operation: {
    tags: [1, "string[]"],
    description: [3, "string"],
    operationId: [5, "string"],
    produces: [6, "string[]"],
    consumes: [7, "string[]"],
    parameters: [8, "ParametersItem[]"],
    responses: [9, "Responses"],
    schemes: [10, "string[]"],
    vendorExtension: [13, "NamedAny[]"],
  },
  ParametersItem: { parameter: [1, "Parameter"] },
  Parameter: { bodyParameter: [1, "BodyParameter"], nonBodyParameter: [2, "NonBodyParameter"] },
  BodyParameter: {
    description: [1, "string"],
    name: [2, "string"],
    in: [3, "string"],
    required: [4, "bool"],
    schema: [5, "Schema"],
  },
  NonBodyParameter: { query: [3, "QueryParameter"], path: [4, "PathParameter"] },
  QueryParameter: {
    required: [1, "bool"],
    in: [2, "string"],
    description: [3, "string"],
    name: [4, "string"],
    type: [6, "string"],
    uniqueItems: [20, "bool"],
  },
  PathParameter: {
    required: [1, "bool"],
    in: [2, "string"],
    description: [3, "string"],
    name: [4, "string"],
    type: [5, "string"],
    uniqueItems: [19, "bool"],
  },
  Responses: { responseCode: [1, "NamedResponse[]"] },
  NamedResponse: { name: [1, "string"], value: [2, "ResponseValue"] },
  ResponseValue: { response: [1, "Response"] },
  Response: { description: [1, "string"], schema: [2, "SchemaItem"] },
  SchemaItem: { schema: [1, "Schema"] },
  NamedSchemas: { additionalProperties: [1, "NamedSchema[]"] },
  NamedSchema: { name: [1, "string"], value: [2, "Schema"] },
  Schema: {
    ref: [1, "string"],
    format: [2, "string"],
    description: [4, "string"],
    default: [5, "Any"],
    maximum: [7, "double"],
    minimum: [9, "double"],
    maxLength: [11, "int64"],
    minLength: [12, "int64"],
    pattern: [13, "string"],
    maxItems: [14, "int64"],
    minItems: [15, "int64"],
    required: [19, "string[]"],
    enum: [20, "Any[]"],
    additionalProperties: [21, "AdditionalPropertiesItem"],
    type: [22, "TypeItem"],
    items: [23, "ItemsItem"],
    properties: [25, "NamedSchemas"],
    vendorExtension: [31, "NamedAny[]"],
  },
  AdditionalPropertiesItem: { schema: [1, "Schema"] },
  TypeItem: { value: [1, "string[]"] },
  ItemsItem: { schema: [1, "Schema[]"] },
  NamedAny: { name: [1, "string"], value: [2, "Any"] },
  Any: { yaml: [2, "string"] },
};

/** The message `openapi.v2.Document`. */
export async function loadDocumentType(): Promise<Type> {
  const { default: protobuf } = await import("protobufjs/light.js");
  const nested = Object.fromEntries(
    Object.entries(FIELDS).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [id, type]]) => {
            const isList = type.endsWith("[]");
            return [field, { id, type: isList ? type.slice(0, -2) : type, ...(isList ? { rule: "repeated" } : {}) }];
          }),
        ),
      },
    ]),
  );
  return protobuf.Root.fromJSON({ nested }).lookupType("Document");
}
