import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { KINDS } from "../resources/registry.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | null;
  readonly body?: unknown;
}

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
});

afterEach(() => api.close());

function send(method: string, path: string, call: Call = {}): Promise<Answer> {
  const token = call.token === undefined ? api.token : call.token;
  const payload = call.body === undefined ? undefined : typeof call.body === "string" ? call.body : JSON.stringify(call.body);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        agent: false,
        port: api.port,
        host: "127.0.0.1",
        method,
        path,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(payload)) }),
          ...call.headers,
        },
      },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => {
          text += chunk;
        });
        incoming.on("end", () => {
          const isJson = incoming.headers["content-type"] === "application/json";
          resolve({ statusCode: incoming.statusCode ?? 0, headers: incoming.headers, text, body: isJson ? JSON.parse(text) : {} });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}

const SERVICES = "/api/v1/namespaces/shop/services";
const SPLITS = "/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits";

function service(name: string, labels?: Readonly<Record<string, string>>): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name, ...(labels === undefined ? {} : { labels }) }, spec: { ports: [{ port: 80 }] } };
}

function split(name: string, backends: readonly object[]): object {
  return { apiVersion: "split.smi-spec.io/v1alpha4", kind: "TrafficSplit", metadata: { name }, spec: { service: "reviews", backends } };
}

describe("API server access", () => {
  const paths: readonly (readonly [string, string])[] = [
    ["GET", "/api"],
    ["GET", "/apis"],
    ["GET", "/api/v1"],
    ["GET", "/version"],
    ["GET", "/apis/split.smi-spec.io/v1alpha4"],
    ["GET", "/nothing-here"],
    ["GET", "/healthz/"],
    ["POST", "/weft/v1/workloads"],
    ["GET", "/weft/v1/proxies"],
    ["GET", "/weft/v1/proxies/shop/web-0/config"],
    ["GET", "/weft/v1/stat"],
    ["GET", "/weft/v1/mesh"],
    ...KINDS.flatMap((kind): (readonly [string, string])[] => {
      const prefix = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
      const path = `${prefix}/${kind.namespaced ? "namespaces/shop/" : ""}${kind.plural}`;
      return [["GET", path], ["GET", `${path}?watch=1`], ["POST", path], ["GET", `${path}/x`], ["PUT", `${path}/x`], ["DELETE", `${path}/x`]];
    }),
  ];

  test("every path but the health paths refuses a missing, a wrong and a malformed token", async () => {
    for (const [method, path] of paths) {
      const wrong: readonly Call[] = [
        { token: null },
        { token: "another-token" },
        { token: null, headers: { authorization: `Basic ${api.token}` } },
        { token: null, headers: { authorization: `Bearer ${api.token} x` } },
      ];
      for (const call of wrong) {
        const answer = await send(method, path, call);
        assert.equal(answer.statusCode, 401, `${method} ${path}`);
        assert.equal(answer.body["reason"], "Unauthorized");
        assert.equal(answer.headers["www-authenticate"], "Bearer");
        assert.ok(!answer.text.includes(api.token));
      }
    }
    assert.deepEqual(api.views.joins, []);
  });

  test("the health paths answer without a token", async () => {
    assert.deepEqual([(await send("GET", "/healthz", { token: null })).text, (await send("GET", "/readyz", { token: null })).text], ["ok\n", "ok\n"]);
  });

  test("/readyz says 503 when the store cannot be read", async () => {
    await api.store.close();
    assert.equal((await send("GET", "/readyz", { token: null })).statusCode, 503);
    assert.equal((await send("GET", "/healthz", { token: null })).statusCode, 200);
  });

  test("a Host header with a name other than localhost is refused, so that DNS rebinding does not work", async () => {
    for (const host of ["evil.example", "evil.example:9338", "127.0.0.1.evil.example", "localhost.evil.example"]) {
      const answer = await send("GET", "/healthz", { headers: { host } });
      assert.equal(answer.statusCode, 421, host);
      assert.match(String(answer.body["message"]), /expected localhost or an IP address/);
    }
    for (const host of ["localhost", `LOCALHOST:${api.port}`, `127.0.0.1:${api.port}`, `[::1]:${api.port}`]) {
      assert.equal((await send("GET", "/healthz", { headers: { host } })).statusCode, 200, host);
    }
  });

  test("a body above 3 MiB is refused, declared or not", async () => {
    const padding = "x".repeat(3 * 1024 * 1024 + 1);
    const declared = await send("POST", SERVICES, { body: padding });
    assert.deepEqual([declared.statusCode, declared.body["reason"]], [413, "RequestEntityTooLarge"]);
    const chunked = await sendRaw(
      `POST ${SERVICES} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${api.token}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`,
      `${padding.length.toString(16)}\r\n${padding}\r\n0\r\n\r\n`,
    );
    assert.match(chunked, /^HTTP\/1\.1 413 /);
  });

  test("a body without end is cut off", async () => {
    const head = `POST ${SERVICES} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${api.token}\r\ncontent-length: 1000000000\r\n\r\n`;
    await sendRaw(head, Buffer.alloc(40 * 1024 * 1024));
    assert.equal((await send("GET", "/healthz")).statusCode, 200);
  });

  test("a body that is not JSON, not UTF-8 or of another type is refused", async () => {
    const broken = await send("POST", SERVICES, { body: "{" });
    assert.deepEqual([broken.statusCode, broken.body["reason"]], [400, "BadRequest"]);
    const yaml = await send("POST", SERVICES, { body: "a: 1", headers: { "content-type": "application/yaml" } });
    assert.equal(yaml.statusCode, 415);
    const head = `POST ${SERVICES} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${api.token}\r\nconnection: close\r\ncontent-length: 3\r\n\r\n`;
    assert.match(await sendRaw(head, Buffer.from([0x22, 0xff, 0x22])), /not UTF-8/);
  });

  test("a port in use is said with the address", async () => {
    await assert.rejects(startTestApi({ port: api.port }), {
      code: "WEFT_API_LISTEN",
      message: `Cannot listen on 127.0.0.1:${api.port} for the API: the port is in use; expected a free port`,
    });
  });
});

function sendRaw(head: string, body: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(api.port, "127.0.0.1", () => {
      socket.write(head);
      socket.write(body);
    });
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("close", () => resolve(text));
    socket.on("error", (error) => (text === "" ? reject(error) : resolve(text)));
  });
}

describe("API server resources", () => {
  test("create, get, list, replace and delete work for every kind of the registry", async () => {
    for (const kind of KINDS) {
      const prefix = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
      const path = `${prefix}/${kind.namespaced ? "namespaces/shop/" : ""}${kind.plural}`;
      const example = EXAMPLES[kind.kind];
      const name = kind.kind === "Mesh" ? "mesh" : "sample";
      const created = await send("POST", path, { body: example });
      assert.equal(created.statusCode, 201, `${kind.kind}: ${created.text}`);
      const got = await send("GET", `${path}/${name}`);
      assert.deepEqual(got.body, created.body);
      const listed = await send("GET", path);
      assert.deepEqual([listed.body["kind"], listed.body["items"]], [`${kind.kind}List`, [got.body]]);
      const replaced = await send("PUT", `${path}/${name}`, { body: { ...example, metadata: { name, labels: { changed: "yes" } } } });
      assert.equal(replaced.statusCode, 200, replaced.text);
      assert.deepEqual((replaced.body["metadata"] as Record<string, unknown>)["labels"], { changed: "yes" });
      assert.equal((await send("DELETE", `${path}/${name}`)).statusCode, 200);
      const gone = await send("GET", `${path}/${name}`);
      assert.deepEqual([gone.statusCode, gone.body["reason"]], [404, "NotFound"]);
      assert.deepEqual(gone.body["details"], { name, group: kind.group, kind: kind.plural });
    }
  });

  test("a cluster-scoped object is written without a namespace", async () => {
    const created = await send("POST", "/apis/weft.dev/v1alpha1/meshes", { body: EXAMPLES.Mesh });
    assert.ok(!("namespace" in (created.body["metadata"] as object)));
  });

  test("a list without a namespace holds every namespace, a list with one only its own", async () => {
    await send("POST", SERVICES, { body: service("web") });
    await send("POST", "/api/v1/namespaces/default/services", { body: service("web") });
    const names = (answer: Answer): readonly string[] =>
      (answer.body["items"] as readonly { readonly metadata: { readonly namespace: string } }[]).map((item) => item.metadata.namespace);
    assert.deepEqual(names(await send("GET", "/api/v1/services")), ["default", "shop"]);
    assert.deepEqual(names(await send("GET", SERVICES)), ["shop"]);
  });

  test("labelSelector and fieldSelector choose, and bad ones are refused", async () => {
    await send("POST", SERVICES, { body: service("web", { tier: "front", env: "prod" }) });
    await send("POST", SERVICES, { body: service("db", { tier: "back" }) });
    const select = async (query: string): Promise<unknown> => {
      const { body } = await send("GET", `${SERVICES}?${query}`);
      return (body["items"] as readonly { readonly metadata: { readonly name: string } }[]).map((item) => item.metadata.name);
    };
    assert.deepEqual(await select(`labelSelector=${encodeURIComponent("tier=front")}`), ["web"]);
    assert.deepEqual(await select(`labelSelector=${encodeURIComponent("tier in (front, back),!env")}`), ["db"]);
    assert.deepEqual(await select("fieldSelector=metadata.name%3Ddb"), ["db"]);
    for (const query of ["labelSelector=a%20b", "fieldSelector=spec.type%3Dx"]) {
      const answer = await send("GET", `${SERVICES}?${query}`);
      assert.deepEqual([answer.statusCode, answer.body["reason"]], [400, "BadRequest"], query);
    }
  });

  test("creating what exists is AlreadyExists", async () => {
    await send("POST", SERVICES, { body: service("web") });
    const again = await send("POST", SERVICES, { body: service("web") });
    assert.deepEqual([again.statusCode, again.body["reason"]], [409, "AlreadyExists"]);
    assert.equal(again.body["message"], 'Cannot create Service "web" in namespace "shop": it exists already');
  });

  test("replacing with a stale resourceVersion is Conflict, without one the last writer wins", async () => {
    const created = await send("POST", SERVICES, { body: service("web") });
    const first = created.body as { readonly metadata: Record<string, string> };
    const changed = await send("PUT", `${SERVICES}/web`, { body: { ...first, metadata: { ...first.metadata, labels: { a: "1" } } } });
    assert.equal(changed.statusCode, 200, changed.text);
    const stale = await send("PUT", `${SERVICES}/web`, { body: { ...first, metadata: { ...first.metadata, labels: { a: "2" } } } });
    assert.deepEqual([stale.statusCode, stale.body["reason"]], [409, "Conflict"]);
    assert.match(String(stale.body["message"]), /found resourceVersion "2"; expected the version that was read/);
    assert.equal((await send("PUT", `${SERVICES}/web`, { body: service("web", { a: "3" }) })).statusCode, 200);
    assert.equal((await send("PUT", `${SERVICES}/other`, { body: service("other") })).statusCode, 404);
  });

  test("deleting keeps to its preconditions", async () => {
    await send("POST", SERVICES, { body: service("web") });
    const stale = await send("DELETE", `${SERVICES}/web`, { body: { preconditions: { resourceVersion: "999" } } });
    assert.deepEqual([stale.statusCode, stale.body["reason"]], [409, "Conflict"]);
    const other = await send("DELETE", `${SERVICES}/web`, { body: { preconditions: { uid: "another" } } });
    assert.equal(other.statusCode, 409);
    assert.equal((await send("DELETE", `${SERVICES}/web`, { body: { propagationPolicy: "Background" } })).statusCode, 200);
    assert.equal((await send("DELETE", `${SERVICES}/web`)).statusCode, 404);
  });

  test("a dry run says what would happen and changes nothing", async () => {
    assert.equal((await send("POST", `${SERVICES}?dryRun=All`, { body: service("web") })).statusCode, 201);
    assert.equal((await send("GET", `${SERVICES}/web`)).statusCode, 404);
    assert.equal((await send("POST", `${SERVICES}?dryRun=yes`, { body: service("web") })).statusCode, 400);
  });

  test("an invalid object is refused with one cause for each problem, in the words of apply", async () => {
    const bad = split("reviews", [{ service: "v1", weight: -1 }, { service: "v2", wieght: 1 }]);
    const answer = await send("POST", SPLITS, { body: bad });
    assert.deepEqual([answer.statusCode, answer.body["reason"]], [422, "Invalid"]);
    const details = answer.body["details"] as { readonly name: string; readonly kind: string; readonly causes: readonly object[] };
    assert.deepEqual([details.name, details.kind], ["reviews", "trafficsplits"]);
    const found = details.causes as readonly { readonly field: string; readonly message: string; readonly reason: string }[];
    assert.deepEqual(found.map((cause) => cause.field).toSorted(), ["spec.backends[0].weight", "spec.backends[1]", "spec.backends[1].weight"]);
    const negative = found.find((cause) => cause.field === "spec.backends[0].weight");
    assert.deepEqual(negative, { reason: "FieldValueInvalid", field: "spec.backends[0].weight", message: "found -1; expected a whole number of 0 to 1000000" });
    assert.equal((await send("GET", `${SPLITS}/reviews`)).statusCode, 404);
  });

  test("a body for another kind, namespace or name than its path is refused", async () => {
    const kind = await send("POST", SPLITS, { body: service("web") });
    assert.match(String(kind.body["message"]), /found v1 Service; expected split.smi-spec.io\/v1alpha4 TrafficSplit/);
    const namespace = await send("POST", SERVICES, { body: { ...service("web"), metadata: { name: "web", namespace: "default" } } });
    assert.match(String(namespace.body["message"]), /found metadata.namespace "default"; expected "shop"/);
    await send("POST", SERVICES, { body: service("web") });
    const name = await send("PUT", `${SERVICES}/web`, { body: service("other") });
    assert.match(String(name.body["message"]), /found metadata.name "other"; expected the name in the path/);
    const versioned = await send("POST", SERVICES, { body: { ...service("v"), metadata: { name: "v", resourceVersion: "1" } } });
    assert.deepEqual([kind, namespace, name, versioned].map((answer) => answer.statusCode), [400, 400, 400, 400]);
  });

  test("unknown paths and kinds are 404, unknown methods 405", async () => {
    for (const path of ["/", "/api/v2/services", "/api/v1/pods", "/apis/nobody.dev/v1", "/api/v1/namespaces/shop/services/a/b", "/apis/weft.dev/v1alpha1/namespaces/shop/meshes", "/api/v1/services/web"]) {
      assert.equal((await send("GET", path)).statusCode, 404, path);
    }
    assert.equal((await send("POST", "/api/v1/services", { body: service("web") })).statusCode, 404);
    const patch = await send("PATCH", `${SERVICES}/web`, { body: {} });
    assert.deepEqual([patch.statusCode, patch.body["message"]], [405, `Cannot PATCH "${SERVICES}/web"; expected DELETE or GET or PUT`]);
    assert.equal((await send("GET", "/api/v1/namespaces/%zz/services")).statusCode, 400);
  });
});

describe("API server discovery", () => {
  test("names every group, version and kind", async () => {
    assert.deepEqual((await send("GET", "/api")).body["versions"], ["v1"]);
    const groups = (await send("GET", "/apis")).body["groups"] as readonly { readonly name: string; readonly preferredVersion: { readonly groupVersion: string } }[];
    assert.deepEqual(groups.map((group) => group.preferredVersion.groupVersion), [
      "discovery.k8s.io/v1",
      "specs.smi-spec.io/v1alpha4",
      "split.smi-spec.io/v1alpha4",
      "access.smi-spec.io/v1alpha3",
      "weft.dev/v1alpha1",
    ]);
    const list = (await send("GET", "/apis/split.smi-spec.io/v1alpha4")).body;
    assert.deepEqual(list["resources"], [
      {
        name: "trafficsplits",
        singularName: "trafficsplit",
        namespaced: true,
        kind: "TrafficSplit",
        verbs: ["create", "delete", "get", "list", "update", "watch"],
        shortNames: ["ts"],
      },
    ]);
    assert.deepEqual((await send("GET", "/apis/split.smi-spec.io")).body["name"], "split.smi-spec.io");
    assert.match(String((await send("GET", "/version")).body["gitVersion"]), /^v1\.\d+\.0\+weft-0\.1\.0$/);
  });
});

describe("API server paths of weft", () => {
  test("a join is granted to names that are names", async () => {
    const granted = await send("POST", "/weft/v1/workloads", { body: { namespace: "shop", workload: "web-0", serviceAccount: "web" } });
    assert.deepEqual([granted.statusCode, granted.body["spiffeId"]], [201, "spiffe://test.mesh/ns/shop/sa/web"]);
    const refused = await send("POST", "/weft/v1/workloads", { body: { namespace: "Shop", workload: "web-0" } });
    assert.deepEqual([refused.statusCode, refused.body["reason"]], [422, "Invalid"]);
    const causes = (refused.body["details"] as { readonly causes: readonly { readonly field: string; readonly message: string }[] }).causes;
    assert.deepEqual(causes.map((cause) => `${cause.field}: ${cause.message}`), [
      'namespace: found "Shop"; expected a DNS name in lower case',
      "serviceAccount: found nothing; expected a DNS name in lower case",
    ]);
    assert.deepEqual(api.views.joins, [{ namespace: "shop", workload: "web-0", serviceAccount: "web" }]);
  });

  test("stat takes a window within bounds", async () => {
    assert.deepEqual((await send("GET", "/weft/v1/stat?windowMs=10000")).body, { items: [] });
    assert.equal(api.views.windowMs, 10_000);
    await send("GET", "/weft/v1/stat");
    assert.equal(api.views.windowMs, 60_000);
    for (const windowMs of ["999", "86400001", "ten", "1e4", "-5", ""]) {
      assert.equal((await send("GET", `/weft/v1/stat?windowMs=${windowMs}`)).statusCode, 400, windowMs);
    }
  });

  test("proxies, their configuration and the mesh are shown", async () => {
    api.views.configs = { "shop/web-0": { cluster: { "shop/web:80": { name: "shop/web:80" } } } };
    assert.deepEqual((await send("GET", "/weft/v1/proxies")).body, { items: [] });
    assert.deepEqual((await send("GET", "/weft/v1/proxies/shop/web-0/config")).body, api.views.configs["shop/web-0"]);
    assert.equal((await send("GET", "/weft/v1/proxies/shop/web-1/config")).statusCode, 404);
    assert.equal((await send("GET", "/weft/v1/mesh")).body["trustDomain"], "test.mesh");
  });
});

const EXAMPLES: Readonly<Record<(typeof KINDS)[number]["kind"], Readonly<Record<string, unknown>>>> = {
  Service: { apiVersion: "v1", kind: "Service", metadata: { name: "sample" }, spec: { ports: [{ port: 80 }] } },
  ServiceAccount: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "sample" } },
  EndpointSlice: {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "sample" },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"] }],
    ports: [{ name: "", port: 8080 }],
  },
  HTTPRouteGroup: { apiVersion: "specs.smi-spec.io/v1alpha4", kind: "HTTPRouteGroup", metadata: { name: "sample" }, spec: { matches: [{ name: "all" }] } },
  TCPRoute: { apiVersion: "specs.smi-spec.io/v1alpha4", kind: "TCPRoute", metadata: { name: "sample" }, spec: { matches: { ports: [5432] } } },
  TrafficSplit: {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name: "sample" },
    spec: { service: "reviews", backends: [{ service: "reviews-v1", weight: 1 }] },
  },
  TrafficTarget: {
    apiVersion: "access.smi-spec.io/v1alpha3",
    kind: "TrafficTarget",
    metadata: { name: "sample" },
    spec: {
      destination: { kind: "ServiceAccount", name: "reviews" },
      rules: [{ kind: "HTTPRouteGroup", name: "all" }],
      sources: [{ kind: "ServiceAccount", name: "web" }],
    },
  },
  Mesh: { apiVersion: "weft.dev/v1alpha1", kind: "Mesh", metadata: { name: "mesh" }, spec: { access: "strict" } },
};
