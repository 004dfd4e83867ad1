import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Answer, type Call, sendToApi } from "./send-to-api.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

const SERVICES = "/api/v1/namespaces/shop/services";
const WEB = `${SERVICES}/web`;

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
});

afterEach(() => api.close());

function send(method: string, path: string, call: Call = {}): Promise<Answer> {
  return sendToApi(api, method, path, call);
}

function createService(metadata: Readonly<Record<string, unknown>> = { name: "web" }): object {
  return { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port: 80 }] } };
}

function post(metadata?: Readonly<Record<string, unknown>>, query = ""): Promise<Answer> {
  return send("POST", `${SERVICES}${query}`, { body: createService(metadata) });
}

function patch(body: unknown, type = "merge-patch+json", path = WEB): Promise<Answer> {
  return send("PATCH", path, { body, headers: { "content-type": `application/${type}` } });
}

function metaOf(answer: Answer): Readonly<Record<string, unknown>> {
  return answer.body["metadata"] as Readonly<Record<string, unknown>>;
}

describe("Creating", () => {
  test("makes a name from generateName, and keeps it", async () => {
    const one = metaOf(await post({ generateName: "web-" }));
    const other = metaOf(await post({ generateName: "web-" }));
    assert.match(String(one["name"]), /^web-[bcdfghjklmnpqrstvwxz2-9]{5}$/);
    assert.equal(one["generateName"], "web-");
    assert.notEqual(one["name"], other["name"]);
    const long = metaOf(await post({ generateName: "x".repeat(60) }));
    assert.equal(String(long["name"]).length, 63);
  });

  test("takes YAML, and refuses what is no document of it", async () => {
    const yaml = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec:\n  ports: [{ port: 80 }]\n";
    const headers = { "content-type": "application/yaml" };
    assert.equal((await send("POST", SERVICES, { body: yaml, headers })).statusCode, 201);
    for (const body of ["a: 1\na: 2\n", "a: [", `${yaml}---\n${yaml}`, ""]) {
      assert.equal((await send("POST", SERVICES, { body, headers })).statusCode, 400, body);
    }
  });

  test("refuses, warns of or passes over a field that stands twice, as fieldValidation says", async () => {
    const body = JSON.stringify(createService()).replace('"kind":"Service"', '"kind":"Service","kind":"Service"');
    const strict = await send("POST", `${SERVICES}?fieldValidation=Strict`, { body });
    assert.deepEqual([strict.statusCode, strict.body["reason"]], [400, "BadRequest"]);
    assert.match(String(strict.body["message"]), /found duplicate field "kind"/);
    const warned = await send("POST", `${SERVICES}?dryRun=All`, { body });
    assert.equal(warned.headers["warning"], '299 - "duplicate field \\"kind\\": the last one counts"');
    const ignored = await send("POST", `${SERVICES}?dryRun=All&fieldValidation=Ignore`, { body });
    assert.deepEqual([ignored.statusCode, ignored.headers["warning"]], [201, undefined]);
    assert.equal((await send("POST", `${SERVICES}?fieldValidation=Maybe`, { body })).statusCode, 400);
  });

  test("refuses unknown fields whatever fieldValidation says", async () => {
    const body = { ...createService(), spce: {} };
    assert.equal((await send("POST", `${SERVICES}?fieldValidation=Ignore`, { body })).statusCode, 422);
  });

  test("leaves what is the server's to the server", async () => {
    const created = metaOf(
      await post({
        name: "web",
        uid: "mine",
        creationTimestamp: "2000-01-01T00:00:00Z",
        deletionTimestamp: "2000-01-01T00:00:00Z",
      }),
    );
    assert.notEqual(created["uid"], "mine");
    assert.notEqual(created["creationTimestamp"], "2000-01-01T00:00:00Z");
    assert.equal(created["deletionTimestamp"], undefined);
  });

  test("says in managedFields who wrote: fieldManager, else the program of the User-Agent", async () => {
    const managers = (answer: Answer): unknown =>
      (metaOf(answer)["managedFields"] as readonly { readonly manager: string }[]).map((entry) => entry.manager);
    assert.deepEqual(managers(await post({ name: "a" }, "?fieldManager=me")), ["me"]);
    const headers = { "user-agent": "kubectl/v1.32 (linux)" };
    assert.deepEqual(managers(await send("POST", SERVICES, { body: createService(), headers })), ["kubectl"]);
    assert.equal((await post({ name: "b" }, `?fieldManager=${"x".repeat(129)}`)).statusCode, 400);
  });

  test("in a dry run gives all but a version, finds what exists, and makes no namespace", async () => {
    const dry = metaOf(await post({ name: "web" }, "?dryRun=All"));
    assert.deepEqual([typeof dry["uid"], dry["resourceVersion"], dry["generation"]], ["string", undefined, 1]);
    assert.equal((await send("GET", "/api/v1/namespaces/shop")).statusCode, 404);
    await post();
    assert.equal((await post({ name: "web" }, "?dryRun=All")).statusCode, 409);
  });
});

describe("Patching", () => {
  beforeEach(() => post());

  test("takes each kind of patch by its content type", async () => {
    const table: readonly (readonly [type: string, body: unknown])[] = [
      ["json-patch+json", [{ op: "add", path: "/metadata/labels", value: { one: "1" } }]],
      ["merge-patch+json", { metadata: { labels: { two: "2" } } }],
      [
        "strategic-merge-patch+json",
        {
          metadata: { labels: { three: "3" } },
          spec: {
            ports: [
              { port: 81, name: "b" },
              { port: 80, name: "a" },
            ],
          },
        },
      ],
    ];
    for (const [type, body] of table) assert.equal((await patch(body, type)).statusCode, 200, type);
    const { body } = await send("GET", WEB);
    assert.deepEqual((body["metadata"] as { readonly labels: unknown }).labels, { one: "1", two: "2", three: "3" });
    assert.equal((body["spec"] as { readonly ports: readonly unknown[] }).ports.length, 2);
    const unknown = await patch({}, "json");
    assert.equal(unknown.statusCode, 415);
  });

  test("applies YAML, creates by it, and wants a fieldManager", async () => {
    const yaml = "apiVersion: v1\nkind: Service\nspec: { ports: [{ port: 90 }] }\n";
    assert.equal((await patch(yaml, "apply-patch+yaml")).statusCode, 422);
    const created = await patch(yaml, "apply-patch+yaml", `${SERVICES}/new?fieldManager=me`);
    assert.deepEqual([created.statusCode, metaOf(created)["name"]], [201, "new"]);
    const again = await patch(yaml, "apply-patch+yaml", `${SERVICES}/new?fieldManager=me`);
    assert.deepEqual([again.statusCode, metaOf(again)["resourceVersion"]], [200, metaOf(created)["resourceVersion"]]);
  });

  test("keeps to a resourceVersion in the patch, and refuses another name or uid", async () => {
    assert.equal((await patch({ metadata: { resourceVersion: "1" } })).statusCode, 409);
    assert.equal((await patch({ metadata: { uid: "another" } })).statusCode, 409);
    assert.equal((await patch({ metadata: { name: "another" } })).statusCode, 400);
    assert.equal((await patch({ metadata: { namespace: "default" } })).statusCode, 400);
    assert.equal((await patch({ spec: { ports: [] } })).statusCode, 422);
    assert.equal((await patch({}, "merge-patch+json", `${SERVICES}/nobody`)).statusCode, 404);
  });

  test("loses no change when many patch at once", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `label-${String(index).padStart(2, "0")}`);
    const answers = await Promise.all(names.map((name) => patch({ metadata: { labels: { [name]: "yes" } } })));
    assert.deepEqual(
      answers.map((answer) => answer.statusCode),
      names.map(() => 200),
    );
    assert.deepEqual(Object.keys(metaOf(await send("GET", WEB))["labels"] as object).toSorted(), names);
  });
});

describe("Status", () => {
  const status = { loadBalancer: { ingress: [{ ip: "127.0.0.1" }] } };

  test("is written through its own path only, and does not touch the rest", async () => {
    const created = await send("POST", SERVICES, { body: { ...createService(), status } });
    assert.equal(created.body["status"], undefined);
    const body = { ...createService({ name: "web", labels: { a: "b" } }), status, spec: { ports: [{ port: 99 }] } };
    const written = await send("PUT", `${WEB}/status`, { body });
    assert.deepEqual(written.body["status"], status);
    assert.deepEqual(written.body["spec"], created.body["spec"]);
    assert.deepEqual([metaOf(written)["labels"], metaOf(written)["generation"]], [undefined, 1]);
    const main = await send("PUT", WEB, { body: createService({ name: "web", labels: { a: "b" } }) });
    assert.deepEqual([main.body["status"], metaOf(main)["labels"]], [status, { a: "b" }]);
    const patched = await patch({ status: { loadBalancer: null }, spec: null }, "merge-patch+json", `${WEB}/status`);
    assert.deepEqual([patched.statusCode, patched.body["status"]], [200, {}]);
    assert.deepEqual((await send("GET", `${WEB}/status`)).body, patched.body);
  });

  test("is no path of a kind that has none", async () => {
    assert.equal((await send("GET", "/api/v1/namespaces/shop/serviceaccounts/a/status")).statusCode, 404);
  });
});

describe("Deleting", () => {
  test("answers with a Status that names the uid when it is gone", async () => {
    const uid = metaOf(await post())["uid"];
    const { body } = await send("DELETE", WEB);
    const details = { name: "web", group: "", kind: "services", uid };
    assert.deepEqual(body, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
  });

  test("waits for finalizers: marked at first, takes no new ones, gone with the last", async () => {
    await post({ name: "web", finalizers: ["example.com/a", "example.com/b"] });
    const marked = metaOf(await send("DELETE", WEB));
    assert.equal(typeof marked["deletionTimestamp"], "string");
    const again = metaOf(await send("DELETE", WEB));
    assert.equal(again["resourceVersion"], marked["resourceVersion"]);
    const added = await patch({ metadata: { finalizers: ["example.com/a", "example.com/c"] } });
    assert.deepEqual([added.statusCode, added.body["reason"]], [422, "Invalid"]);
    const cleared = await patch({ metadata: { deletionTimestamp: null, finalizers: ["example.com/b"] } });
    assert.equal(metaOf(cleared)["deletionTimestamp"], marked["deletionTimestamp"]);
    assert.equal((await patch({ metadata: { finalizers: null } })).statusCode, 200);
    assert.equal((await send("GET", WEB)).statusCode, 404);
  });

  test("reads its options from the body and from the query", async () => {
    await post();
    const dry = { body: { kind: "DeleteOptions", apiVersion: "v1", dryRun: ["All"] } };
    assert.equal((await send("DELETE", WEB, dry)).statusCode, 200);
    assert.equal((await send("DELETE", `${WEB}?dryRun=All`)).statusCode, 200);
    const table: readonly unknown[] = [
      { propagationPolicy: "Sideways" },
      { propagationPolicy: "Orphan", orphanDependents: true },
      { dryRun: "All" },
      { preconditions: { uid: 7 } },
    ];
    for (const body of table) assert.equal((await send("DELETE", WEB, { body })).statusCode, 422, JSON.stringify(body));
    const foreground = await send("DELETE", `${WEB}?propagationPolicy=Foreground&dryRun=All`);
    assert.deepEqual(metaOf(foreground)["finalizers"], ["foregroundDeletion"]);
    assert.equal((await send("GET", WEB)).statusCode, 200);
  });

  test("of a collection deletes what fits, and lists it", async () => {
    for (const name of ["a", "b", "c"]) await post({ name, labels: { tier: name === "b" ? "back" : "front" } });
    const { body } = await send("DELETE", `${SERVICES}?labelSelector=tier%3Dfront`);
    const names = (items: unknown): unknown =>
      (items as readonly { readonly metadata: { readonly name: string } }[]).map((item) => item.metadata.name);
    assert.deepEqual([body["kind"], names(body["items"])], ["ServiceList", ["a", "c"]]);
    assert.deepEqual(names((await send("GET", SERVICES)).body["items"]), ["b"]);
  });
});

describe("Owners", () => {
  test("in another namespace, or in one for what is in none, are refused", async () => {
    const uid = metaOf(await post())["uid"];
    const owner = { apiVersion: "v1", kind: "Service", name: "web", uid };
    const elsewhere = { body: createService({ name: "child", ownerReferences: [owner] }) };
    const refused = await send("POST", "/api/v1/namespaces/default/services", elsewhere);
    assert.equal(refused.statusCode, 422);
    assert.match(
      String(refused.body["message"]),
      /found Service "web" of namespace "shop"; expected an owner of namespace "default"/,
    );
    const meta = { name: "owned", ownerReferences: [owner] };
    const cluster = await send("POST", "/api/v1/namespaces", {
      body: { apiVersion: "v1", kind: "Namespace", metadata: meta },
    });
    assert.equal(cluster.statusCode, 422);
    assert.equal((await post({ name: "child", ownerReferences: [owner] })).statusCode, 201);
    const two = [
      { ...owner, controller: true },
      { ...owner, uid: "other", controller: true },
    ];
    assert.equal((await post({ name: "both", ownerReferences: two })).statusCode, 422);
  });
});

describe("Namespaces", () => {
  test("come with their first object; default is there and stays", async () => {
    assert.equal((await send("GET", "/api/v1/namespaces/default")).statusCode, 200);
    assert.equal((await send("DELETE", "/api/v1/namespaces/default")).statusCode, 403);
    await post();
    assert.deepEqual((await send("GET", "/api/v1/namespaces/shop")).body["status"], { phase: "Active" });
  });

  test("take nothing new while they are being deleted", async () => {
    await post({ name: "web", finalizers: ["example.com/a"] });
    const deleted = await send("DELETE", "/api/v1/namespaces/shop");
    assert.deepEqual(deleted.body["status"], { phase: "Terminating" });
    const refused = await post({ name: "late" });
    assert.deepEqual([refused.statusCode, refused.body["reason"]], [403, "Forbidden"]);
    const { causes } = refused.body["details"] as { readonly causes: readonly { readonly reason: string }[] };
    assert.deepEqual(
      causes.map((cause) => cause.reason),
      ["NamespaceTerminating"],
    );
  });
});

test("Warnings say what is legal and probably wrong, in the words of apply", async () => {
  const body = {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name: "web" },
    spec: { service: "web", backends: [{ service: "web", weight: 1 }] },
  };
  await post();
  const answer = await send("POST", "/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits", { body });
  assert.equal(answer.statusCode, 201);
  assert.equal(
    answer.headers["warning"],
    '299 - "spec.backends[0].service: found \\"web\\", which has no endpoints; expected a Service with endpoints: until it has some, its share of the requests is answered with 503"',
  );
});
