import assert from "node:assert/strict";
import { test } from "node:test";
import { parseWallTime } from "../../time/wall-time.ts";
import type { JsonObject } from "../patch/json-value.ts";
import { applyConfiguration } from "./apply-configuration.ts";
import type { ManagedFieldsEntry } from "./managed-fields-entry.ts";
import { recordUpdate } from "./record-update.ts";

const KIND = { group: "weft.dev", version: "v1alpha1", kind: "TrafficPolicy" };
const NOON_MS = parseWallTime("2026-01-31T12:00:00Z");

function policy(spec: JsonObject, metadata: JsonObject = {}): JsonObject {
  return { apiVersion: "weft.dev/v1alpha1", kind: "TrafficPolicy", metadata: { name: "p", ...metadata }, spec };
}

interface Write {
  readonly manager?: string;
  readonly atMs?: number;
  readonly subresource?: string;
}

function entriesOf(before: unknown, after: JsonObject, write: Write = {}): readonly ManagedFieldsEntry[] {
  const { manager = "ed", atMs = 0, subresource = "" } = write;
  return recordUpdate(before, after, { manager, operation: "Update", wallMs: NOON_MS + atMs, kind: KIND, subresource });
}

/** As a server stores it: with the managedFields that come out. */
function stored(before: unknown, after: JsonObject, write: Write = {}): JsonObject {
  const metadata = { uid: "u", ...(after["metadata"] as JsonObject), managedFields: entriesOf(before, after, write) };
  return { ...after, metadata };
}

function without(object: JsonObject): JsonObject {
  const { managedFields: _managedFields, ...metadata } = object["metadata"] as JsonObject & { managedFields?: unknown };
  return { ...object, metadata };
}

function managers(entries: readonly ManagedFieldsEntry[]): readonly string[] {
  return entries.map((entry) => entry.manager);
}

void test("recordUpdate() of a create gives everything to its maker", () => {
  assert.deepEqual(
    entriesOf(null, policy({ timeouts: { request: "1s" }, faults: [{ name: "a" }] }, { labels: { a: "1" } })),
    [
      {
        manager: "ed",
        operation: "Update",
        apiVersion: "weft.dev/v1alpha1",
        time: "2026-01-31T12:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
          "f:spec": {
            ".": {},
            "f:faults": { ".": {}, 'k:{"name":"a"}': { ".": {}, "f:name": {} } },
            "f:timeouts": { ".": {}, "f:request": {} },
          },
        },
      },
    ],
  );
});

void test("recordUpdate() gives what changed to who changed it, and keeps the time of who lost", () => {
  const before = stored(null, policy({ timeouts: { request: "1s", idle: "1m" } }));
  const after = stored(before, without(policy({ timeouts: { request: "2s", idle: "1m" } })), {
    manager: "flo",
    atMs: 60_000,
  });
  const [ed, flo] = (after["metadata"] as JsonObject)["managedFields"] as readonly ManagedFieldsEntry[];
  assert.deepEqual(ed?.fieldsV1, { "f:spec": { ".": {}, "f:timeouts": { ".": {}, "f:idle": {} } } });
  assert.equal(ed?.time, "2026-01-31T12:00:00Z");
  assert.deepEqual(flo?.fieldsV1, { "f:spec": { "f:timeouts": { "f:request": {} } } });
  assert.equal(flo?.time, "2026-01-31T12:01:00Z");
});

void test("recordUpdate() of nothing new changes no entry", () => {
  const before = stored(null, policy({ timeouts: { request: "1s" } }));
  assert.deepEqual(
    entriesOf(before, before, { manager: "flo", atMs: 60_000 }),
    (before["metadata"] as JsonObject)["managedFields"],
  );
});

void test("recordUpdate() adds to the entry of the same manager", () => {
  const before = stored(null, policy({ timeouts: { request: "1s" } }));
  const entries = entriesOf(before, without(policy({ timeouts: { request: "1s", idle: "1m" } })), { atMs: 60_000 });
  assert.equal(entries.length, 1);
  assert.equal(entries[0]?.time, "2026-01-31T12:01:00Z");
});

void test("recordUpdate() drops who owns nothing any more", () => {
  const first = policy({}, { labels: { a: "1" } });
  const before = stored(stored(null, policy({})), first, { manager: "flo" });
  assert.deepEqual(managers(entriesOf(before, without(policy({})))), ["ed"]);
});

void test("recordUpdate() takes fields from appliers too", () => {
  const applied = policy({ timeouts: { request: "1s" } });
  const options = { manager: "ann", force: false, wallMs: NOON_MS, kind: KIND, subresource: "" };
  const before = applyConfiguration(null, applied, options) as JsonObject;
  const entries = entriesOf(before, policy({ timeouts: { request: "2s" } }));
  assert.deepEqual(managers(entries), ["ed"]);
});

void test("recordUpdate() takes the managedFields that the client sends, which kubectl does to hand over fields", () => {
  const before = stored(null, policy({ timeouts: { request: "1s" } }), { manager: "kubectl-client-side-apply" });
  const [entry] = (before["metadata"] as JsonObject)["managedFields"] as readonly ManagedFieldsEntry[];
  const handed = [{ ...entry, manager: "kubectl", operation: "Apply" }];
  const after = policy({ timeouts: { request: "1s" } }, { managedFields: handed });
  assert.deepEqual(entriesOf(before, after), handed);
});

void test("recordUpdate() keeps what was there when the client sends none, or none that can be read", () => {
  const before = stored(null, policy({ timeouts: { request: "1s" } }));
  const kept = (before["metadata"] as JsonObject)["managedFields"];
  const [entry] = kept as readonly ManagedFieldsEntry[];
  const sent: readonly unknown[] = [
    undefined,
    null,
    "x",
    [1],
    [{ ...entry, operation: "Merge" }],
    [{ ...entry, fieldsType: "FieldsV2" }],
    [{ ...entry, apiVersion: "" }],
    [{ ...entry, fieldsV1: { "f:spec": 1 } }],
    [{ ...entry, fieldsV1: { "k:{}": {} } }],
    [{ ...entry, fieldsV1: { "k:[1": {} } }],
    [{ ...entry, fieldsV1: { "v:{}": {} } }],
    [{ ...entry, fieldsV1: { "i:-1": {} } }],
    [{ ...entry, fieldsV1: JSON.parse(`${'{"f:a":'.repeat(300)}{}${"}".repeat(300)}`) as unknown }],
  ];
  for (const managedFields of sent) {
    assert.deepEqual(entriesOf(before, policy({ timeouts: { request: "1s" } }, { managedFields })), kept);
  }
});

for (const reset of [[], [{}]]) {
  void test(`recordUpdate() forgets everybody when the client sends ${JSON.stringify(reset)}, until the next apply`, () => {
    const before = stored(null, policy({ timeouts: { request: "1s" } }));
    const after = policy({ timeouts: { request: "2s" } }, { managedFields: reset });
    assert.deepEqual(entriesOf(before, after), []);
    const untracked = policy({ timeouts: { request: "2s" } }, { uid: "u" });
    assert.deepEqual(entriesOf(untracked, policy({ timeouts: { request: "3s" } })), []);
  });
}

void test("recordUpdate() keeps an entry of its own for status", () => {
  const before = stored(null, policy({ timeouts: { request: "1s" } }));
  const after = {
    ...without(policy({ timeouts: { request: "9s" } })),
    status: { conditions: [{ type: "Ready", status: "True" }] },
  };
  const entries = entriesOf(before, after, { subresource: "status" });
  assert.deepEqual(
    entries.map(({ subresource, fieldsV1 }) => ({ subresource, fieldsV1 })),
    [
      { subresource: undefined, fieldsV1: { "f:spec": { ".": {}, "f:timeouts": { ".": {}, "f:request": {} } } } },
      {
        subresource: "status",
        fieldsV1: {
          "f:status": {
            ".": {},
            "f:conditions": { ".": {}, 'k:{"type":"Ready"}': { ".": {}, "f:status": {}, "f:type": {} } },
          },
        },
      },
    ],
  );
  assert.deepEqual(entriesOf(before, after).length, 1, "a write to the object itself changes no status");
});

void test("recordUpdate() forgets owners in versions that are no more", () => {
  const before = stored(null, policy({ timeouts: { request: "1s" } }));
  const [entry] = (before["metadata"] as JsonObject)["managedFields"] as readonly ManagedFieldsEntry[];
  const managedFields = [{ ...entry, apiVersion: "weft.dev/v1alpha0", manager: "old" }, entry];
  assert.deepEqual(managers(entriesOf(before, policy({ timeouts: { request: "1s" } }, { managedFields }))), ["ed"]);
});

void test("recordUpdate() calls who gives no name unknown", () => {
  assert.deepEqual(managers(entriesOf(null, policy({ timeouts: {} }), { manager: "" })), ["unknown"]);
});

void test("recordUpdate() keeps ten updaters and makes one of the oldest others, losing no field", () => {
  let live = stored(null, policy({ timeouts: { request: "1s" } }));
  for (let index = 0; index < 30; index += 1) {
    const labels = { ...((live["metadata"] as JsonObject)["labels"] as JsonObject | undefined), [`l${index}`]: "x" };
    live = stored(live, without({ ...live, metadata: { ...(live["metadata"] as JsonObject), labels } }), {
      manager: `m${index}`,
      atMs: (index + 1) * 60_000,
    });
  }
  const entries = (live["metadata"] as JsonObject)["managedFields"] as readonly ManagedFieldsEntry[];
  assert.equal(entries.length, 10);
  assert.equal(entries[0]?.manager, "ancient-changes");
  assert.deepEqual(
    managers(entries).slice(1),
    Array.from({ length: 9 }, (_, index) => `m${index + 21}`),
  );
  const text = JSON.stringify(entries);
  for (let index = 0; index < 30; index += 1) assert.ok(text.includes(`"f:l${index}"`));
  assert.ok(text.includes('"f:request"'));
});
