import { listGroups, listVersions } from "../discovery-documents.ts";
import { type Definitions, type JsonSchema, mapSchema, mapValues } from "./json-schema.ts";
import { listOperations, type Operation, PATH_PARAMETERS } from "./operations.ts";

/** OpenAPI 2 of all kinds: what kubectl before 1.27 explains, validates and patches by. */
export interface OpenApiV2 {
  readonly swagger: "2.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, PathV2>>;
  readonly definitions: Definitions;
  readonly securityDefinitions: object;
  readonly security: readonly object[];
}

/** Operations by method. */
export interface PathV2 {
  readonly parameters: readonly ParameterV2[];
  readonly operations: Readonly<Record<string, OperationV2>>;
}

export interface ParameterV2 {
  readonly name: string;
  readonly in: "body" | "path" | "query";
  readonly description: string;
  readonly required?: boolean;
  readonly type?: string;
  readonly uniqueItems?: boolean;
  readonly schema?: JsonSchema;
}

export interface OperationV2 {
  readonly description: string;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  readonly schemes: readonly string[];
  readonly tags: readonly string[];
  readonly operationId: string;
  readonly parameters: readonly ParameterV2[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly schema?: JsonSchema }>>;
  readonly [extension: `x-${string}`]: unknown;
}

export function createOpenApiV2(definitions: Definitions, weftVersion: string): OpenApiV2 {
  const versions = ["", ...listGroups()].flatMap((group) => listVersions(group).map((version) => ({ group, version })));
  const operations = versions.flatMap(({ group, version }) => listOperations(group, version));
  return {
    swagger: "2.0",
    info: { title: "weft", version: weftVersion },
    paths: groupByPath(operations),
    definitions: mapValues(definitions, (schema) => mapSchema(schema, toV2)),
    securityDefinitions: {
      bearer: { type: "apiKey", name: "authorization", in: "header", description: "Bearer and a token." },
    },
    security: [{ bearer: [] }],
  };
}

/** As JSON: operations stand beside the parameters of their path. */
export function toV2Json(document: OpenApiV2): object {
  return {
    ...document,
    paths: mapValues(document.paths, ({ parameters, operations }) => ({ parameters, ...operations })),
  };
}

/**
 * OpenAPI 2 has neither alternatives nor null: "number or text" is a text of its own format, as Kubernetes writes it,
 * and what has no one type has none at all.
 */
function toV2(schema: JsonSchema): JsonSchema {
  if (schema.$ref !== undefined) return { ...schema, $ref: `#/definitions/${schema.$ref}` };
  const { nullable: _nullable, anyOf, properties, ...rest } = schema;
  if (rest["x-kubernetes-int-or-string"] === true) return { ...rest, type: "string", format: "int-or-string" };
  if (anyOf !== undefined) return rest;
  return properties === undefined ? rest : { ...rest, properties };
}

function groupByPath(operations: readonly Operation[]): Readonly<Record<string, PathV2>> {
  const paths: Record<string, { parameters: ParameterV2[]; operations: Record<string, OperationV2> }> = {};
  for (const operation of operations) {
    const item = (paths[operation.path] ??= { parameters: toPathParameters(operation.path), operations: {} });
    item.operations[operation.method] = toOperation(operation);
  }
  return paths;
}

function toPathParameters(path: string): ParameterV2[] {
  return Object.entries(PATH_PARAMETERS)
    .filter(([name]) => path.includes(`{${name}}`))
    .map(([name, description]) => ({
      name,
      in: "path",
      required: true,
      description,
      type: "string",
      uniqueItems: true,
    }));
}

function toOperation(operation: Operation): OperationV2 {
  const { body, query } = operation;
  const answer: JsonSchema = { $ref: `#/definitions/${operation.answer}` };
  return {
    description: operation.description,
    consumes: body?.types ?? ["*/*"],
    produces: ["application/json", "application/yaml"],
    schemes: ["http", "https"],
    tags: [operation.tag],
    operationId: operation.id,
    parameters: [
      ...(body === null
        ? []
        : [
            {
              name: "body",
              in: "body" as const,
              description: "",
              required: body.isRequired,
              schema: { $ref: `#/definitions/${body.definition}` },
            },
          ]),
      ...query.map(({ name, type, description }) => ({
        name,
        in: "query" as const,
        description,
        type,
        uniqueItems: true,
      })),
    ],
    responses: Object.fromEntries([
      ...operation.statusCodes.map((code) => [String(code), { description: "Done", schema: answer }]),
      ["401", { description: "Who asks is not known" }],
    ]) as OperationV2["responses"],
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": operation.kind,
  };
}
