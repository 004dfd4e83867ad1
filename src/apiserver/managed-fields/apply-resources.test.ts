import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findKind } from "../../resources/registry.ts";
import { validateResource } from "../../resources/validate.ts";
import { parseYamlDocuments } from "../../resources/yaml-document.ts";
import { isObject, type JsonObject } from "../patch/json-value.ts";
import { applyConfiguration } from "./apply-configuration.ts";
import { recordUpdate } from "./record-update.ts";
import { settleManagedFields } from "./settle-managed-fields.ts";

/** Every valid resource of test/fixtures/resources, as people write it: not as it is stored. */
const written = listWritten(findFixtures(dirname(fileURLToPath(import.meta.url))));

function findFixtures(from: string): string {
  const candidate = join(from, "test", "fixtures", "resources");
  if (existsSync(candidate)) return candidate;
  assert.notEqual(dirname(from), from, "test/fixtures/resources is somewhere above the tests");
  return findFixtures(dirname(from));
}

function listWritten(folder: string): readonly { readonly label: string; readonly object: JsonObject }[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .flatMap((file) =>
      parseYamlDocuments(readFileSync(join(folder, file), "utf8"), file).documents.flatMap(({ value }, index) =>
        isObject(value) && complete(value) !== null ? [{ label: `${file}[${index}]`, object: value }] : [],
      ),
    );
}

function complete(object: unknown): JsonObject | null {
  const { resource } = validateResource(object, { file: "test" });
  return resource === null ? null : (resource as unknown as JsonObject);
}

function validated(object: unknown): JsonObject {
  return complete(object) ?? assert.fail(JSON.stringify(validateResource(object, { file: "test" }).problems));
}

function definitionOf(object: JsonObject): { readonly group: string; readonly version: string; readonly kind: string } {
  return findKind(String(object["apiVersion"]), String(object["kind"])) ?? assert.fail("a kind");
}

function apply(live: JsonObject | null, applied: JsonObject, manager: string, wallMs: number): JsonObject {
  const { managedFields: _managedFields, ...metadata } = applied["metadata"] as JsonObject;
  const options = { manager, force: false, wallMs, kind: definitionOf(applied), subresource: "" };
  return settleManagedFields(live, validated(applyConfiguration(live, { ...applied, metadata }, options)));
}

function create(object: JsonObject): JsonObject {
  const after = validated(object);
  const options = {
    manager: "ed",
    operation: "Update",
    wallMs: 0,
    kind: definitionOf(object),
    subresource: "",
  } as const;
  return {
    ...after,
    metadata: { ...(after["metadata"] as JsonObject), managedFields: recordUpdate(null, after, options) },
  };
}

void test("there are resources to apply", () => {
  assert.ok(written.length > 20, String(written.length));
});

for (const { label, object } of written) {
  void test(`server-side apply of ${label} twice is the same as once`, () => {
    const once = apply(null, object, "ann", 1000);
    assert.equal(apply(once, object, "ann", 2000), once);
  });

  void test(`server-side apply of ${label} meets no conflict where the same was made otherwise`, () => {
    const made = create(object);
    const applied = apply(made, object, "ann", 1000);
    assert.deepEqual(withoutMeta(applied), withoutMeta(made));
    const shared = apply(applied, object, "bob", 2000);
    assert.equal(apply(shared, object, "ann", 3000), shared);
  });
}

function withoutMeta(object: JsonObject): JsonObject {
  const { metadata: _metadata, ...rest } = object;
  return rest;
}
