import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { type Answer, sendToApi } from "./send-to-api.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

const SERVICES = "/api/v1/namespaces/shop/services";

let api: TestApi;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock();
  api = await startTestApi({ clock });
  for (const name of ["a", "b", "c", "d", "e"]) await create(name);
});

afterEach(() => api.close());

interface Page {
  readonly names: readonly string[];
  readonly continue: string;
  readonly remaining: number | undefined;
  readonly version: string;
}

function get(query: string): Promise<Answer> {
  return sendToApi(api, "GET", `${SERVICES}?${query}`);
}

function createService(name: string): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { ports: [{ port: 80 }] } };
}

async function create(name: string): Promise<void> {
  const answer = await sendToApi(api, "POST", SERVICES, { body: createService(name) });
  assert.equal(answer.statusCode, 201, answer.text);
}

async function readPage(query: string): Promise<Page> {
  const { statusCode, body, text } = await get(query);
  assert.equal(statusCode, 200, text);
  const metadata = body["metadata"] as Record<string, unknown>;
  const items = body["items"] as readonly { readonly metadata: { readonly name: string } }[];
  return {
    names: items.map((item) => item.metadata.name),
    continue: String(metadata["continue"] ?? ""),
    remaining: metadata["remainingItemCount"] as number | undefined,
    version: String(metadata["resourceVersion"]),
  };
}

describe("Lists in pages", () => {
  test("show the moment of their first page", async () => {
    const first = await readPage("limit=2");
    assert.deepEqual([first.names, first.remaining], [["a", "b"], 3]);
    await sendToApi(api, "DELETE", `${SERVICES}/d`);
    await create("bb");
    const second = await readPage(`limit=2&continue=${first.continue}`);
    assert.deepEqual([second.names, second.remaining, second.version], [["c", "d"], 1, first.version]);
    const third = await readPage(`limit=2&continue=${second.continue}`);
    assert.deepEqual([third.names, third.remaining, third.continue], [["e"], undefined, ""]);
    assert.deepEqual((await readPage("")).names, ["a", "b", "bb", "c", "e"]);
  });

  test("can be gone on with twice from one token, and end without a limit", async () => {
    const first = await readPage("limit=1");
    for (let i = 0; i < 2; i += 1) {
      assert.deepEqual((await readPage(`continue=${first.continue}`)).names, ["b", "c", "d", "e"]);
    }
  });

  test("say nothing of what remains with a selector, as Kubernetes does", async () => {
    const page = await readPage("limit=2&fieldSelector=metadata.name!%3Da");
    assert.deepEqual([page.names, page.remaining, page.continue !== ""], [["b", "c"], undefined, true]);
  });

  test("are 410 after five minutes, and 400 with a token of another list or of none", async () => {
    const { continue: token } = await readPage("limit=2");
    assert.equal((await get(`continue=${token}&labelSelector=a%3Db`)).statusCode, 400);
    assert.equal((await get("continue=abc")).statusCode, 400);
    clock.advance(5 * 60_000);
    const late = await get(`continue=${token}`);
    assert.deepEqual([late.statusCode, late.body["reason"]], [410, "Expired"]);
  });

  test("keep at most 64 lists: the oldest is 410", async () => {
    const { continue: oldest } = await readPage("limit=1");
    for (let i = 0; i < 64; i += 1) await readPage("limit=1");
    assert.equal((await get(`continue=${oldest}`)).statusCode, 410);
  });
});

describe("Versions of a list", () => {
  test("are met by the newest state, or refused", async () => {
    const { version } = await readPage("");
    const ahead = String(Number(version) + 1);
    const table: readonly (readonly [query: string, statusCode: number])[] = [
      ["resourceVersion=0", 200],
      [`resourceVersion=${version}`, 200],
      ["resourceVersion=1&resourceVersionMatch=NotOlderThan", 200],
      [`resourceVersion=${version}&resourceVersionMatch=Exact`, 200],
      ["resourceVersion=1&resourceVersionMatch=Exact", 410],
      [`resourceVersion=${ahead}`, 504],
      [`resourceVersion=${ahead}&resourceVersionMatch=Exact`, 504],
      ["resourceVersionMatch=Exact", 422],
      ["resourceVersion=0&resourceVersionMatch=Exact", 422],
      ["resourceVersion=1&resourceVersionMatch=Newest", 422],
      ["resourceVersion=abc", 400],
      ["limit=-1", 400],
    ];
    for (const [query, statusCode] of table) assert.equal((await get(query)).statusCode, statusCode, query);
    const tooLarge = await get(`resourceVersion=${ahead}`);
    assert.deepEqual((tooLarge.body["details"] as { readonly causes: unknown }).causes, [
      { reason: "ResourceVersionTooLarge", message: "Too large resource version" },
    ]);
  });

  test("can be asked for exactly while a list of that version is held", async () => {
    const { version } = await readPage("limit=1");
    await create("f");
    const page = await readPage(`resourceVersion=${version}&resourceVersionMatch=Exact`);
    assert.deepEqual([page.names, page.version], [["a", "b", "c", "d", "e"], version]);
  });
});

test("A list chooses by fields of its kind", async () => {
  assert.deepEqual((await readPage("fieldSelector=spec.type%3DClusterIP,metadata.name%3D%3Dc")).names, ["c"]);
  assert.deepEqual((await readPage("fieldSelector=spec.type!%3DClusterIP")).names, []);
  const { body } = await sendToApi(api, "GET", "/api/v1/namespaces?fieldSelector=status.phase%3DActive");
  assert.equal((body["items"] as readonly unknown[]).length, 2);
  assert.equal((await get("fieldSelector=status.phase%3DActive")).statusCode, 400);
});
