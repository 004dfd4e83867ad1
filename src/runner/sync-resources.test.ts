import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiClient } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { ProxyStatus } from "../control/views.ts";
import type { Resource } from "../resources/resource.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { GroupKind, ResourceKey } from "../store/store.ts";
import { ensureServiceAccount, ensureServices, findServicePort, type JoinOptions } from "./join-mesh.ts";
import { removeOldEndpoints, syncResources } from "./sync-resources.ts";
import { waitUntilSynced } from "./wait-until-synced.ts";
import { createMeta, createService, toServiceAccount } from "./weft-yaml-resources.ts";

type Api = Pick<ApiClient, "apply" | "create" | "delete" | "get" | "list">;

/** An API server's store, with the one label selector that is used here. */
function createApi(...resources: readonly Resource[]): { readonly api: Api; readonly names: () => readonly string[] } {
  const store = new Map(resources.map((resource) => [nameOf(resource), resource]));
  const nameOfKey = (key: ResourceKey): string => `${key.kind} ${key.name}`;
  const api: Api = {
    async apply(resource) {
      store.set(nameOf(resource), resource);
      return { outcome: "configured", resource };
    },
    async create(resource) {
      if (store.has(nameOf(resource))) throw new WeftError("WEFT_API_ALREADY_EXISTS", "exists");
      store.set(nameOf(resource), resource);
      return resource;
    },
    async delete(key) {
      return store.delete(nameOfKey(key)) ? { finalizers: [] } : null;
    },
    get: async (key) => store.get(nameOfKey(key)) ?? null,
    async list(kind: GroupKind, options) {
      assert.equal(options?.labelSelector, "weft.dev/managed-by=weft");
      const items = [...store.values()].filter(
        (resource) => resource.kind === kind.kind && resource.metadata.labels?.["weft.dev/managed-by"] === "weft",
      );
      return { items, resourceVersion: "1" };
    },
  };
  return { api, names: () => [...store.keys()].sort() };
}

function nameOf({ kind, metadata }: Resource): string {
  return `${kind} ${metadata.name}`;
}

const BY_HAND: Resource = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "by-hand", namespace: "default" },
  spec: {
    ports: [
      { name: "web", port: 8080, targetPort: 8080, protocol: "TCP", appProtocol: "tcp" },
      { name: "admin", port: 9090, targetPort: 9090, protocol: "TCP" },
    ],
  },
};

const JOIN: JoinOptions = { namespace: "default", service: "a", version: "", protocol: "http", servicePort: null };

const HTTP = { port: 80, protocol: "http" } as const;

test("syncResources() applies what is wanted and removes what an earlier weft.yaml put there, but nothing made by hand", async () => {
  const { api, names } = createApi(createService("old", HTTP), toServiceAccount("old"), BY_HAND);
  await syncResources(api, [createService("new", HTTP), toServiceAccount("new")]);
  assert.deepEqual(names(), ["Service by-hand", "Service new", "ServiceAccount new"]);
});

test("syncResources() rejects when something cannot be applied", async () => {
  const { api } = createApi();
  const broken: Api = { ...api, apply: () => Promise.reject(new WeftError("WEFT_API_INVALID", "no")) };
  await assert.rejects(syncResources(broken, [createService("new", HTTP)]), { code: "WEFT_API_INVALID" });
});

test("removeOldEndpoints() removes the endpoints of an earlier run, not those of others", async () => {
  const slice = (name: string, metadata: Resource["metadata"]): Resource => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, name },
  });
  const { api, names } = createApi(
    slice("ours", createMeta("ours")),
    slice("theirs", { name: "theirs", namespace: "default" }),
  );
  await removeOldEndpoints(api);
  assert.deepEqual(names(), ["EndpointSlice theirs"]);
});

test("ensureServices() makes the Service and the version's own, and leaves those alone that are there", async () => {
  const { api, names } = createApi();
  await ensureServiceAccount(api, JOIN);
  await ensureServices(api, { ...JOIN, version: "v2", servicePort: 8000 });
  await ensureServices(api, { ...JOIN, version: "v3" });
  await ensureServiceAccount(api, JOIN);
  assert.deepEqual(names(), ["Service a", "Service a-v2", "Service a-v3", "ServiceAccount a"]);
  const service = await api.get({ group: "", kind: "Service", namespace: "default", name: "a" });
  assert.deepEqual(service, createService("a", { ...HTTP, port: 8000 }));
});

test("findServicePort() takes name and protocol from the Service that is there", async () => {
  const { api } = createApi(BY_HAND);
  const join = { ...JOIN, service: "by-hand" };
  assert.deepEqual(await findServicePort(api, join), { name: "web", protocol: "tcp" });
  assert.deepEqual(await findServicePort(api, { ...join, servicePort: 9090 }), { name: "admin", protocol: "detect" });
  assert.equal(await findServicePort(api, JOIN), null);
  await assert.rejects(findServicePort(api, { ...join, servicePort: 1 }), {
    code: "WEFT_RUN_PORT",
    message: 'Cannot join the Service "by-hand": found ports 8080, 9090; expected 1',
  });
});

test("waitUntilSynced() waits for all proxies to have all, twice in a row, and not for ever", async () => {
  const clock = new FakeClock();
  let states: readonly ProxyStatus["state"][] = [];
  let looks = 0;
  let done = false;
  void waitUntilSynced({
    clock,
    expected: 2,
    isStopping: () => false,
    proxies: async () => {
      looks += 1;
      return states.map((state) => ({ state, connected: true }) as ProxyStatus);
    },
  }).then(() => (done = true));
  await clock.elapse(200);
  states = ["SYNCED"];
  await clock.elapse(200);
  states = ["SYNCED", "STALE"];
  await clock.elapse(200);
  assert.equal(done, false);
  states = ["SYNCED", "SYNCED"];
  const before = looks;
  await clock.elapse(200);
  assert.equal(done, true);
  assert.equal(looks, before + 2);

  let isOver = false;
  void waitUntilSynced({
    clock,
    expected: 1,
    isStopping: () => false,
    proxies: () => Promise.reject(new Error("away")),
  }).then(() => (isOver = true));
  await clock.elapse(11_000);
  assert.equal(isOver, true);
});

test("ensureServices() makes both in the namespace that was asked for", async () => {
  const { api } = createApi();
  const options = { ...JOIN, namespace: "team-b" };
  await ensureServiceAccount(api, options);
  await ensureServices(api, options);
  const service = await api.get({ group: "", kind: "Service", namespace: "team-b", name: "a" });
  assert.deepEqual(service, createService("a", { ...HTTP, namespace: "team-b" }));
  const account = await api.get({ group: "", kind: "ServiceAccount", namespace: "team-b", name: "a" });
  assert.deepEqual(account, toServiceAccount("a", "team-b"));
});
