import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseWallTime } from "../../time/wall-time.ts";
import { isObject, type JsonObject } from "../patch/json-value.ts";
import { StatusError } from "../status.ts";
import { applyConfiguration, type ApplyOptions } from "./apply-configuration.ts";
import { recordUpdate } from "./record-update.ts";
import { settleManagedFields } from "./settle-managed-fields.ts";

const SERVICE = { group: "", version: "v1", kind: "Service" };
const NOON_MS = parseWallTime("2026-01-31T12:00:00.400Z");

function apply(live: unknown, applied: unknown, options: Partial<ApplyOptions> = {}): JsonObject {
  const defaults = { manager: "ann", force: false, wallMs: NOON_MS, kind: SERVICE, subresource: "" };
  return applyConfiguration(live, applied, { ...defaults, ...options }) as JsonObject;
}

function update(before: unknown, after: JsonObject, manager = "ed", wallMs = NOON_MS): JsonObject {
  const options = { manager, operation: "Update", wallMs, kind: SERVICE, subresource: "" } as const;
  const managedFields = recordUpdate(before, after, options);
  return { ...after, metadata: { ...(after["metadata"] as JsonObject), managedFields } };
}

function service(spec: JsonObject, metadata: JsonObject = {}): JsonObject {
  return { apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "shop", ...metadata }, spec };
}

/** "manager operation[/subresource]" to the fields. */
function owners(object: JsonObject): Record<string, unknown> {
  const entries = ((object["metadata"] as JsonObject)["managedFields"] ?? []) as readonly JsonObject[];
  return Object.fromEntries(
    entries.map((entry) => [
      `${String(entry["manager"])} ${String(entry["operation"])}${entry["subresource"] === undefined ? "" : "/status"}`,
      entry["fieldsV1"],
    ]),
  );
}

function refusal(run: () => unknown): StatusError["status"] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return error.status;
  }
  return assert.fail("nothing was refused");
}

void test("applyConfiguration() makes an object of nothing and owns what was said, and no name", () => {
  const applied = service(
    { ports: [{ port: 80 }], selector: { app: "web" } },
    { labels: { tier: "front" }, creationTimestamp: null },
  );
  const made = apply(null, applied);
  assert.deepEqual(made["spec"], applied["spec"]);
  assert.deepEqual(made["metadata"], {
    name: "web",
    namespace: "shop",
    labels: { tier: "front" },
    managedFields: [
      {
        manager: "ann",
        operation: "Apply",
        apiVersion: "v1",
        time: "2026-01-31T12:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:labels": { "f:tier": {} } },
          "f:spec": {
            "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:port": {} } },
            "f:selector": {},
          },
        },
      },
    ],
  });
});

void test("applyConfiguration() of the same again changes nothing, not even a time", () => {
  const applied = service({ ports: [{ port: 80 }] }, { labels: { a: "1" }, finalizers: ["x.dev/y"] });
  const once = apply(null, applied);
  assert.deepEqual(apply(once, applied, { wallMs: NOON_MS + 60_000 }), once);
});

void test("applyConfiguration() leaves defaults alone that others or nobody wrote", () => {
  const stored = apply(null, service({ ports: [{ port: 80 }] }));
  const filled = { ...stored, spec: { type: "ClusterIP", ports: [{ port: 80, protocol: "TCP", targetPort: 80 }] } };
  const again = apply(filled, service({ ports: [{ port: 80 }] }), { wallMs: NOON_MS + 60_000 });
  assert.deepEqual(again, filled);
});

void test("applyConfiguration() removes what its only owner leaves out, and keeps what a second one applies", () => {
  const both = apply(
    apply(null, service({ ports: [{ port: 80 }] }, { labels: { a: "1", b: "2" } })),
    service({}, { labels: { b: "2" } }),
    { manager: "bob" },
  );
  const left = apply(both, service({ ports: [{ port: 81 }] }));
  assert.deepEqual((left["metadata"] as JsonObject)["labels"], { b: "2" });
  assert.deepEqual(left["spec"], { ports: [{ port: 81 }] });
  assert.deepEqual(owners(left)["bob Apply"], { "f:metadata": { "f:labels": { "f:b": {} } }, "f:spec": {} });
});

void test("applyConfiguration() refuses to take a field, and names owner and field", () => {
  const live = update(null, service({ type: "ClusterIP", ports: [{ port: 80, protocol: "TCP", targetPort: 8080 }] }));
  const status = refusal(() => apply(live, service({ ports: [{ port: 80, targetPort: 9090 }] })));
  assert.equal(status.code, 409);
  assert.equal(status.reason, "Conflict");
  const field = '.spec.ports[port=80,protocol="TCP"].targetPort';
  assert.equal(status.message, `Apply failed with 1 conflict: conflict with "ed" using v1: ${field}`);
  assert.deepEqual(status.details?.causes, [
    { reason: "FieldManagerConflict", message: 'conflict with "ed" using v1', field },
  ]);
});

void test("applyConfiguration() lists the conflicts of each owner", () => {
  const ed = update(null, service({ type: "ClusterIP", selector: { app: "a" } }));
  const live = apply(ed, service({}, { labels: { team: "x" } }), { manager: "bob" });
  const status = refusal(() => apply(live, service({ type: "NodePort", selector: {} }, { labels: { team: "y" } })));
  assert.equal(
    status.message,
    [
      'Apply failed with 3 conflicts: conflicts with "bob":',
      "- .metadata.labels.team",
      'conflicts with "ed" using v1:',
      "- .spec.selector",
      "- .spec.type",
    ].join("\n"),
  );
  assert.equal(status.details?.causes?.length, 3);
});

void test("applyConfiguration() with force takes the fields", () => {
  const live = update(null, service({ type: "ClusterIP", ports: [{ port: 80 }] }));
  const forced = apply(live, service({ type: "NodePort" }), { force: true });
  assert.equal((forced["spec"] as JsonObject)["type"], "NodePort");
  assert.deepEqual(owners(forced)["ann Apply"], { "f:spec": { "f:type": {} } });
  assert.ok(!JSON.stringify(owners(forced)["ed Update"]).includes("f:type"));
});

void test("applyConfiguration() of an equal value shares the field instead", () => {
  const live = apply(null, service({ type: "NodePort" }));
  const shared = apply(live, service({ type: "NodePort" }), { manager: "bob" });
  assert.deepEqual(owners(shared), {
    "ann Apply": { "f:spec": { "f:type": {} } },
    "bob Apply": { "f:spec": { "f:type": {} } },
  });
  const status = refusal(() => apply(shared, service({ type: "ClusterIP" })));
  assert.deepEqual(
    status.details?.causes?.map((cause) => cause.field),
    [".spec.type"],
  );
});

void test("applyConfiguration() adds its own entries to lists, in its order, between those of others", () => {
  const live = update(
    null,
    service({
      ports: [
        { port: 1, protocol: "TCP" },
        { port: 2, protocol: "TCP" },
      ],
    }),
  );
  const merged = apply(live, service({ ports: [{ port: 3 }, { port: 2 }] }));
  assert.deepEqual(
    ((merged["spec"] as JsonObject)["ports"] as readonly JsonObject[]).map((port) => port["port"]),
    [1, 3, 2],
  );
  const without = apply(merged, service({ ports: [{ port: 2 }] }));
  assert.deepEqual(
    ((without["spec"] as JsonObject)["ports"] as readonly JsonObject[]).map((port) => port["port"]),
    [1, 2],
  );
});

void test("applyConfiguration() keeps entries of a set that others put there", () => {
  const live = apply(null, service({}, { finalizers: ["a.dev/x", "b.dev/y"] }), { manager: "bob" });
  const merged = apply(live, service({}, { finalizers: ["c.dev/z"] }));
  assert.deepEqual((merged["metadata"] as JsonObject)["finalizers"], ["a.dev/x", "b.dev/y", "c.dev/z"]);
  assert.deepEqual(owners(merged)["ann Apply"], {
    "f:metadata": { "f:finalizers": { 'v:"c.dev/z"': {} } },
    "f:spec": {},
  });
  const left = apply(merged, service({}), { manager: "bob" });
  assert.deepEqual((left["metadata"] as JsonObject)["finalizers"], ["c.dev/z"]);
});

void test("applyConfiguration() replaces atomic lists and objects whole", () => {
  const live = apply(null, service({ selector: { app: "web", tier: "front" }, externalIPs: ["10.0.0.1"] }));
  const merged = apply(live, service({ selector: { app: "api" }, externalIPs: ["10.0.0.2"] }));
  assert.deepEqual(merged["spec"], { selector: { app: "api" }, externalIPs: ["10.0.0.2"] });
});

void test("applyConfiguration() by kubectl takes what client-side apply wrote, and nothing that changed since", () => {
  const applied = service({ type: "ClusterIP", ports: [{ port: 80 }] });
  const annotation = "kubectl.kubernetes.io/last-applied-configuration";
  const made = update(
    null,
    service(
      { type: "ClusterIP", ports: [{ port: 80, protocol: "TCP", targetPort: 80 }] },
      { annotations: { [annotation]: JSON.stringify(applied) } },
    ),
    "kubectl-client-side-apply",
  );
  const next = service({ type: "NodePort", ports: [{ port: 80 }] });
  const merged = apply(made, next, { manager: "kubectl" });
  assert.equal((merged["spec"] as JsonObject)["type"], "NodePort");
  const { annotations } = merged["metadata"] as { readonly annotations: Readonly<Record<string, string>> };
  assert.equal(annotations[annotation], `${JSON.stringify(next)}\n`);
  assert.equal(refusal(() => apply(made, next)).code, 409, "anybody else meets a conflict");
  const changed = update(made, { ...made, spec: { ...(made["spec"] as JsonObject), type: "LoadBalancer" } });
  assert.equal(refusal(() => apply(changed, next, { manager: "kubectl" })).code, 409);
});

void test("applyConfiguration() gives what was there before anybody was tracked an owner", () => {
  const merged = apply(service({ type: "ClusterIP" }, { uid: "u" }), service({}, { labels: { a: "1" } }));
  assert.deepEqual(owners(merged)["before-first-apply Update"], { "f:spec": { ".": {}, "f:type": {} } });
  assert.equal(refusal(() => apply(merged, service({ type: "NodePort" }))).code, 409);
});

void test("applyConfiguration() through status changes status only, and the other way round", () => {
  const live = apply(null, { ...service({ type: "ClusterIP" }), status: { loadBalancer: {} } });
  assert.equal(live["status"], undefined);
  const applied = { ...service({ type: "NodePort" }), status: { phase: "Ready" } };
  const merged = apply(live, applied, { subresource: "status" });
  assert.deepEqual(merged["spec"], { type: "ClusterIP" });
  assert.deepEqual(merged["status"], { phase: "Ready" });
  assert.deepEqual(owners(merged)["ann Apply/status"], { "f:status": { "f:phase": {} } });
  assert.deepEqual(apply(merged, service({ type: "NodePort" }))["status"], { phase: "Ready" });
});

const REFUSED: readonly {
  readonly what: string;
  readonly applied: unknown;
  readonly code: number;
  readonly manager?: string;
}[] = [
  { what: "a list", applied: [], code: 400 },
  { what: "nothing", applied: null, code: 400 },
  { what: "another kind", applied: { ...service({}), kind: "Mesh" }, code: 400 },
  { what: "another version", applied: { ...service({}), apiVersion: "v2" }, code: 400 },
  { what: "managedFields", applied: service({}, { managedFields: [] }), code: 400 },
  {
    what: "the same port twice",
    applied: service({ ports: [{ port: 80 }, { port: 80, protocol: "TCP" }] }),
    code: 422,
  },
  { what: "a port that is a number", applied: service({ ports: [80] }), code: 422 },
  { what: "a finalizer twice", applied: service({}, { finalizers: ["a", "a"] }), code: 422 },
  { what: "no manager", applied: service({}), code: 422, manager: "" },
];
for (const { what, applied, code, manager = "ann" } of REFUSED) {
  void test(`applyConfiguration() refuses ${what} with ${code}`, () => {
    assert.equal(refusal(() => apply(null, applied, { manager })).code, code);
  });
}

void test("settleManagedFields() gives back what was there when only times differ", () => {
  const live = apply(null, service({ type: "NodePort" }));
  const later = apply(null, service({ type: "NodePort" }), { wallMs: NOON_MS + 60_000 });
  assert.equal(settleManagedFields(live, later), live);
  const other = apply(null, service({ type: "ClusterIP" }));
  assert.equal(settleManagedFields(live, other), other);
  assert.equal(settleManagedFields(null, other), other);
});

const label = fc.constantFrom("a", "b", "c", "constructor", "__proto__");
const spec = fc.record(
  {
    type: fc.constantFrom("ClusterIP", "NodePort"),
    selector: fc.dictionary(label, fc.constantFrom("x", "y"), { noNullPrototype: true }),
    ports: fc.uniqueArray(
      fc.record(
        {
          port: fc.integer({ min: 1, max: 4 }),
          protocol: fc.constantFrom("TCP", "UDP"),
          name: fc.constantFrom("p", "q"),
        },
        { requiredKeys: ["port"], noNullPrototype: true },
      ),
      { selector: (port) => `${port.port}/${port.protocol ?? "TCP"}`, minLength: 1, maxLength: 4 },
    ),
    externalIPs: fc.array(fc.constantFrom("10.0.0.1", "10.0.0.2")),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const meta = fc.record(
  {
    labels: fc.dictionary(label, fc.constantFrom("x", "y"), { noNullPrototype: true }),
    finalizers: fc.uniqueArray(fc.constantFrom("f", "g", "h"), { minLength: 1 }),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const config = fc.tuple(spec, meta).map(([body, metadata]) => service(body, metadata));
const steps = fc.array(
  fc.record({ manager: fc.constantFrom("ann", "bob", "cy"), applied: config, isApply: fc.boolean() }),
  { maxLength: 6 },
);

function run(
  all: readonly { readonly manager: string; readonly applied: JsonObject; readonly isApply: boolean }[],
): unknown {
  let live: JsonObject | null = null;
  for (const { manager, applied, isApply } of all) {
    live = isApply ? apply(live, applied, { manager, force: true }) : update(live, applied, manager);
  }
  return live;
}

void test("applyConfiguration() is idempotent whatever was written before", () => {
  fc.assert(
    fc.property(steps, config, (before, applied) => {
      const once = apply(run(before), applied, { force: true });
      assert.deepEqual(apply(once, applied, { wallMs: NOON_MS + 60_000 }), once);
    }),
  );
});

void test("applyConfiguration() with force always gets its way, and owns what it says", () => {
  fc.assert(
    fc.property(steps, config, (before, applied) => {
      const forced = apply(run(before), applied, { force: true });
      const wanted = applied["spec"] as JsonObject;
      const found = (forced["spec"] ?? {}) as JsonObject;
      for (const field of ["type", "selector", "externalIPs"]) {
        if (Object.hasOwn(wanted, field)) assert.deepEqual(found[field], wanted[field]);
      }
      for (const port of (wanted["ports"] ?? []) as readonly JsonObject[]) {
        const twin = (found["ports"] as readonly JsonObject[]).find(
          (other) => other["port"] === port["port"] && (other["protocol"] ?? "TCP") === (port["protocol"] ?? "TCP"),
        );
        assert.deepEqual({ ...twin, ...port }, twin);
      }
      const entries = (forced["metadata"] as JsonObject)["managedFields"] as readonly JsonObject[];
      if (Object.keys(wanted).length > 0 && isObject(wanted["selector"]))
        assert.ok(entries.some((entry) => entry["manager"] === "ann" && entry["operation"] === "Apply"));
    }),
  );
});

void test("applyConfiguration() undoes itself when its only owner applies nothing", () => {
  fc.assert(
    fc.property(config, (applied) => {
      const { spec: _spec, ...nothing } = service({});
      const emptied = apply(apply(null, applied), nothing);
      assert.deepEqual(owners(emptied), { "ann Apply": {} });
      assert.deepEqual(Object.keys(emptied).sort(), ["apiVersion", "kind", "metadata"]);
      assert.deepEqual(Object.keys(emptied["metadata"] as JsonObject).sort(), ["managedFields", "name", "namespace"]);
    }),
  );
});

void test("applyConfiguration() changes neither argument", () => {
  fc.assert(
    fc.property(steps, config, (before, applied) => {
      const live = run(before);
      const copies = [structuredClone(live), structuredClone(applied)];
      apply(live, applied, { force: true });
      assert.deepEqual([live, applied], copies);
    }),
  );
});

void test("applyConfiguration() and recordUpdate() throw nothing but StatusError, whatever they are given", () => {
  const garbage = fc.jsonValue({ maxDepth: 5 });
  const shaped = fc.record({
    apiVersion: fc.oneof(fc.constant("v1"), garbage),
    kind: fc.oneof(fc.constant("Service"), garbage),
    metadata: fc.oneof(
      fc.record(
        { name: garbage, labels: garbage, annotations: garbage, managedFields: garbage, finalizers: garbage },
        { requiredKeys: [] },
      ),
      garbage,
    ),
    spec: fc.oneof(fc.record({ ports: garbage, selector: garbage }), garbage),
  });
  const any = fc.oneof(garbage, shaped);
  fc.assert(
    fc.property(any, any, fc.boolean(), fc.constantFrom("kubectl", "ann"), (live, applied, force, manager) => {
      try {
        apply(live, applied, { force, manager });
        update(live, isObject(applied) ? applied : {});
      } catch (error) {
        assert.ok(error instanceof StatusError, String((error as Error).stack));
      }
    }),
    { numRuns: 1000 },
  );
});
