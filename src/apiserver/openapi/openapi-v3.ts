import { DELETE_OPTIONS, WATCH_EVENT } from "./definition-names.ts";
import { selectDefinitions } from "./definitions.ts";
import { type Definitions, type JsonSchema, mapSchema, mapValues } from "./json-schema.ts";
import { listOperations, type Operation, PATH_PARAMETERS } from "./operations.ts";

/** OpenAPI 3 of the kinds of one group and version. */
export function createOpenApiV3(
  definitions: Definitions,
  options: { readonly group: string; readonly version: string; readonly weftVersion: string },
): object {
  const operations = listOperations(options.group, options.version);
  const names = operations.flatMap(({ body, answer }) => [answer, ...(body === null ? [] : [body.definition])]);
  const schemas = selectDefinitions(definitions, [...names, DELETE_OPTIONS, WATCH_EVENT]);
  return {
    openapi: "3.0.0",
    info: { title: "weft", version: options.weftVersion },
    paths: groupByPath(operations),
    components: {
      schemas: mapValues(schemas, (schema) => mapSchema(schema, toV3)),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "The token of a user or of the mesh's home." },
      },
    },
    security: [{ bearer: [] }],
  };
}

/** In OpenAPI 3.0 nothing may stand beside a reference. */
function toV3(schema: JsonSchema): JsonSchema {
  if (schema.$ref === undefined) return schema;
  const { $ref, ...beside } = schema;
  const reference = { $ref: `#/components/schemas/${$ref}` };
  return Object.keys(beside).length === 0 ? reference : ({ ...beside, allOf: [reference] } as JsonSchema);
}

function groupByPath(operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    const item = (paths[operation.path] ??= { parameters: toPathParameters(operation.path) });
    item[operation.method] = toOperation(operation);
  }
  return paths;
}

function toPathParameters(path: string): readonly object[] {
  return Object.entries(PATH_PARAMETERS)
    .filter(([name]) => path.includes(`{${name}}`))
    .map(([name, description]) => ({ name, in: "path", required: true, description, schema: { type: "string" } }));
}

function toOperation(operation: Operation): object {
  const { body, query, kind } = operation;
  const schema = { $ref: `#/components/schemas/${operation.answer}` };
  return {
    tags: [operation.tag],
    description: operation.description,
    operationId: operation.id,
    parameters: query.map(({ name, type, description }) => ({ name, in: "query", description, schema: { type } })),
    ...(body === null
      ? {}
      : {
          requestBody: {
            required: body.isRequired,
            content: Object.fromEntries(
              body.types.map((type) => [type, { schema: { $ref: `#/components/schemas/${body.definition}` } }]),
            ),
          },
        }),
    responses: Object.fromEntries([
      ...operation.statusCodes.map((code) => [
        String(code),
        { description: "Done", content: { "application/json": { schema }, "application/yaml": { schema } } },
      ]),
      ["401", { description: "Who asks is not known" }],
    ]) as object,
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": kind,
  };
}
