import type { JsonSchema } from "./json-schema.ts";
import type { OpenApiV2, OperationV2, ParameterV2, PathV2 } from "./openapi-v2.ts";
import { loadDocumentType } from "./openapi-v2-messages.ts";

/** As protobuf: the only form in which kubectl asks for OpenAPI 2. */
export async function encodeOpenApiV2(document: OpenApiV2): Promise<Uint8Array> {
  const type = await loadDocumentType();
  const message = {
    swagger: document.swagger,
    info: document.info,
    paths: { path: toNamed(document.paths, toPathItem) },
    definitions: toNamedSchemas(document.definitions),
  };
  return type.encode(type.create(message)).finish();
}

interface Named<T> {
  readonly name: string;
  readonly value: T;
}

function toNamed<A, B>(object: Readonly<Record<string, A>>, change: (value: A) => B): readonly Named<B>[] {
  return Object.entries(object).map(([name, value]) => ({ name, value: change(value) }));
}

function toPathItem({ parameters, operations }: PathV2): object {
  return {
    ...Object.fromEntries(Object.entries(operations).map(([method, operation]) => [method, toOperation(operation)])),
    parameters: parameters.map(toParameter),
  };
}

function toOperation(operation: OperationV2): object {
  const { tags, description, operationId, produces, consumes, schemes } = operation;
  return {
    ...{ tags, description, operationId, produces, consumes, schemes },
    parameters: operation.parameters.map(toParameter),
    responses: {
      responseCode: toNamed(operation.responses, ({ description: text, schema }) => ({
        response: { description: text, ...(schema === undefined ? {} : { schema: { schema: toSchema(schema) } }) },
      })),
    },
    vendorExtension: toExtensions(operation),
  };
}

function toParameter(parameter: ParameterV2): object {
  const { name, description, required = false, schema, type, uniqueItems } = parameter;
  const shared = { name, in: parameter.in, description, required };
  if (schema !== undefined) return { parameter: { bodyParameter: { ...shared, schema: toSchema(schema) } } };
  return { parameter: { nonBodyParameter: { [parameter.in]: { ...shared, type, uniqueItems } } } };
}

function toSchema(schema: JsonSchema): object {
  const { format, description, maximum, minimum, maxLength, minLength, pattern, maxItems, minItems } = schema;
  return {
    ...{ format, description, maximum, minimum, maxLength, minLength, pattern, maxItems, minItems },
    ...(schema.$ref === undefined ? {} : { ref: schema.$ref }),
    ...(schema.default === undefined ? {} : { default: toAny(schema.default) }),
    ...(schema.enum === undefined ? {} : { enum: schema.enum.map(toAny) }),
    ...(schema.required === undefined ? {} : { required: schema.required }),
    ...(schema.type === undefined ? {} : { type: { value: [schema.type] } }),
    ...(schema.items === undefined ? {} : { items: { schema: [toSchema(schema.items)] } }),
    ...(schema.properties === undefined ? {} : { properties: toNamedSchemas(schema.properties) }),
    ...(schema.additionalProperties === undefined
      ? {}
      : { additionalProperties: { schema: toSchema(schema.additionalProperties) } }),
    vendorExtension: toExtensions(schema),
  };
}

function toNamedSchemas(schemas: Readonly<Record<string, JsonSchema>>): object {
  return { additionalProperties: toNamed(schemas, toSchema) };
}

function toExtensions(object: object): readonly Named<object>[] {
  return Object.entries(object)
    .filter(([name]) => name.startsWith("x-"))
    .map(([name, value]) => ({ name, value: toAny(value) }));
}

/** JSON is YAML. */
function toAny(value: unknown): object {
  return { yaml: JSON.stringify(value) };
}
