import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import type { Resource } from "../resources/resource.ts";
import { FakeClock } from "../testing/fake-clock.ts";
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
  readonly object?: {
    readonly metadata: {
      readonly name?: string;
      readonly resourceVersion?: string;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly code?: number;
  };
  readonly code?: number;
}): string {
  if (event.type === undefined) return `Status ${event.code ?? ""}`;
  if (event.type === "ERROR") return `ERROR ${event.object?.code ?? ""}`;
  if (event.type === "BOOKMARK") {
    const { resourceVersion = "", annotations } = event.object?.metadata ?? {};
    return `BOOKMARK ${resourceVersion}${annotations?.["k8s.io/initial-events-end"] === "true" ? " initial-events-end" : ""}`;
  }
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
  for (const query of [
    "&sendInitialEvents=true",
    "&sendInitialEvents=true&resourceVersionMatch=Exact",
    "&resourceVersionMatch=NotOlderThan",
    "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=99",
    "&resourceVersion=abc",
    "&timeoutSeconds=-1",
    "&labelSelector=%28",
  ])
    codes.push((await watch(query)).statusCode);
  assert.deepEqual(codes, [422, 422, 422, 504, 400, 400, 400]);
});

const STREAMED = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

test("watch with sendInitialEvents begins with what exists, then a bookmark that says so", async () => {
  await put("web");
  await put("reviews");
  const events = await watch(STREAMED);
  assert.deepEqual([await events.next(), await events.next()], ["ADDED reviews", "ADDED web"]);
  assert.match(await events.next(), /^BOOKMARK \d+ initial-events-end$/);
  await put("db");
  assert.equal(await events.next(), "ADDED db");
});

test("watch with sendInitialEvents=false begins with what comes", async () => {
  await put("web");
  const events = await watch("&sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
  await put("db");
  assert.equal(await events.next(), "ADDED db");
});

test("watch with bookmarks tells every minute, and at its end, how far it is, also by events of other kinds", async () => {
  const clock = new FakeClock();
  await api.close();
  api = await startTestApi({ clock });
  const events = await watch(`${STREAMED}&timeoutSeconds=90`);
  assert.match(await events.next(), /^BOOKMARK \d+ initial-events-end$/);
  const other = await api.store.put({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "other-kind", namespace: "default" },
  });
  await clock.runUntilIdle();
  clock.advance(60_000);
  assert.equal(await events.next(), `BOOKMARK ${other.metadata.resourceVersion ?? ""}`);
  clock.advance(30_000);
  assert.equal(await events.next(), `BOOKMARK ${other.metadata.resourceVersion ?? ""}`);
  assert.equal(await events.next(), "end");
});

test("watch without bookmarks gets none", async () => {
  await put("web");
  const events = await watch(STREAMED.replace("&allowWatchBookmarks=true", ""));
  assert.equal(await events.next(), "ADDED web");
  await put("db");
  assert.equal(await events.next(), "ADDED db");
});

test("watch with a selector from a version says nothing of what never fitted", async () => {
  const first = await put("web", { tier: "front" });
  await put("db", { tier: "back" });
  const from = await put("cache", { tier: "back" });
  const events = await watch(`&labelSelector=tier%3Dfront&resourceVersion=${from.metadata.resourceVersion ?? ""}`);
  await put("db", { tier: "back", touched: "yes" });
  await put("web", { tier: "none" });
  assert.equal(await events.next(), "DELETED web");
  assert.ok(first.metadata.uid !== undefined);
});
