// M1 to M14 of the behaviours that docs/smi.md lists: the API of a control plane that proxies really report to.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  addUser,
  countsOf,
  describeEdges,
  edge,
  type Item,
  type List,
  passTime,
  read,
  report,
  ROOT,
  send,
  startMeasuredMesh,
  stopMeasuredMesh,
} from "./test-measured-mesh.ts";

const KINDS: readonly string[] = [
  ...["namespaces", "nodes", "pods", "services", "trafficsplits", "deployments", "replicasets", "daemonsets"],
  ...["statefulsets", "replicationcontrollers", "jobs"],
];

before(startMeasuredMesh);
after(stopMeasuredMesh);

test("M1: discovery lists every kind and its edges, in each form that clients ask for", async () => {
  const list = await read<{ readonly resources: readonly { name: string; namespaced: boolean; verbs: string[] }[] }>(
    "/",
  );
  assert.deepEqual(
    list.resources.map(({ name }) => name),
    KINDS.flatMap((kind) => [kind, `${kind}/edges`]),
  );
  assert.deepEqual(
    list.resources.filter(({ namespaced }) => !namespaced).map(({ name }) => name),
    ["namespaces", "namespaces/edges", "nodes", "nodes/edges"],
  );
  assert.deepEqual(list.resources[0]?.verbs, ["get", "list"]);
  const groups = (await (await send("/apis")).json()) as { readonly groups: readonly { readonly name: string }[] };
  // Last: `kubectl get services` means the core group's.
  assert.equal(groups.groups.at(-1)?.name, "metrics.smi-spec.io");
  assert.equal((await send("/apis/metrics.smi-spec.io")).status, 200);
  const openapi = (await (await send("/openapi/v3/apis/metrics.smi-spec.io/v1alpha1")).json()) as {
    readonly paths: Readonly<Record<string, unknown>>;
  };
  assert.ok(`${ROOT}/namespaces/{namespace}/pods/{name}/edges` in openapi.paths);
});

test("M2: lists of all namespaces and of one, for every kind", async () => {
  const names = async (path: string): Promise<readonly string[]> => {
    const list = await read<List>(path);
    assert.equal(list.kind, "TrafficMetricsList");
    return list.items.map(({ metadata: { namespace, name } }) => `${namespace ?? ""}/${name}`);
  };
  assert.deepEqual(await names("/services"), ["default/idle", "default/reviews", "default/web", "pay/card"]);
  assert.deepEqual(await names("/namespaces/pay/services"), ["pay/card"]);
  assert.deepEqual(await names("/pods"), ["default/reviews.0", "default/reviewsx0", "default/web-0", "pay/card-0"]);
  assert.deepEqual(await names("/namespaces/pay/deployments"), ["pay/card-v2"]);
  assert.deepEqual(await names("/nodes"), ["/machine-1"]);
  assert.ok((await names("/namespaces")).includes("/pay"));
  assert.deepEqual(await names("/namespaces/nowhere/pods"), []);
  for (const kind of ["replicasets", "daemonsets", "statefulsets", "replicationcontrollers", "jobs"])
    assert.deepEqual(await names(`/${kind}`), [], kind);
  assert.deepEqual((await read<List>("/namespaces/pay/services")).resource, { kind: "Service", namespace: "pay" });
});

test("M3: one object of each kind, and a namespace", async () => {
  const reviews = await read<Item>("/namespaces/default/services/reviews");
  assert.deepEqual(countsOf(reviews), ["12", "2"]);
  assert.deepEqual(reviews.edge, { direction: "from", side: "client", resource: null });
  assert.deepEqual(reviews.resource, { kind: "Service", namespace: "default", name: "reviews" });
  assert.equal(reviews.metadata.selfLink, `${ROOT}/namespaces/default/services/reviews`);
  const shop = await read<Item>("/namespaces/default/");
  assert.deepEqual([countsOf(shop), shop.resource], [["14", "2"], { kind: "Namespace", name: "default" }]);
  assert.deepEqual(countsOf(await read("/namespaces/default/pods/reviews.0")), ["13", "2"]);
  assert.deepEqual(countsOf(await read("/namespaces/pay/deployments/card-v2")), ["3", "0"]);
  assert.deepEqual(countsOf(await read("/nodes/machine-1")), ["17", "2"]);
  const head = await send(`${ROOT}/namespaces/default/pods/reviews.0`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  assert.ok(Number(head.headers.get("content-length")) > 100);
});

test("M4: what is idle has zeros; what does not exist is a Status of 404", async () => {
  const idle = await read<Item>("/namespaces/default/services/idle");
  assert.deepEqual(
    idle.metrics.map(({ value }) => value),
    ["0", "0", "0", "0", "0"],
  );
  for (const path of [
    "/namespaces/default/services/nobody",
    "/namespaces/default/services/nobody/edges",
    "/namespaces/nowhere",
    "/namespaces/nowhere/edges",
    "/nodes/nowhere",
    "/namespaces/default/jobs/none",
    "/secrets",
    "/namespaces/default/secrets/x",
    "/namespaces/default/nodes",
    "/pods/web-0",
  ]) {
    const response = await send(`${ROOT}${path}`);
    const { kind, code, reason } = (await response.json()) as Readonly<Record<string, unknown>>;
    assert.deepEqual([response.status, kind, code, reason], [404, "Status", 404, "NotFound"], path);
  }
});

test("M5: edges to, from, with oneself and across namespaces", async () => {
  assert.deepEqual(describeEdges(await read("/namespaces/default/services/reviews/edges")), [
    "from client Service default/web 8 2",
    "from client Service pay/card 4 0",
  ]);
  assert.deepEqual(describeEdges(await read("/namespaces/default/services/web/edges")), [
    "to client Service default/reviews 8 2",
    "to client Service default/web 1 0",
    "to client Service pay/card 3 0",
    "from client Service default/web 1 0",
  ]);
  assert.deepEqual(describeEdges(await read("/namespaces/default/edges")), [
    "to client Namespace /default 9 2",
    "to client Namespace /pay 3 0",
    "from server Namespace /default 9 2",
  ]);
  assert.deepEqual(describeEdges(await read("/namespaces/pay/pods/card-0/edges")), [
    "to client Service default/reviews 4 0",
    "from server Service default/web 3 0",
  ]);
  assert.deepEqual(describeEdges(await read("/namespaces/default/services/idle/edges")), []);
});

test("M7: five metrics, in their order, latencies in ms and counts without a unit", async () => {
  const { metrics } = await read<Item>("/namespaces/default/services/reviews");
  assert.deepEqual(
    metrics.map(({ name, unit }) => [name, unit]),
    [
      ["p99_response_latency", "ms"],
      ["p90_response_latency", "ms"],
      ["p50_response_latency", "ms"],
      ["success_count", undefined],
      ["failure_count", undefined],
    ],
  );
  // The bucket of 0.5 to 1 ms.
  assert.deepEqual(
    metrics.slice(0, 3).map(({ value }) => value),
    ["995m", "950m", "750m"],
  );
});

test("M10: a name is compared whole: the dot of one is no pattern", async () => {
  assert.deepEqual(countsOf(await read("/namespaces/default/pods/reviewsx0")), ["0", "0"]);
  assert.equal((await send(`${ROOT}/namespaces/default/services/.*`)).status, 404);
});

test("M11: nobody without credentials or with wrong ones is told anything", async () => {
  for (const path of ["/", "/pods", "/namespaces/default/services/web", "/namespaces/default/edges", "/unknown"]) {
    assert.equal((await send(`${ROOT}${path}`, { token: null })).status, 401, path);
    assert.equal((await send(`${ROOT}${path}`, { token: "wrong" })).status, 401, path);
  }
});

test("M12: a TrafficSplit has one item for each backend", async () => {
  const { items } = await read<List>("/namespaces/default/trafficsplits/canary");
  assert.deepEqual(
    items.map((item) => [item.backend, item.edge, ...countsOf(item)]),
    [
      [{ apex: "shop", name: "reviews", weight: 9 }, { direction: "from", side: "client", resource: null }, "12", "2"],
      [{ apex: "shop", name: "idle", weight: 1 }, { direction: "from", side: "client", resource: null }, "0", "0"],
    ],
  );
  assert.equal((await read<List>("/trafficsplits")).items.length, 2);
  assert.deepEqual(describeEdges(await read("/namespaces/default/trafficsplits/canary/edges")), [
    "from client Service default/web 8 2",
    "from client Service pay/card 4 0",
  ]);
});

test("M13: a label selector chooses items by the labels of the objects, and changes no sum", async () => {
  const list = await read<List>("/services?labelSelector=tier%3Dfront");
  assert.deepEqual(
    list.items.map(({ metadata, metrics }) => [metadata.name, ...countsOf({ metrics })]),
    [["web", "1", "0"]],
  );
  assert.deepEqual(list.selector, { matchLabels: { tier: "front" } });
  assert.equal((await read<List>("/services?labelSelector=tier!%3Dfront")).items.length, 3);
  assert.equal((await send(`${ROOT}/services?labelSelector=%28`)).status, 400);
});

test("M14: roles and namespaces hold as for every resource", async () => {
  const token = await addUser("payer", ["pay"]);
  for (const path of [
    "/namespaces/pay",
    "/namespaces/pay/edges",
    "/namespaces/pay/pods",
    "/namespaces/pay/pods/card-0/edges",
  ])
    assert.equal((await send(`${ROOT}${path}`, { token })).status, 200, path);
  for (const path of [
    ...["/pods", "/namespaces", "/nodes", "/nodes/machine-1", "/namespaces/default", "/namespaces/default/edges"],
    ...["/namespaces/default/pods", "/namespaces/default/pods/web-0", "/namespaces/default/pods/web-0/edges"],
  ]) {
    const response = await send(`${ROOT}${path}`, { token });
    assert.equal(response.status, 403, path);
    const { message } = (await response.json()) as { readonly message: string };
    assert.match(message, /in API group "metrics.smi-spec.io"/);
    if (path.endsWith("pods/web-0/edges")) assert.match(message, /cannot get resource "pods\/edges"/);
  }
});

test("M9: latencies of traffic that nobody timed are 0, not NaN", async () => {
  await report("pay", "untimed", "untimed-0", [
    { direction: "outbound", destination: "default/idle", protocol: "http", success: 2, failure: 0 },
  ]);
  const { metrics } = await read<Item>("/namespaces/default/services/idle");
  assert.deepEqual(
    metrics.map(({ value }) => value),
    ["0", "0", "0", "2", "0"],
  );
  // No Service stands for the caller: it is named by what it proved.
  assert.deepEqual(describeEdges(await read("/namespaces/default/services/idle/edges")), [
    "from client ServiceAccount pay/untimed 2 0",
  ]);
});

test("M8: quantities are canonical", async () => {
  await report("pay", "many", "many-0", [edge("outbound", "", "pay/card", [4_997, 1_500])]);
  assert.deepEqual(countsOf(await read("/namespaces/pay/services/card")), ["5k", "1500"]);
});

test("M6: the window is the t of the query, 30s without one, and never longer than what is kept", async () => {
  const path = "/namespaces/default/services/reviews";
  assert.equal((await read<Item>(path)).window, "30s");
  passTime(45_000);
  assert.deepEqual(countsOf(await read(path)), ["0", "0"]);
  const minutes = await read<Item>(`${path}?t=90s`);
  assert.deepEqual([minutes.window, ...countsOf(minutes)], ["1m30s", "12", "2"]);
  const early = await send(`${ROOT}${path}?t=10m`);
  assert.match(early.headers.get("warning") ?? "", /traffic is known of the last \d+s only/);
  for (const t of ["11m", "10", "soon", "0s", "-5s"]) {
    const response = await send(`${ROOT}${path}?t=${t}`);
    assert.equal(response.status, 400, t);
    assert.match(await response.text(), /expected a duration of 1s to 10m0s/);
  }
});
