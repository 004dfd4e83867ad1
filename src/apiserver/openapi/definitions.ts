import { type KindDefinition, SERVED_KINDS } from "../../resources/registry.ts";
import { LIST_META, nameDefinition } from "./definition-names.ts";
import { type Definitions, type JsonSchema, listReferences } from "./json-schema.ts";
import { API_VERSION, createKindSchema, KIND } from "./kind-schema.ts";
import { createMetaDefinitions, groupVersionKinds } from "./meta-definitions.ts";
import { createMetricsDefinitions } from "./metrics-openapi.ts";

/** Every kind, the list of each, and what they share. */
export function createDefinitions(): Definitions {
  const definitions: Record<string, JsonSchema> = { ...createMetaDefinitions(), ...createMetricsDefinitions() };
  for (const definition of SERVED_KINDS) {
    const name = nameDefinition(definition);
    definitions[name] = { ...createKindSchema(definition), ...groupVersionKinds([definition]) };
    definitions[`${name}List`] = createListSchema(definition, name);
  }
  return sortKeys(definitions);
}

/** Those that these names lead to, themselves included. */
export function selectDefinitions(all: Definitions, names: readonly string[]): Definitions {
  const selected = new Map<string, JsonSchema>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const schema = all[name];
    if (schema === undefined || selected.has(name)) continue;
    selected.set(name, schema);
    waiting.push(...listReferences(schema));
  }
  return sortKeys(Object.fromEntries(selected));
}

function createListSchema(definition: KindDefinition, name: string): JsonSchema {
  const { group, version, kind } = definition;
  return {
    type: "object",
    description: `A list of ${kind}.`,
    required: ["items"],
    properties: {
      apiVersion: API_VERSION,
      items: { type: "array", items: { $ref: name }, description: "What was found." },
      kind: KIND,
      metadata: { $ref: LIST_META, description: "The version of the list, and where the next page begins." },
    },
    ...groupVersionKinds([{ group, version, kind: `${kind}List` }]),
  };
}

function sortKeys(definitions: Definitions): Definitions {
  return Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1)));
}
