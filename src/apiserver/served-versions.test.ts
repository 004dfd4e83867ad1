import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { formatApiVersion, KINDS, type KindDefinition, SERVED_KINDS } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { type Answer, sendToApi } from "./send-to-api.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

let api: TestApi;
before(async () => {
  api = await startTestApi();
});
after(() => api.close());

type Json = Readonly<Record<string, unknown>>;
type Written = { readonly metadata: Readonly<Record<string, unknown>> } & Json;

const ACCOUNT = { kind: "ServiceAccount", name: "x", namespace: "shop" };
const RULE = { kind: "TCPRoute", name: "r", matches: [] };
const MATCH = { name: "get", pathRegex: "/a", methods: ["GET"] };
const BACKENDS = [{ service: "b", weight: 1 }];

/** Content that every version can say, by kind and version. */
const CONTENT: Readonly<Record<string, Json>> = {
  "HTTPRouteGroup v1alpha1": { matches: [MATCH] },
  "HTTPRouteGroup v1alpha2": { matches: [{ ...MATCH, headers: {} }] },
  "HTTPRouteGroup v1alpha3": { spec: { matches: [{ ...MATCH, headers: {} }] } },
  "HTTPRouteGroup v1alpha4": { spec: { matches: [{ ...MATCH, headers: {} }] } },
  "TCPRoute v1alpha1": {},
  "TCPRoute v1alpha2": {},
  "TCPRoute v1alpha3": { spec: {} },
  "TCPRoute v1alpha4": { spec: { matches: { ports: [] } } },
  "TrafficSplit v1alpha1": { spec: { service: "a", backends: BACKENDS } },
  "TrafficSplit v1alpha2": { spec: { service: "a", backends: BACKENDS } },
  "TrafficSplit v1alpha3": { spec: { service: "a", backends: BACKENDS, matches: [] } },
  "TrafficSplit v1alpha4": { spec: { service: "a", backends: BACKENDS, matches: [] } },
  "TrafficTarget v1alpha1": { destination: ACCOUNT, specs: [RULE], sources: [ACCOUNT] },
  "TrafficTarget v1alpha2": { spec: { destination: ACCOUNT, rules: [RULE], sources: [ACCOUNT] } },
  "TrafficTarget v1alpha3": { spec: { destination: ACCOUNT, rules: [RULE], sources: [ACCOUNT] } },
  "TrafficTarget v1alpha4": { spec: { destination: ACCOUNT, rules: [RULE], sources: [ACCOUNT] } },
};

function versionsOf(kind: string): readonly KindDefinition[] {
  return SERVED_KINDS.filter((definition) => definition.kind === kind);
}

function pathOf({ group, version, plural }: KindDefinition, name = ""): string {
  return `/apis/${group}/${version}/namespaces/shop/${plural}${name === "" ? "" : `/${name}`}`;
}

function objectOf({ group, version, kind }: KindDefinition, name: string, content?: Json): Json {
  const apiVersion = formatApiVersion(group, version);
  // Some kinds say nothing in old versions: with an annotation there is a field to be set.
  const metadata = { name, namespace: "shop", annotations: { note: "made" } };
  return { apiVersion, kind, metadata, ...(content ?? CONTENT[`${kind} ${version}`]) };
}

/** Without what the server adds. */
function contentOf(body: Json): Json {
  const { metadata: _metadata, ...rest } = body;
  return rest;
}

async function send(method: string, path: string, body?: Json, type?: string): Promise<Answer> {
  return sendToApi(api, method, path, {
    ...(body === undefined ? {} : { body }),
    ...(type === undefined ? {} : { headers: { "content-type": type } }),
  });
}

function withoutMetadata(definition: KindDefinition): Json {
  return contentOf(objectOf(definition, "any"));
}

for (const kind of KINDS.filter(({ olderVersions }) => olderVersions !== undefined)) {
  describe(`${kind.kind} over the API`, () => {
    for (const written of versionsOf(kind.kind)) {
      test(`C created in ${written.version}, it is read, listed, replaced and deleted in every version`, async () => {
        const name = `made-in-${written.version}`;
        const made = await send("POST", pathOf(written), objectOf(written, name));
        assert.equal(made.statusCode, 201, JSON.stringify(made.body));
        assert.deepEqual(contentOf(made.body), withoutMetadata(written));
        for (const version of versionsOf(kind.kind)) {
          const found = await send("GET", pathOf(version, name));
          assert.deepEqual(contentOf(found.body), withoutMetadata(version));
          const list = (await send("GET", pathOf(version))).body as { readonly items: readonly Json[] } & Json;
          assert.deepEqual(
            [list["kind"], list["apiVersion"]],
            [`${kind.kind}List`, `${kind.group}/${version.version}`],
          );
          assert.deepEqual(list.items.map(contentOf), [withoutMetadata(version)]);
          const labels = { written: version.version };
          const { metadata } = found.body as Written;
          const put = await send("PUT", pathOf(version, name), { ...found.body, metadata: { ...metadata, labels } });
          assert.equal(put.statusCode, 200, JSON.stringify(put.body));
          const managers = (put.body as Written).metadata["managedFields"] as readonly Json[];
          assert.ok(managers.some((entry) => entry["apiVersion"] === `${kind.group}/${version.version}`));
          assert.ok(managers.some((entry) => entry["apiVersion"] === `${kind.group}/${written.version}`));
          const patch = { metadata: { annotations: { seen: version.version } } };
          const patched = await send("PATCH", pathOf(version, name), patch, "application/merge-patch+json");
          assert.deepEqual(contentOf(patched.body), withoutMetadata(version));
        }
        const stored = await api.store.get({ group: kind.group, kind: kind.kind, namespace: "shop", name });
        assert.equal(stored?.apiVersion, `${kind.group}/${kind.version}`, "stored once, in the newest version");
        const [last] = versionsOf(kind.kind).slice(-1);
        assert.ok(last !== undefined);
        assert.equal((await send("DELETE", pathOf(last, name))).statusCode, 200);
        assert.equal((await send("GET", pathOf(written, name))).statusCode, 404);
      });
    }

    test("C applied in every version by one manager, it is one object with one applier", async () => {
      for (const version of versionsOf(kind.kind)) {
        const path = `${pathOf(version, "applied")}?fieldManager=me`;
        const answer = await send("PATCH", path, objectOf(version, "applied"), "application/apply-patch+yaml");
        assert.ok(answer.statusCode < 300, JSON.stringify(answer.body));
        const managers = (answer.body as Written).metadata["managedFields"] as readonly Json[];
        assert.deepEqual(
          managers.map((entry) => [entry["manager"], entry["apiVersion"]]),
          [["me", `${kind.group}/${version.version}`]],
        );
      }
    });

    test("C a body of another version than the path's is refused", async () => {
      const [newest, older] = versionsOf(kind.kind);
      assert.ok(newest !== undefined && older !== undefined);
      const answer = await send("POST", pathOf(newest), objectOf(older, "other"));
      assert.deepEqual(
        [answer.statusCode, answer.body["message"]],
        [
          400,
          `Cannot take the body: found ${kind.group}/${older.version} ${kind.kind}; expected ${kind.group}/${newest.version} ${kind.kind}, as in the path`,
        ],
      );
    });
  });
}

describe("an object that a version cannot say", () => {
  const kindIn = (version: string): KindDefinition => {
    const found = versionsOf("TCPRoute").find((definition) => definition.version === version);
    assert.ok(found !== undefined);
    return found;
  };

  test("C is refused there by every verb, with its name and what would be lost; others are not touched", async () => {
    const [newest, older] = [kindIn("v1alpha4"), kindIn("v1alpha2")];
    await send("DELETE", pathOf(newest));
    const limited = objectOf(newest, "limited", { spec: { matches: { ports: [5432] } } });
    await send("POST", pathOf(newest), limited);
    await send("POST", pathOf(older), objectOf(older, "open"));
    const version = (await api.store.listAll()).resourceVersion;
    const says =
      'Cannot show TCPRoute in specs.smi-spec.io/v1alpha2: "shop/limited" would lose its ports (5432): without them it would mean every port; expected specs.smi-spec.io/v1alpha4, which says all of it';
    const merge = "application/merge-patch+json";
    for (const [method, path, body, type] of [
      ["GET", pathOf(older, "limited")],
      ["GET", pathOf(older)],
      ["PUT", pathOf(older, "limited"), objectOf(older, "limited")],
      ["PATCH", pathOf(older, "limited"), { metadata: { labels: { a: "b" } } }, merge],
      [
        "PATCH",
        `${pathOf(older, "limited")}?fieldManager=me`,
        objectOf(older, "limited"),
        "application/apply-patch+yaml",
      ],
      ["DELETE", pathOf(older, "limited")],
      ["DELETE", pathOf(older)],
    ] as const) {
      const answer = await send(method, path, body, type);
      assert.deepEqual(
        [answer.statusCode, answer.body["reason"], answer.body["message"]],
        [406, "NotAcceptable", says],
        `${method} ${path}`,
      );
    }
    assert.equal((await api.store.listAll()).resourceVersion, version, "nothing was written");
    assert.equal((await send("GET", pathOf(older, "open"))).statusCode, 200);
    assert.equal((await send("GET", pathOf(newest))).statusCode, 200);
    const table = await sendToApi(api, "GET", pathOf(older), {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    const { rows } = table.body as unknown as { readonly rows: readonly { readonly cells: readonly unknown[] }[] };
    assert.deepEqual(
      rows.map(({ cells }) => cells.slice(0, 2)),
      [
        ["limited", "5432"],
        ["open", "every port"],
      ],
    );
  });

  test("C ends a watch of that version with an ERROR", async () => {
    const [newest, older] = [kindIn("v1alpha4"), kindIn("v1alpha1")];
    await send("DELETE", pathOf(newest));
    const from = (await api.store.listAll()).resourceVersion;
    await send("POST", pathOf(older), objectOf(older, "first"));
    await send("POST", pathOf(newest), objectOf(newest, "second", { spec: { matches: { ports: [1] } } }));
    const watch = `${pathOf(older)}?watch=1&resourceVersion=${from}&timeoutSeconds=60`;
    const answer = await fetch(`http://127.0.0.1:${api.port}${watch}`, {
      headers: { authorization: `Bearer ${api.token}` },
    });
    const events = (await answer.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; object: Resource });
    assert.deepEqual(
      events.map(({ type, object }) => [type, object.apiVersion, object.kind]),
      [
        ["ADDED", "specs.smi-spec.io/v1alpha1", "TCPRoute"],
        ["ERROR", "v1", "Status"],
      ],
    );
  });
});

test("C what was stored when another version was the newest is read in every version", async () => {
  const [newest] = versionsOf("TrafficTarget");
  assert.ok(newest !== undefined);
  const { spec } = CONTENT["TrafficTarget v1alpha4"] as { readonly spec: unknown };
  const metadata = { name: "stored-long-ago", namespace: "shop" };
  await api.store.put({ apiVersion: "access.smi-spec.io/v1alpha3", kind: "TrafficTarget", metadata, spec });
  for (const version of versionsOf("TrafficTarget")) {
    const found = await send("GET", pathOf(version, "stored-long-ago"));
    assert.deepEqual(contentOf(found.body), withoutMetadata(version));
  }
  const { body } = await send("GET", pathOf(newest, "stored-long-ago"));
  assert.equal((await send("PUT", pathOf(newest, "stored-long-ago"), body)).statusCode, 200);
});
