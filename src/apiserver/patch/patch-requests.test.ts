import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { type Answer, sendToApi } from "../send-to-api.ts";
import { startTestApi, type TestApi } from "../start-test-api.ts";
import type { JsonObject } from "./json-value.ts";

const SPLITS = "/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
});

afterEach(() => api.close());

function split(weights: Readonly<Record<string, number>>, metadata: JsonObject = {}): JsonObject {
  const backends = Object.entries(weights).map(([service, weight]) => ({ service, weight }));
  return {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name: "canary", ...metadata },
    spec: { service: "web", backends },
  };
}

function patch(type: string, body: unknown, query = ""): Promise<Answer> {
  return sendToApi(api, "PATCH", `${SPLITS}/canary${query}`, { headers: { "content-type": type }, body });
}

function apply(object: JsonObject, manager: string, query = ""): Promise<Answer> {
  return patch("application/apply-patch+yaml", object, `?fieldManager=${manager}${query}`);
}

function metadataOf(answer: Answer): JsonObject {
  return answer.body["metadata"] as JsonObject;
}

function weightsOf(answer: Answer): Readonly<Record<string, unknown>> {
  const { backends } = answer.body["spec"] as { readonly backends: readonly JsonObject[] };
  return Object.fromEntries(backends.map(({ service, weight }) => [String(service), weight]));
}

test("PATCH as an apply creates, and changes nothing the second time", async () => {
  const created = await apply(split({ v1: 90, v2: 10 }), "ann");
  assert.equal(created.statusCode, 201);
  const again = await apply(split({ v1: 90, v2: 10 }), "ann");
  assert.equal(again.statusCode, 200);
  assert.deepEqual(again.body, created.body);
});

test("PATCH as an apply meets conflicts, and takes the fields by force", async () => {
  await apply(split({ v1: 90, v2: 10 }), "ann");
  const refused = await apply(split({ v1: 50 }), "bob");
  assert.equal(refused.statusCode, 409);
  assert.equal(refused.body["reason"], "Conflict");
  assert.deepEqual((refused.body["details"] as JsonObject)["causes"], [
    { reason: "FieldManagerConflict", message: 'conflict with "ann"', field: '.spec.backends[service="v1"].weight' },
  ]);
  const forced = await apply(split({ v1: 50 }), "bob", "&force=true");
  assert.equal(forced.statusCode, 200);
  assert.deepEqual(weightsOf(forced), { v1: 50, v2: 10 });
});

test("PATCH as an apply leaves alone what a plain patch wrote to another entry", async () => {
  await apply(split({ v1: 90 }), "ann");
  const added = await patch("application/strategic-merge-patch+json", {
    spec: { backends: [{ service: "v2", weight: 1 }] },
  });
  assert.deepEqual(weightsOf(added), { v1: 90, v2: 1 });
  assert.deepEqual(weightsOf(await apply(split({ v1: 80 }), "ann")), { v1: 80, v2: 1 });
});

test("PATCH of managedFields hands an object of client-side apply over to server-side apply, as kubectl does", async () => {
  const object = split({ v1: 90, v2: 10 });
  const annotated = split({ v1: 90, v2: 10 }, { annotations: { [LAST_APPLIED]: JSON.stringify(object) } });
  const created = await sendToApi(api, "POST", `${SPLITS}?fieldManager=kubectl-client-side-apply`, { body: annotated });
  assert.equal(created.statusCode, 201);
  const { managedFields, resourceVersion } = metadataOf(created);
  const [entry] = managedFields as readonly JsonObject[];
  assert.equal(entry?.["manager"], "kubectl-client-side-apply");
  const handed = [{ ...entry, manager: "kubectl", operation: "Apply" }];
  const moved = await patch("application/json-patch+json", [
    { op: "replace", path: "/metadata/managedFields", value: handed },
    { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion },
  ]);
  assert.equal(moved.statusCode, 200);
  assert.deepEqual(metadataOf(moved)["managedFields"], handed);
  const shrunk = await apply(split({ v1: 100 }), "kubectl");
  assert.equal(shrunk.statusCode, 200);
  assert.deepEqual(weightsOf(shrunk), { v1: 100 });
});

test("PATCH as JSON, merge and strategic merge patch changes the object, or nothing of it", async () => {
  await apply(split({ v1: 90, v2: 10 }), "ann");
  const before = await sendToApi(api, "GET", `${SPLITS}/canary`);
  const failed = await patch("application/json-patch+json", [
    { op: "replace", path: "/spec/backends/0/weight", value: 1 },
    { op: "test", path: "/spec/service", value: "other" },
  ]);
  assert.equal(failed.statusCode, 422);
  const invalid = await patch("application/merge-patch+json", { spec: { backends: [] } });
  assert.equal(invalid.statusCode, 422);
  assert.deepEqual((await sendToApi(api, "GET", `${SPLITS}/canary`)).body, before.body);
  const labelled = await patch("application/merge-patch+json", { metadata: { labels: { tier: "front" } } });
  assert.deepEqual(metadataOf(labelled)["labels"], { tier: "front" });
  const ordered = await patch("application/strategic-merge-patch+json", {
    spec: {
      "$setElementOrder/backends": [{ service: "v2" }, { service: "v1" }],
      backends: [{ service: "v2", weight: 5 }],
    },
  });
  assert.deepEqual(Object.entries(weightsOf(ordered)), [
    ["v2", 5],
    ["v1", 90],
  ]);
});

test("PATCH with managedFields [{}] forgets everybody, and the next apply finds an owner for what was there", async () => {
  await apply(split({ v1: 90 }), "ann");
  const reset = await patch("application/merge-patch+json", { metadata: { managedFields: [{}] } });
  assert.equal(reset.statusCode, 200);
  assert.equal(metadataOf(reset)["managedFields"], undefined);
  const refused = await apply(split({ v1: 80 }), "ann");
  assert.match(String(refused.body["message"]), /^Apply failed with 1 conflict: conflict with "before-first-apply"/);
});

test("PATCH of another type is refused with what may be sent", async () => {
  await apply(split({ v1: 90 }), "ann");
  const answer = await patch("application/json", {});
  assert.equal(answer.statusCode, 415);
  assert.match(String(answer.body["message"]), /strategic-merge-patch\+json/);
});
