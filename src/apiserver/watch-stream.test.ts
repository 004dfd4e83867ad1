import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import type { Resource } from "../resources/resource.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

const HISTORY_LIMIT = 5;
const PATH = "/api/v1/namespaces/shop/services";

let api: TestApi;
let open: ClientRequest[];

beforeEach(async () => {
  open = [];
  api = await startTestApi({ historyLimit: HISTORY_LIMIT });
});

afterEach(async () => {
  for (const outgoing of open) outgoing.destroy();
  await api.close();
});

interface Watch {
  readonly statusCode: number;
  /** The next event as "TYPE name", or the Status of an ERROR; "end" when the server ended the stream. */
  next(): Promise<string>;
  readonly incoming: IncomingMessage;
}

async function watch(query: string, path = PATH): Promise<Watch> {
  const outgoing = request({
    agent: false,
    host: "127.0.0.1",
    port: api.port,
    path: `${path}?watch=1${query}`,
    headers: { authorization: `Bearer ${api.token}` },
  });
  open.push(outgoing);
  outgoing.on("error", () => undefined);
  outgoing.end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  incoming.on("error", () => undefined);
  const lines = createInterface({ input: incoming })[Symbol.asyncIterator]();
  return {
    statusCode: incoming.statusCode ?? 0,
    incoming,
    async next() {
      const { value, done } = (await lines.next()) as { readonly value: string; readonly done?: boolean };
      return done === true ? "end" : describeEvent(JSON.parse(value));
    },
  };
}

function describeEvent(event: {
  readonly type?: string;
  readonly object?: { readonly metadata: { readonly name: string }; readonly code?: number };
  readonly code?: number;
}): string {
  if (event.type === undefined) return `Status ${event.code ?? ""}`;
  if (event.type === "ERROR") return `ERROR ${event.object?.code ?? ""}`;
  return `${event.type} ${event.object?.metadata.name ?? ""}`;
}

function put(name: string, labels: Readonly<Record<string, string>> = {}, namespace = "shop"): Promise<Resource> {
  return api.store.put({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels },
    spec: { ports: [{ name: "", port: 80, targetPort: 80, protocol: "TCP" }], selector: {}, type: "ClusterIP" },
  });
}

function remove(name: string): Promise<Resource | null> {
  return api.store.delete({ group: "", kind: "Service", namespace: "shop", name });
}

test("watch without a version begins with what exists and goes on with what changes", async () => {
  await put("web");
  const events = await watch("");
  assert.equal(events.statusCode, 200);
  assert.equal(events.incoming.headers["content-type"], "application/json");
  assert.equal(await events.next(), "ADDED web");
  await put("web", { a: "1" });
  await put("elsewhere", {}, "default");
  await api.store.put({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "other-kind", namespace: "shop" },
  });
  await put("reviews");
  await remove("web");
  assert.deepEqual(
    [await events.next(), await events.next(), await events.next()],
    ["MODIFIED web", "ADDED reviews", "DELETED web"],
  );
});

test("watch resumes after a version and misses nothing", async () => {
  const first = await put("web");
  await put("reviews");
  await remove("web");
  const events = await watch(`&resourceVersion=${first.metadata.resourceVersion ?? ""}`);
  assert.deepEqual([await events.next(), await events.next()], ["ADDED reviews", "DELETED web"]);
});

test("watch from a version that the store no longer remembers is 410 with the reason Expired", async () => {
  for (let i = 0; i < HISTORY_LIMIT + 3; i += 1) await put(`service-${i}`);
  const events = await watch("&resourceVersion=1");
  assert.equal(events.statusCode, 410);
  assert.equal(await events.next(), "Status 410");
});

test("watch from a version of the future is 410, so that a client of another store lists again", async () => {
  const events = await watch("&resourceVersion=12345");
  assert.equal(events.statusCode, 410);
});

test("watch across namespaces sees all of them", async () => {
  const events = await watch("", "/api/v1/services");
  await put("web");
  await put("web", {}, "default");
  assert.deepEqual([await events.next(), await events.next()], ["ADDED web", "ADDED web"]);
});

test("watch with a selector says DELETED when a resource stops fitting and ADDED when it begins to", async () => {
  await put("web", { tier: "front" });
  await put("db", { tier: "back" });
  const events = await watch("&labelSelector=tier%3Dfront");
  assert.equal(await events.next(), "ADDED web");
  await put("db", { tier: "back", touched: "yes" });
  await put("web", { tier: "none" });
  await put("web", { tier: "none", touched: "yes" });
  await put("db", { tier: "front" });
  await remove("web");
  await remove("db");
  assert.deepEqual(
    [await events.next(), await events.next(), await events.next()],
    ["DELETED web", "ADDED db", "DELETED db"],
  );
});

test("watch of one name by fieldSelector", async () => {
  const events = await watch("&fieldSelector=metadata.name%3Dweb");
  await put("reviews");
  await put("web");
  assert.equal(await events.next(), "ADDED web");
});

test("watch ends when the server closes", async () => {
  const events = await watch("");
  const ended = events.next();
  await api.close();
  assert.equal(await ended, "end");
});

test("watch ends after timeoutSeconds", async () => {
  const events = await watch("&timeoutSeconds=1");
  assert.equal(await events.next(), "end");
});

test("watch refuses what it does not do", async () => {
  const codes = [];
  for (const query of ["&sendInitialEvents=true", "&resourceVersion=abc", "&timeoutSeconds=-1", "&labelSelector=%28"])
    codes.push((await watch(query)).statusCode);
  assert.deepEqual(codes, [422, 400, 400, 400]);
});
