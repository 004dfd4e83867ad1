// 10,000 broken documents over real HTTP: the server answers each, and what it did not accept changed nothing.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request as openRequest } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startTestApi, type TestApi } from "../../src/apiserver/start-test-api.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { findKind } from "../../src/resources/registry.ts";
import { validateResource } from "../../src/resources/validate.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { openLmdbStore } from "../../src/store/lmdb.ts";
import type { Store } from "../../src/store/store.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { findCorpus } from "./find-corpus.ts";
import { type Mutant, mutateDocument } from "./mutate-document.ts";
import { readWrongResources } from "./wrong-resources.ts";

interface Reply {
  readonly status: number;
  readonly body: string;
}

const LIMIT_MS = 10_000;
const TOKEN = "token-of-the-test-mesh";
const bases = readWrongResources(findCorpus(dirname(fileURLToPath(import.meta.url)))).map(({ base }) => base);

describe("10,000 mutated documents", () => {
  test("never crash a server on a memory store, and never half-apply", () => {
    return attack(() => createMemoryStore({ clock: systemClock, random: createSeededRandom(1) }), 8_000, 1);
  });

  test("never crash a server on LMDB, and never half-apply", async () => {
    const folder = mkdtempSync(join(tmpdir(), "weft-mutants-"));
    try {
      await attack(
        () => openLmdbStore({ path: join(folder, "store"), clock: systemClock, random: createSeededRandom(1) }),
        2_000,
        2,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

async function attack(openStore: () => Store | Promise<Store>, count: number, seed: number): Promise<void> {
  const store = await openStore();
  const api = await startTestApi({ store });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const random = createSeededRandom(seed);
  const statuses = new Map<number, number>();
  try {
    for (let done = 0; done < count; done += 1) {
      const base = bases[random.below(bases.length)] ?? assert.fail("there are bases");
      const path = pathOf(base);
      const mutant = mutateDocument(base, random);
      // What an earlier one deleted is there again, or all would end as 404.
      if ((await send(api, agent, READ, path.object)).status === 404)
        await send(api, agent, creationOf(base), path.collection);
      const target = `${mutant.toObject ? path.object : path.collection}${mutant.query}`;
      const before = await picture(store);
      const reply = await send(api, agent, mutant, target);
      const what = `${seed}/${done}: ${mutant.method} ${target} ${mutant.contentType} ${mutant.body.slice(0, 300)}`;
      statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
      assert.ok(reply.status >= 200 && reply.status < 500, `${what}: ${reply.status} ${reply.body}`);
      if (reply.status >= 400 || mutant.query === "?dryRun=All")
        assert.deepEqual(await picture(store), before, `${what}: nothing is written`);
      else await isStored(reply, { api, agent, what });
    }
    for (const resource of (await store.listAll()).items) {
      const { problems } = validateResource(resource, { file: "store" });
      assert.deepEqual(problems, [], JSON.stringify(resource));
    }
    const healthy = await send(api, agent, HEALTHY, "/api/v1/namespaces/default/services");
    assert.equal(healthy.status, 201, healthy.body);
    // A run in which all is refused at the door would prove little.
    const accepted = [...statuses].filter(([status]) => status < 300).reduce((sum, [, found]) => sum + found, 0);
    assert.ok(accepted > count / 10, `accepted ${accepted}: ${JSON.stringify([...statuses])}`);
    for (const status of [400, 409, 415, 422]) assert.ok((statuses.get(status) ?? 0) > 0, `some ${status}`);
  } finally {
    agent.destroy();
    await api.close();
  }
}

/** All that is stored, but what the server itself works on meanwhile: namespaces, and objects that are being deleted. */
async function picture(store: Store): Promise<readonly string[]> {
  const { items } = await store.listAll();
  return items
    .filter(({ kind, metadata }) => kind !== "Namespace" && metadata.deletionTimestamp === undefined)
    .map((resource) => JSON.stringify(resource))
    .toSorted();
}

const HEALTHY: Mutant = {
  method: "POST",
  toObject: false,
  query: "",
  contentType: "application/json",
  body: JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "after-all" },
    spec: { ports: [{ port: 80 }] },
  }),
};

interface Sender {
  readonly api: TestApi;
  readonly agent: Agent;
  readonly what: string;
}

/** What is said to be accepted is a whole object, and it is what is stored; or the Status of a deletion. */
async function isStored({ body }: Reply, { api, agent, what }: Sender): Promise<void> {
  const answer = JSON.parse(body) as Resource;
  if (answer.kind === "Status") {
    assert.equal(answer.status, "Success", what);
    return;
  }
  assert.deepEqual(validateResource(answer, { file: "answer" }).problems, [], what);
  if (answer.metadata.deletionTimestamp !== undefined) return;
  const { collection } = pathOf(answer);
  const stored = await send(api, agent, READ, `${collection}/${encodeURIComponent(answer.metadata.name)}`);
  assert.deepEqual(JSON.parse(stored.body), answer, `${what}: what is stored is what was answered`);
}

const READ: Mutant = { method: "GET", toObject: true, query: "", contentType: "", body: "" };

function creationOf(base: object): Mutant {
  return { method: "POST", toObject: false, query: "", contentType: "application/json", body: JSON.stringify(base) };
}

function pathOf(base: object): { readonly collection: string; readonly object: string } {
  const { apiVersion, kind, metadata } = base as { apiVersion: string; kind: string; metadata: { name: string } };
  const definition = findKind(apiVersion, kind) ?? assert.fail(`${kind} is served`);
  const root = definition.group === "" ? "/api/v1" : `/apis/${apiVersion}`;
  const collection = `${root}${definition.namespaced ? "/namespaces/default" : ""}/${definition.plural}`;
  return { collection, object: `${collection}/${metadata.name}` };
}

function send(api: TestApi, agent: Agent, { method, contentType, body }: Mutant, path: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      "content-length": Buffer.byteLength(body),
      ...(contentType === "" ? {} : { "content-type": contentType }),
    };
    const outgoing = openRequest(
      { host: "127.0.0.1", port: api.port, method, path, headers, agent, timeout: LIMIT_MS },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        incoming.on("error", reject);
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body: text }));
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer to ${method} ${path} ${body.slice(0, 300)}`)));
    outgoing.on("error", (error) => reject(new Error(`${method} ${path} ${body.slice(0, 300)}`, { cause: error })));
    outgoing.end(body);
  });
}
