import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createTestEndpoints } from "../testing/memory-config-source.ts";
import type { EncodedResource, ResourcesByName } from "./config-source.ts";
import { layOver, LayeredResources } from "./layered-resources.ts";
import { ResourceChanges } from "./resource-changes.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const POOL: readonly EncodedResource[] = NAMES.flatMap((name) => [
  createTestEndpoints(name, ["10.0.0.1"]),
  createTestEndpoints(name, ["10.0.0.2"]),
]);

const plain: fc.Arbitrary<ResourcesByName> = fc
  .subarray([...POOL])
  .map((resources) => new Map(resources.map((resource) => [resource.name, resource])));
const some: fc.Arbitrary<ResourcesByName> = fc.oneof(
  plain,
  fc.tuple(plain, plain).map(([shared, own]) => new LayeredResources(shared, own)),
  fc.tuple(plain, plain, plain).map(([shared, own, more]) => layOver(new LayeredResources(shared, own), more)),
);

test("LayeredResources is the map of both, what is laid over first", () => {
  fc.assert(
    fc.property(plain, plain, (shared, own) => {
      const layered = new LayeredResources(shared, own);
      const expected = new Map([...shared, ...own]);
      assert.deepEqual(new Map(layered), expected);
      assert.equal(layered.size, expected.size);
      assert.deepEqual(new Set(layered.keys()), new Set(expected.keys()));
      assert.deepEqual(new Set(layered.values()), new Set(expected.values()));
      for (const name of NAMES) {
        assert.equal(layered.get(name), expected.get(name));
        assert.equal(layered.has(name), expected.has(name));
      }
    }),
  );
});

test("ResourceChanges names everything that differs, each once, whether the maps are layered or not", () => {
  const changes = new ResourceChanges();
  fc.assert(
    fc.property(some, some, (before, after) => {
      const names = changes.between(before, after);
      assert.equal(new Set(names).size, names.length);
      for (const name of NAMES) if (before.get(name) !== after.get(name)) assert.ok(names.includes(name), name);
    }),
    { numRuns: 1_000 },
  );
});

test("ResourceChanges remembers what is between two large maps", () => {
  const changes = new ResourceChanges();
  const resources = Array.from({ length: 100 }, (_, index) => createTestEndpoints(`c${index}`));
  const before: ResourcesByName = new Map(resources.map((resource) => [resource.name, resource]));
  const after: ResourcesByName = new Map([...before, ["c7", createTestEndpoints("c7", ["10.0.0.9"])]]);
  const names = changes.between(before, after);
  assert.deepEqual(names, ["c7"]);
  assert.equal(changes.between(before, after), names);
});
