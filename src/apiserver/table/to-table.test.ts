import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "../../resources/registry.ts";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { parseWallTime } from "../../time/wall-time.ts";
import { StatusError } from "../status.ts";
import { listColumns } from "./kind-columns.ts";
import { readIncludeObject, toTable } from "./to-table.ts";

const BORN_WALL_MS = parseWallTime("2026-01-01T00:00:00Z");

function createSplit(): Resource {
  const { resource } = validateResource(
    {
      apiVersion: "split.smi-spec.io/v1alpha4",
      kind: "TrafficSplit",
      metadata: { name: "reviews", creationTimestamp: "2026-01-01T00:00:00Z", resourceVersion: "7" },
      spec: {
        service: "reviews",
        backends: [
          { service: "reviews-v1", weight: 75 },
          { service: "reviews-v2", weight: 25 },
        ],
      },
    },
    { file: "" },
  );
  assert.ok(resource !== null);
  return resource;
}

const SPLIT = KINDS.find((definition) => definition.kind === "TrafficSplit");
assert.ok(SPLIT !== undefined);
const OPTIONS = { metadata: { resourceVersion: "9" }, version: "v1", wallMs: BORN_WALL_MS + 3_600_000 } as const;

test("toTable() has a cell for each column, and the metadata of each resource", () => {
  const table = toTable(SPLIT, [createSplit()], { ...OPTIONS, includeObject: "Metadata" }) as {
    readonly columnDefinitions: readonly {
      readonly name: string;
      readonly format: string;
      readonly priority: number;
    }[];
    readonly rows: readonly {
      readonly cells: readonly unknown[];
      readonly object: Readonly<Record<string, unknown>>;
    }[];
  };
  assert.deepEqual(
    table.columnDefinitions.map((column) => [column.name, column.format, column.priority]),
    [
      ["Name", "name", 0],
      ["Service", "", 0],
      ["Backends", "", 0],
      ["Matches", "", 0],
      ["Age", "", 0],
    ],
  );
  assert.deepEqual(table.rows[0]?.cells, ["reviews", "reviews", "reviews-v1 75%, reviews-v2 25%", "-", "60m"]);
  assert.deepEqual(Object.keys(table.rows[0]?.object ?? {}), ["kind", "apiVersion", "metadata"]);
  assert.equal(table.rows[0]?.object["kind"], "PartialObjectMetadata");
});

test("toTable() includes the whole object, or none, where that is asked for", () => {
  const [whole, none] = (["Object", "None"] as const).map((includeObject) =>
    toTable(SPLIT, [createSplit()], { ...OPTIONS, includeObject }),
  ) as readonly { readonly rows: readonly { readonly object?: { readonly kind: string } }[] }[];
  assert.equal(whole?.rows[0]?.object?.kind, "TrafficSplit");
  assert.deepEqual(Object.keys(none?.rows[0] ?? {}), ["cells"]);
});

test("toTable() without columns keeps the cells", () => {
  const table = toTable(SPLIT, [createSplit()], { ...OPTIONS, includeObject: "None", hasColumns: false }) as {
    readonly columnDefinitions: readonly unknown[];
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  };
  assert.deepEqual([table.columnDefinitions.length, table.rows[0]?.cells.length], [0, 5]);
});

test("readIncludeObject() takes three words", () => {
  const read = (text: string): string => readIncludeObject(new URLSearchParams({ includeObject: text }));
  assert.deepEqual(
    [read(""), read("None"), read("Metadata"), read("Object")],
    ["Metadata", "None", "Metadata", "Object"],
  );
  assert.throws(() => read("All"), StatusError);
});

test("every column of every kind has a name of its own and a description", () => {
  for (const { kind } of KINDS) {
    const columns = listColumns(kind);
    assert.equal(new Set(columns.map((column) => column.name)).size, columns.length, kind);
    for (const column of columns) assert.match(column.description, /^[A-Za-z].*\.$/, `${kind} ${column.name}`);
  }
});
