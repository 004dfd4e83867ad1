import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import type { AnyFieldDoc, AnyFieldDocs } from "../../resources/field-docs/field-docs.ts";
import { findKindDocs } from "../../resources/field-docs/kind-docs.ts";
import { listMergeRules } from "../../resources/merge-keys.ts";
import { findKind, KINDS, type KindDefinition, SERVED_KINDS, toServedVersion } from "../../resources/registry.ts";
import { validateResource } from "../../resources/validate.ts";
import { checkValue, type OpenApiComponents } from "../../testing/check-schema-value.ts";
import { nameDefinition, OBJECT_META } from "./definition-names.ts";
import { createDefinitions } from "./definitions.ts";
import { encodeOpenApiV2 } from "./encode-openapi-v2.ts";
import { fromZod } from "./from-zod.ts";
import { type JsonSchema, listReferences } from "./json-schema.ts";
import { createOpenApiV2, toV2Json } from "./openapi-v2.ts";
import { loadDocumentType } from "./openapi-v2-messages.ts";
import { createOpenApiV3 } from "./openapi-v3.ts";

const definitions = createDefinitions();

interface V3 extends OpenApiComponents {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const documents = new Map(
  SERVED_KINDS.map(({ group, version }) => [
    `${group}/${version}`,
    createOpenApiV3(definitions, { group, version, weftVersion: "0.1.0" }) as V3,
  ]),
);

function documentOf({ group, version }: KindDefinition): V3 {
  const document = documents.get(`${group}/${version}`);
  assert.ok(document !== undefined);
  return document;
}

/** Every field below `schema`, with its path; references are not followed. */
function listFields(schema: JsonSchema, path: string): readonly (readonly [string, JsonSchema])[] {
  const { items, properties = {} } = schema;
  return [
    ...(items === undefined ? [] : listFields(items, `${path}[]`)),
    ...Object.entries(properties).flatMap(([name, child]) => {
      const at = path === "" ? name : `${path}.${name}`;
      return [[at, child] as const, ...listFields(child, at)];
    }),
  ];
}

describe("OpenAPI definitions", () => {
  for (const [name, schema] of Object.entries(definitions)) {
    test(`of ${name} say what each field means`, () => {
      assert.ok((schema.description ?? "").length > 5);
      for (const [path, field] of listFields(schema, "")) {
        assert.match(field.description ?? "", /^\S.*\S$/, path);
      }
    });
  }

  test("refer to nothing that is not there", () => {
    for (const [name, schema] of Object.entries(definitions)) {
      for (const reference of listReferences(schema)) assert.ok(reference in definitions, `${name}: ${reference}`);
    }
  });

  test("have every field that is documented, and every merge rule", () => {
    for (const definition of SERVED_KINDS) {
      const schema = definitions[nameDefinition(definition)];
      assert.ok(schema !== undefined);
      const fields = new Map(listFields(schema, ""));
      const paths = new Set([...fields.keys()].map((path) => path.replaceAll("[]", "")));
      for (const path of listDocumented(findKindDocs(definition).fields, "")) {
        assert.ok(paths.has(path), `${definition.kind} ${path}`);
      }
      for (const [path, rule] of listMergeRules(definition)) {
        const field = fields.get(path);
        if (path.startsWith("metadata.") || path.startsWith("status.")) continue;
        // Older versions have fewer fields.
        if (field === undefined && definition.conversion !== undefined) continue;
        assert.ok(field !== undefined, `${definition.kind} ${path}`);
        assert.deepEqual(field["x-kubernetes-list-map-keys"], rule.listMapKeys, path);
        assert.equal(field["x-kubernetes-patch-merge-key"], rule.patchMergeKey, path);
      }
    }
  });

  test("know the metadata that validation takes, and no other", () => {
    const [anyKind] = KINDS;
    assert.ok(anyKind !== undefined);
    const taken = Object.keys(fromZod(anyKind.schema).properties?.["metadata"]?.properties ?? {});
    assert.deepEqual(Object.keys(definitions[OBJECT_META]?.properties ?? {}).sort(), taken.sort());
  });
});

function listDocumented(docs: AnyFieldDocs, path: string): readonly string[] {
  return Object.entries(docs).flatMap(([name, doc]: readonly [string, AnyFieldDoc]) => {
    const at = path === "" ? name : `${path}.${name}`;
    return [at, ...(typeof doc === "string" ? [] : listDocumented(doc[1], at))];
  });
}

describe("OpenAPI 3", () => {
  const folder = findFixtures(dirname(fileURLToPath(import.meta.url)));
  for (const file of readdirSync(folder)) {
    test(`takes of ${file} what validation takes, and the stored form`, () => {
      for (const { definition, object } of listValid(join(folder, file))) {
        const document = documentOf(definition);
        const schema = document.components.schemas[nameDefinition(definition)];
        assert.ok(schema !== undefined);
        assert.deepEqual(checkValue(document, schema, object), []);
        const stored = validateResource(object, { file }).resource;
        assert.ok(stored !== null);
        const served = toServedVersion(definition, stored);
        assert.ok(served.loss === null);
        assert.deepEqual(checkValue(document, schema, served.object), []);
      }
    });
  }

  test("says what kubectl looks for before it asks for a dry run or a validation", () => {
    for (const definition of SERVED_KINDS) {
      const operations = Object.values(documentOf(definition).paths).flatMap((path) =>
        Object.values(path),
      ) as readonly {
        readonly "x-kubernetes-action"?: string;
        readonly "x-kubernetes-group-version-kind"?: { readonly kind: string };
        readonly parameters?: readonly { readonly name: string }[];
      }[];
      const patch = operations.find(
        (operation) =>
          operation["x-kubernetes-action"] === "patch" &&
          operation["x-kubernetes-group-version-kind"]?.kind === definition.kind,
      );
      const names = patch?.parameters?.map(({ name }) => name);
      assert.deepEqual(names, ["dryRun", "fieldManager", "fieldValidation", "force"], definition.kind);
    }
  });

  test("names each operation once", () => {
    const ids = [...documents.values()].flatMap(({ paths }) =>
      Object.values(paths)
        .flatMap((path) => Object.values(path) as readonly { readonly operationId?: string }[])
        .flatMap(({ operationId }) => (operationId === undefined ? [] : [operationId])),
    );
    assert.ok(ids.length > 100);
    assert.equal(new Set(ids).size, ids.length);
  });
});

describe("OpenAPI 2", () => {
  const document = createOpenApiV2(definitions, "0.1.0");

  test("writes number or text as a text of that format, and has no alternatives", () => {
    const text = JSON.stringify(toV2Json(document));
    assert.ok(!/"(?:anyOf|oneOf|nullable)"/.test(text));
    const name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
    assert.equal(document.definitions[name]?.format, "int-or-string");
    assert.equal(document.definitions[name]?.type, "string");
  });

  test("as protobuf says the same as in JSON", async () => {
    const type = await loadDocumentType();
    const decoded = type.toObject(type.decode(await encodeOpenApiV2(document)), { longs: Number }) as Decoded;
    assert.equal(decoded.swagger, "2.0");
    assert.deepEqual(
      decoded.paths.path.map(({ name, value }) => [name, value.patch?.operationId]),
      Object.entries(document.paths).map(([name, { operations }]) => [name, operations["patch"]?.operationId]),
    );
    assert.deepEqual(readSchemas(decoded.definitions), dropZeroBounds(document.definitions));
  });
});

interface DecodedSchema {
  readonly ref?: string;
  readonly type?: { readonly value: readonly string[] };
  readonly items?: { readonly schema: readonly DecodedSchema[] };
  readonly properties?: DecodedSchemas;
  readonly additionalProperties?: { readonly schema: DecodedSchema };
  readonly enum?: readonly { readonly yaml: string }[];
  readonly default?: { readonly yaml: string };
  readonly vendorExtension?: readonly { readonly name: string; readonly value: { readonly yaml: string } }[];
}
interface DecodedSchemas {
  readonly additionalProperties?: readonly { readonly name: string; readonly value: DecodedSchema }[];
}
interface Decoded {
  readonly swagger: string;
  readonly paths: { readonly path: readonly { readonly name: string; readonly value: DecodedPath }[] };
  readonly definitions: DecodedSchemas;
}
interface DecodedPath {
  readonly patch?: { readonly operationId: string };
}

function readSchemas({ additionalProperties = [] }: DecodedSchemas): Readonly<Record<string, unknown>> {
  return Object.fromEntries(additionalProperties.map(({ name, value }) => [name, readSchema(value)]));
}

function readSchema(schema: DecodedSchema): object {
  const { ref, type, items, properties, additionalProperties, vendorExtension = [], ...rest } = schema;
  const [item] = items?.schema ?? [];
  return {
    ...rest,
    ...(schema.enum === undefined ? {} : { enum: schema.enum.map(({ yaml }) => JSON.parse(yaml) as unknown) }),
    ...(schema.default === undefined ? {} : { default: JSON.parse(schema.default.yaml) as unknown }),
    ...(ref === undefined ? {} : { $ref: ref }),
    ...(type === undefined ? {} : { type: type.value[0] }),
    ...(item === undefined ? {} : { items: readSchema(item) }),
    ...(properties === undefined ? {} : { properties: readSchemas(properties) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: readSchema(additionalProperties.schema) }),
    ...Object.fromEntries(vendorExtension.map(({ name, value }) => [name, JSON.parse(value.yaml) as unknown])),
  };
}

/** A bound of zero and none are one in this protobuf. */
function dropZeroBounds(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, part: unknown) =>
    key === "minimum" && part === 0 ? undefined : part,
  ) as unknown;
}

interface Fixture {
  readonly definition: KindDefinition;
  readonly object: unknown;
}

/** The objects of a file that validation takes, as they are written. */
function listValid(file: string): readonly Fixture[] {
  const text = readFileSync(file, "utf8");
  const roots = file.endsWith(".expected.json")
    ? (JSON.parse(text) as { readonly resources: readonly unknown[] }).resources
    : parseAllDocuments(text)
        .filter((document) => document.errors.length === 0 && !text.includes("*nowhere"))
        .map((document) => document.toJS() as unknown);
  return roots.flatMap((root): Fixture[] => {
    const { apiVersion = "", kind = "" } = (root ?? {}) as { readonly apiVersion?: string; readonly kind?: string };
    const definition = findKind(apiVersion, kind);
    if (definition === null || validateResource(root, { file }).resource === null) return [];
    return [{ definition, object: root }];
  });
}

/** Upwards, because compiled tests do not stand beside the sources. */
function findFixtures(from: string): string {
  const candidate = join(from, "test", "fixtures", "resources");
  if (existsSync(candidate)) return candidate;
  assert.notEqual(dirname(from), from, "test/fixtures/resources is somewhere above the tests");
  return findFixtures(dirname(from));
}
