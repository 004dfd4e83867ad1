import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { SERVED_KINDS } from "../resources/registry.ts";
import { METRICS_API_VERSION, METRICS_KINDS } from "./metrics/metrics-kinds.ts";
import { type Answer, type Call, sendToApi } from "./send-to-api.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

let api: TestApi;

before(async () => {
  api = await startTestApi();
  const body = { apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec: { ports: [{ port: 80 }] } };
  assert.equal((await send("POST", SERVICES, { body })).statusCode, 201);
});

after(() => api.close());

const SERVICES = "/api/v1/namespaces/shop/services";
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const OLD_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

function send(method: string, path: string, call: Call = {}): Promise<Answer> {
  return sendToApi(api, method, path, call);
}

function get(path: string, accept: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return send("GET", path, { headers: { accept, ...headers } });
}

interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly verbs: readonly string[];
    readonly categories?: readonly string[];
  }[];
}

interface GroupDiscovery {
  readonly apiVersion: string;
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly versions: readonly {
      readonly version: string;
      readonly resources: readonly {
        readonly resource: string;
        readonly responseKind: { readonly kind: string };
        readonly scope: string;
        readonly subresources?: readonly { readonly subresource: string }[];
      }[];
    }[];
  }[];
}

describe("API discovery", () => {
  test("names what can be done with a kind, its status and its categories", async () => {
    const { resources } = (await get("/api/v1", "application/json")).body as unknown as ResourceList;
    const services = resources.find(({ name }) => name === "services");
    assert.deepEqual(services?.verbs, [
      ...["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    ]);
    assert.deepEqual(services?.categories, ["all"]);
    assert.deepEqual(resources.find(({ name }) => name === "services/status")?.verbs, ["get", "patch", "update"]);
  });

  test("in one answer has every kind, and says by its type that it is that", async () => {
    const accept = `${AGGREGATED},${OLD_AGGREGATED},application/json`;
    const answers = await Promise.all(["/api", "/apis"].map((path) => get(path, accept)));
    const found = answers.flatMap((answer) => {
      assert.equal(
        answer.headers["content-type"],
        "application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2",
      );
      const { apiVersion, items } = JSON.parse(answer.text) as GroupDiscovery;
      assert.equal(apiVersion, "apidiscovery.k8s.io/v2");
      return items.flatMap(({ metadata, versions }) =>
        versions.flatMap(({ version, resources }) =>
          resources.map(
            (each) =>
              `${metadata.name}/${version} ${each.responseKind.kind} ${each.resource} ${each.scope} ${each.subresources?.length ?? 0}`,
          ),
        ),
      );
    });
    const expected = SERVED_KINDS.map(
      ({ group, version, kind, plural, namespaced, hasStatus }) =>
        `${group}/${version} ${kind} ${plural} ${namespaced ? "Namespaced" : "Cluster"} ${hasStatus ? 1 : 0}`,
    );
    const measured = METRICS_KINDS.map(
      ({ plural, namespaced }) =>
        `${METRICS_API_VERSION} TrafficMetrics ${plural} ${namespaced ? "Namespaced" : "Cluster"} 1`,
    );
    assert.deepEqual(found.sort(), [...expected, ...measured].sort());
  });

  test("in one answer has the older version for who knows no other, and plain lists for who knows none", async () => {
    const older = await get("/apis", `${OLD_AGGREGATED},application/json`);
    assert.equal((JSON.parse(older.text) as GroupDiscovery).apiVersion, "apidiscovery.k8s.io/v2beta1");
    assert.equal((await get("/apis", "application/json, */*")).body["kind"], "APIGroupList");
    assert.equal((parse((await get("/apis", "application/yaml")).text) as { kind: string }).kind, "APIGroupList");
  });

  test("is not sent again to one who has it", async () => {
    for (const path of ["/api", "/apis", "/api/v1", "/version", "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v2"]) {
      const { etag } = (await get(path, "application/json")).headers;
      assert.match(String(etag), /^"[0-9A-F]{64}"$/, path);
      const again = await get(path, "application/json", { "if-none-match": `"other", W/${String(etag)}` });
      assert.deepEqual([again.statusCode, again.text], [304, ""], path);
    }
  });
});

describe("API OpenAPI", () => {
  test("version 3 says where each part is, and that part may be kept for good", async () => {
    const { paths } = (await get("/openapi/v3", "application/json")).body as {
      readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>;
    };
    assert.ok("api/v1" in paths && "apis/weft.dev/v1alpha1" in paths);
    for (const { serverRelativeURL } of Object.values(paths)) {
      const part = await get(serverRelativeURL, "application/json");
      assert.equal(part.body["openapi"], "3.0.0");
      assert.match(String(part.headers["cache-control"]), /immutable/);
    }
    assert.equal(
      (await get("/openapi/v3/api/v1?hash=old", "application/json")).headers["cache-control"],
      "no-cache, private",
    );
  });

  test("version 2 is protobuf for kubectl, by both names of that", async () => {
    const type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    for (const accept of [type, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"]) {
      const answer = await get("/openapi/v2", accept);
      assert.deepEqual([answer.statusCode, answer.headers["content-type"]], [200, type]);
    }
    assert.equal((await get("/openapi/v2", "*/*")).body["swagger"], "2.0");
  });

  test("is compressed for who asks", async () => {
    const plain = await read("/openapi/v2", {});
    const compressed = await read("/openapi/v2", { "accept-encoding": "gzip" });
    assert.equal(compressed.encoding, "gzip");
    assert.ok(compressed.bytes.length * 4 < plain.bytes.length);
    assert.deepEqual(gunzipSync(compressed.bytes), plain.bytes);
    assert.equal((await read("/version", { "accept-encoding": "gzip" })).encoding, undefined);
  });
});

describe("API answers", () => {
  test("come as YAML, also errors", async () => {
    const found = await get(`${SERVICES}/web`, "application/yaml");
    assert.equal(found.headers["content-type"], "application/yaml");
    assert.equal((parse(found.text) as { metadata: { name: string } }).metadata.name, "web");
    const missing = await get(`${SERVICES}/none`, "application/yaml");
    assert.equal((parse(missing.text) as { reason: string }).reason, "NotFound");
  });

  test("come as tables, of lists and of one", async () => {
    for (const path of [SERVICES, `${SERVICES}/web`]) {
      const { kind, rows } = (await get(path, `${TABLE},application/json`)).body as {
        readonly kind: string;
        readonly rows: readonly { readonly cells: readonly unknown[] }[];
      };
      assert.deepEqual([kind, rows.length, rows[0]?.cells[0]], ["Table", 1, "web"]);
    }
  });

  test("come as metadata only", async () => {
    const as = (kind: string): string => `application/json;as=${kind};g=meta.k8s.io;v=v1`;
    const one = (await get(`${SERVICES}/web`, as("PartialObjectMetadata"))).body;
    assert.deepEqual(
      [one["kind"], Object.keys(one).sort()],
      ["PartialObjectMetadata", ["apiVersion", "kind", "metadata"]],
    );
    const list = (await get(SERVICES, as("PartialObjectMetadataList"))).body;
    assert.deepEqual([list["kind"], (list["items"] as readonly object[]).length], ["PartialObjectMetadataList", 1]);
  });

  test("that cannot be had as asked are refused before anything is done", async () => {
    const headers = { accept: "text/html" };
    const body = { apiVersion: "v1", kind: "Service", metadata: { name: "html" }, spec: { ports: [{ port: 80 }] } };
    const refused = await send("POST", SERVICES, { headers, body });
    assert.deepEqual([refused.statusCode, refused.body["reason"]], [406, "NotAcceptable"]);
    assert.equal((await get(`${SERVICES}/html`, "*/*")).statusCode, 404);
    assert.equal((await get("/version", TABLE)).statusCode, 406);
    assert.equal((await get(`${SERVICES}?watch=1`, "application/yaml")).statusCode, 406);
  });
});

interface Bytes {
  readonly encoding: string | undefined;
  readonly bytes: Buffer;
}

function read(path: string, headers: Readonly<Record<string, string>>): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...{ agent: false, host: "127.0.0.1", port: api.port, path },
      headers: { authorization: `Bearer ${api.token}`, ...headers },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () => {
        resolve({ encoding: incoming.headers["content-encoding"], bytes: Buffer.concat(chunks) });
      });
    });
    outgoing.end();
  });
}
