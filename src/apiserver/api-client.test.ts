import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import type { PutOptions, Store } from "../store/store.ts";
import { type ApiClient, createApiClient } from "./api-client.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

const KIND = { group: "", kind: "Service" };
const KEY = { ...KIND, namespace: "shop", name: "web" };

let api: TestApi;
let client: ApiClient;
const toClose: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  api = await startTestApi();
  client = createApiClient(api);
  toClose.push(api.close, client.close);
});

afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

function service(name: string, labels: Readonly<Record<string, string>> = {}): Resource {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "shop", labels },
    spec: { ports: [{ port: 80 }] },
  };
}

test("ApiClient creates, gets, lists, replaces and deletes", async () => {
  const created = await client.create(service("web", { tier: "front" }));
  assert.deepEqual(await client.get(KEY), created);
  assert.deepEqual((await client.list(KIND, { namespace: "shop" })).items, [created]);
  assert.deepEqual((await client.list(KIND, { labelSelector: "tier!=front" })).items, []);
  const replaced = await client.replace(service("web", { tier: "back" }));
  assert.deepEqual(replaced.metadata.labels, { tier: "back" });
  assert.deepEqual(await client.delete(KEY), { finalizers: [] });
  assert.deepEqual([await client.get(KEY), await client.delete(KEY)], [null, null]);
});

test("ApiClient keeps the empty namespace of a cluster-scoped resource", async () => {
  const mesh: Resource = {
    apiVersion: "weft.dev/v1alpha1",
    kind: "Mesh",
    metadata: { name: "mesh", namespace: "" },
    spec: { access: "permissive" },
  };
  assert.equal((await client.apply(mesh)).resource.metadata.namespace, "");
  assert.equal((await client.list({ group: "weft.dev", kind: "Mesh" })).items[0]?.metadata.namespace, "");
});

test("ApiClient.apply() says created, configured or unchanged", async () => {
  const outcomes = [];
  for (const labels of [{ a: "1" }, { a: "1" }, { a: "2" }])
    outcomes.push((await client.apply(service("web", labels))).outcome);
  assert.deepEqual(outcomes, ["created", "unchanged", "configured"]);
});

test("ApiClient.apply() writes a resource in the version that it is in, and finds it unchanged in any", async () => {
  const target = (version: string): Resource => {
    const destination = { kind: "ServiceAccount", name: "web", namespace: "shop" };
    const rules = [{ kind: "HTTPRouteGroup", name: "all", matches: ["any"] }];
    const metadata = { name: version, namespace: "shop" };
    const apiVersion = `access.smi-spec.io/${version}`;
    const sources = [destination];
    // The first version had no spec, and called the rules specs.
    const content =
      version === "v1alpha1" ? { destination, sources, specs: rules } : { spec: { destination, sources, rules } };
    return { apiVersion, kind: "TrafficTarget", metadata, ...content };
  };
  for (const version of ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"]) {
    const { outcome, resource } = await client.apply(target(version));
    assert.deepEqual([outcome, resource.apiVersion], ["created", `access.smi-spec.io/${version}`]);
    assert.equal((await client.apply(target(version))).outcome, "unchanged", version);
    const stored = await client.get({ group: "access.smi-spec.io", kind: "TrafficTarget", ...resource.metadata });
    assert.equal(stored?.apiVersion, "access.smi-spec.io/v1alpha4", "as it is stored");
  }
});

test("ApiClient.apply() takes a copy of what somebody read, and keeps finalizers and owners that it does not name", async () => {
  const copy = { uid: "of-another-store", resourceVersion: "812", managedFields: [{ manager: "kubectl" }] };
  const web = service("web");
  const { resource } = await client.apply({ ...web, metadata: { ...web.metadata, ...copy } });
  assert.deepEqual(
    resource.metadata.managedFields?.map((entry) => entry["manager"]),
    ["weft"],
  );
  await client.replace({ ...resource, metadata: { ...resource.metadata, finalizers: ["example.com/a"] } });
  const again = await client.apply({ ...web, metadata: { ...web.metadata, ...copy } });
  assert.deepEqual([again.outcome, again.resource.metadata.finalizers], ["unchanged", ["example.com/a"]]);
  assert.deepEqual(await client.delete(KEY), { finalizers: ["example.com/a"] });
});

test("ApiClient.apply() starts again when another writer came between, five times at most", async () => {
  const { store } = api;
  let interruptions = 0;
  const race = (times: number): Store => ({
    ...bind(store),
    async put(resource: Resource, options?: PutOptions) {
      if (interruptions < times) {
        interruptions += 1;
        await store.put({
          ...resource,
          metadata: { ...resource.metadata, labels: { interruption: String(interruptions) } },
        });
      }
      return store.put(resource, options);
    },
  });
  const apply = async (times: number): Promise<string> => {
    interruptions = 0;
    const racy = await startTestApi({ store: race(times) });
    const racyClient = createApiClient(racy);
    try {
      return (await racyClient.apply(service(`web-${times}`, { mine: "yes" }))).outcome;
    } finally {
      racyClient.close();
      await racy.close();
    }
  };
  assert.equal(await apply(4), "configured");
  assert.deepEqual((await store.get({ ...KEY, name: "web-4" }))?.metadata.labels, { mine: "yes" });
  await assert.rejects(apply(5), { code: "WEFT_API_CONFLICT" });
});

/** The methods of a store, as plain functions that can be spread; closing it is left to its owner. */
function bind(store: Store): Store {
  return {
    get: store.get.bind(store),
    list: store.list.bind(store),
    listAll: store.listAll.bind(store),
    put: store.put.bind(store),
    delete: store.delete.bind(store),
    watch: store.watch.bind(store),
    close: () => Promise.resolve(),
  };
}

test("ApiClient says what is wrong with a resource, field by field", async () => {
  const bad = { ...service("web"), spec: { ports: [{ port: 0 }] } };
  await assert.rejects(client.apply(bad), (error: unknown) => {
    assert.ok(error instanceof WeftError);
    assert.equal(error.code, "WEFT_API_INVALID");
    const [cause, ...rest] = error.details["causes"] as readonly { readonly field: string; readonly message: string }[];
    assert.deepEqual([cause?.field, rest], ["spec.ports[0].port", []]);
    assert.match(cause?.message ?? "", /^found 0; expected a port/);
    return true;
  });
});

test("ApiClient reads weft's own paths", async () => {
  api.views.configs = { "shop/web-0": { cluster: {} } };
  const grant = await client.grantJoin({ namespace: "shop", workload: "web-0", serviceAccount: "web" });
  assert.equal(grant.spiffeId, "spiffe://test.mesh/ns/shop/sa/web");
  assert.deepEqual([await client.proxies(), await client.stat(5_000), api.views.windowMs], [[], [], 5_000]);
  assert.deepEqual(
    [await client.proxyConfig("shop/web-0"), await client.proxyConfig("shop/other")],
    [{ cluster: {} }, null],
  );
  assert.equal((await client.mesh()).trustDomain, "test.mesh");
  assert.equal(await client.health(), true);
});

test("ApiClient says that the token was refused, without showing it", async () => {
  const stranger = createApiClient({ baseUrl: api.baseUrl, token: "wrong-secret" });
  toClose.push(stranger.close);
  await assert.rejects(stranger.mesh(), (error: unknown) => {
    assert.ok(error instanceof WeftError);
    assert.equal(error.code, "WEFT_API_UNAUTHORIZED");
    assert.ok(!JSON.stringify([error.message, error.hint, error.details, error.stack]).includes("wrong-secret"));
    return true;
  });
});

test("ApiClient says that nobody listens, and what to do", async () => {
  await api.close();
  await assert.rejects(client.mesh(), {
    code: "WEFT_API_UNREACHABLE",
    message: `Cannot reach the control plane at ${api.baseUrl}: connection refused; expected it to be running`,
    hint: /weft up/,
  });
});

test("ApiClient asks again over a new connection when a kept one was closed", async () => {
  await client.mesh();
  await api.close();
  const next = await startTestApi({ port: api.port });
  toClose.push(next.close);
  assert.equal((await client.mesh()).name, "test");
});

test("ApiClient says that a server is not weft's, or does not answer", async () => {
  const stranger = await listen(createServer((_request, response) => response.writeHead(500).end("<h1>Oops</h1>")));
  await assert.rejects(createApiClient({ baseUrl: stranger, token: "t" }).mesh(), {
    code: "WEFT_API_FAILED",
    message: `Cannot understand the answer of ${stranger}: found HTTP status 500 with a body that is not the API's; expected JSON`,
  });
  const silent = await listen(createServer(() => undefined));
  await assert.rejects(createApiClient({ baseUrl: silent, token: "t", timeoutMs: 50 }).mesh(), {
    code: "WEFT_API_TIMEOUT",
    message: /no answer in 0\.05 s/,
  });
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  toClose.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
