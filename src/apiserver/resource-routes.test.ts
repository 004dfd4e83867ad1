import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import { KINDS } from "../resources/registry.ts";
import { type Answer, type Call, sendToApi } from "./send-to-api.ts";
import { startTestApi, type TestApi } from "./start-test-api.ts";

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
});

afterEach(() => api.close());

function send(method: string, path: string, call: Call = {}): Promise<Answer> {
  return sendToApi(api, method, path, call);
}

function untilGone(kind: string, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = api.store.watch({
      fromVersion: "0",
      onEvent: ({ type, resource }) => {
        if (type !== "DELETED" || resource.kind !== kind || resource.metadata.name !== name) return;
        stop();
        resolve();
      },
      onError: reject,
    });
    void api.store.get({ group: "", kind, namespace: "", name }).then((found) => {
      if (found === null) resolve();
    });
  });
}

const SERVICES = "/api/v1/namespaces/shop/services";
const SPLITS = "/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits";

function service(name: string, labels?: Readonly<Record<string, string>>): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    spec: { ports: [{ port: 80 }] },
  };
}

function split(name: string, backends: readonly object[]): object {
  return {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name },
    spec: { service: "reviews", backends },
  };
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
      const others = kind.kind === "Namespace" ? ["default"] : [];
      const listedNames = (listed.body["items"] as readonly { readonly metadata: { readonly name: string } }[]).map(
        (item) => item.metadata.name,
      );
      assert.deepEqual([listed.body["kind"], listedNames], [`${kind.kind}List`, [...others, name]]);
      const replaced = await send("PUT", `${path}/${name}`, {
        body: { ...example, metadata: { name, labels: { changed: "yes" } } },
      });
      assert.equal(replaced.statusCode, 200, replaced.text);
      assert.deepEqual((replaced.body["metadata"] as Record<string, unknown>)["labels"], {
        ...(kind.kind === "Namespace" ? { "kubernetes.io/metadata.name": "sample" } : {}),
        changed: "yes",
      });
      assert.equal((await send("DELETE", `${path}/${name}`)).statusCode, 200);
      // A namespace goes when it was found empty, and a watch tells of it.
      if (kind.kind === "Namespace") await untilGone("Namespace", name);
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
      (answer.body["items"] as readonly { readonly metadata: { readonly namespace: string } }[]).map(
        (item) => item.metadata.namespace,
      );
    assert.deepEqual(names(await send("GET", "/api/v1/services")), ["default", "shop"]);
    assert.deepEqual(names(await send("GET", SERVICES)), ["shop"]);
  });

  test("labelSelector and fieldSelector choose, and bad ones are refused", async () => {
    await send("POST", SERVICES, { body: service("web", { tier: "front", env: "prod" }) });
    await send("POST", SERVICES, { body: service("db", { tier: "back" }) });
    const select = async (query: string): Promise<unknown> => {
      const { body } = await send("GET", `${SERVICES}?${query}`);
      return (body["items"] as readonly { readonly metadata: { readonly name: string } }[]).map(
        (item) => item.metadata.name,
      );
    };
    assert.deepEqual(await select(`labelSelector=${encodeURIComponent("tier=front")}`), ["web"]);
    assert.deepEqual(await select(`labelSelector=${encodeURIComponent("tier in (front, back),!env")}`), ["db"]);
    assert.deepEqual(await select("fieldSelector=metadata.name%3Ddb"), ["db"]);
    for (const query of ["labelSelector=a%20b", "fieldSelector=spec.kind%3Dx"]) {
      const answer = await send("GET", `${SERVICES}?${query}`);
      assert.deepEqual([answer.statusCode, answer.body["reason"]], [400, "BadRequest"], query);
    }
  });

  test("creating what exists is AlreadyExists", async () => {
    await send("POST", SERVICES, { body: service("web") });
    const again = await send("POST", SERVICES, { body: service("web") });
    assert.deepEqual([again.statusCode, again.body["reason"]], [409, "AlreadyExists"]);
    assert.equal(again.body["message"], 'services "web" already exists');
  });

  test("replacing with a stale resourceVersion is Conflict, without one the last writer wins", async () => {
    const created = await send("POST", SERVICES, { body: service("web") });
    const first = created.body as { readonly metadata: Record<string, string> };
    const changed = await send("PUT", `${SERVICES}/web`, {
      body: { ...first, metadata: { ...first.metadata, labels: { a: "1" } } },
    });
    assert.equal(changed.statusCode, 200, changed.text);
    const stale = await send("PUT", `${SERVICES}/web`, {
      body: { ...first, metadata: { ...first.metadata, labels: { a: "2" } } },
    });
    assert.deepEqual([stale.statusCode, stale.body["reason"]], [409, "Conflict"]);
    assert.match(
      String(stale.body["message"]),
      /^Operation cannot be fulfilled on services "web": the object has been modified/,
    );
    assert.equal((await send("PUT", `${SERVICES}/web`, { body: service("web", { a: "3" }) })).statusCode, 200);
    assert.equal((await send("PUT", `${SERVICES}/other`, { body: service("other") })).statusCode, 404);
  });

  test("deleting keeps to its preconditions", async () => {
    await send("POST", SERVICES, { body: service("web") });
    const stale = await send("DELETE", `${SERVICES}/web`, { body: { preconditions: { resourceVersion: "999" } } });
    assert.deepEqual([stale.statusCode, stale.body["reason"]], [409, "Conflict"]);
    const other = await send("DELETE", `${SERVICES}/web`, { body: { preconditions: { uid: "another" } } });
    assert.equal(other.statusCode, 409);
    assert.equal(
      (await send("DELETE", `${SERVICES}/web`, { body: { propagationPolicy: "Background" } })).statusCode,
      200,
    );
    assert.equal((await send("DELETE", `${SERVICES}/web`)).statusCode, 404);
  });

  test("a dry run says what would happen and changes nothing", async () => {
    assert.equal((await send("POST", `${SERVICES}?dryRun=All`, { body: service("web") })).statusCode, 201);
    assert.equal((await send("GET", `${SERVICES}/web`)).statusCode, 404);
    assert.equal((await send("POST", `${SERVICES}?dryRun=yes`, { body: service("web") })).statusCode, 400);
  });

  test("an invalid object is refused with one cause for each problem, in the words of apply", async () => {
    const bad = split("reviews", [
      { service: "v1", weight: -1 },
      { service: "v2", wieght: 1 },
    ]);
    const answer = await send("POST", SPLITS, { body: bad });
    assert.deepEqual([answer.statusCode, answer.body["reason"]], [422, "Invalid"]);
    const details = answer.body["details"] as {
      readonly name: string;
      readonly kind: string;
      readonly causes: readonly object[];
    };
    assert.deepEqual([details.name, details.kind], ["reviews", "TrafficSplit"]);
    const found = details.causes as readonly {
      readonly field: string;
      readonly message: string;
      readonly reason: string;
    }[];
    assert.deepEqual(found.map((cause) => cause.field).toSorted(), [
      "spec.backends[0].weight",
      "spec.backends[1]",
      "spec.backends[1].weight",
    ]);
    const negative = found.find((cause) => cause.field === "spec.backends[0].weight");
    assert.deepEqual(negative, {
      reason: "FieldValueInvalid",
      field: "spec.backends[0].weight",
      message: "found -1; expected a whole number of 0 to 1000000",
    });
    assert.equal((await send("GET", `${SPLITS}/reviews`)).statusCode, 404);
  });

  test("a body for another kind, namespace or name than its path is refused", async () => {
    const kind = await send("POST", SPLITS, { body: service("web") });
    assert.match(String(kind.body["message"]), /found v1 Service; expected split.smi-spec.io\/v1alpha4 TrafficSplit/);
    const namespace = await send("POST", SERVICES, {
      body: { ...service("web"), metadata: { name: "web", namespace: "default" } },
    });
    assert.match(String(namespace.body["message"]), /found metadata.namespace "default"; expected "shop"/);
    await send("POST", SERVICES, { body: service("web") });
    const name = await send("PUT", `${SERVICES}/web`, { body: service("other") });
    assert.match(String(name.body["message"]), /found metadata.name "other"; expected the name in the path/);
    const versioned = await send("POST", SERVICES, {
      body: { ...service("v"), metadata: { name: "v", resourceVersion: "1" } },
    });
    assert.deepEqual(
      [kind, namespace, name, versioned].map((answer) => answer.statusCode),
      [400, 400, 400, 400],
    );
  });

  test("unknown paths and kinds are 404, unknown methods 405", async () => {
    for (const path of [
      "/",
      "/api/v2/services",
      "/api/v1/pods",
      "/apis/nobody.dev/v1",
      "/api/v1/namespaces/shop/services/a/b",
      "/apis/weft.dev/v1alpha1/namespaces/shop/meshes",
      "/api/v1/services/web",
    ]) {
      assert.equal((await send("GET", path)).statusCode, 404, path);
    }
    assert.equal((await send("POST", "/api/v1/services", { body: service("web") })).statusCode, 404);
    const put = await send("PUT", SERVICES, { body: {} });
    assert.deepEqual(
      [put.statusCode, put.body["message"]],
      [405, `Cannot PUT "${SERVICES}"; expected DELETE or GET or POST`],
    );
    assert.equal((await send("GET", "/api/v1/namespaces/%zz/services")).statusCode, 400);
  });
});

const EXAMPLES: Readonly<Record<(typeof KINDS)[number]["kind"], Readonly<Record<string, unknown>>>> = {
  Namespace: { apiVersion: "v1", kind: "Namespace", metadata: { name: "sample" } },
  Service: { apiVersion: "v1", kind: "Service", metadata: { name: "sample" }, spec: { ports: [{ port: 80 }] } },
  ServiceAccount: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "sample" } },
  Secret: { apiVersion: "v1", kind: "Secret", metadata: { name: "sample" }, stringData: { word: "sesame" } },
  Ingress: {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: "sample" },
    spec: { defaultBackend: { service: { name: "web", port: { number: 80 } } } },
  },
  IngressClass: {
    apiVersion: "networking.k8s.io/v1",
    kind: "IngressClass",
    metadata: { name: "sample" },
    spec: { controller: "weft.dev/ingress" },
  },
  EndpointSlice: {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "sample" },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"] }],
    ports: [{ name: "", port: 8080 }],
  },
  HTTPRouteGroup: {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "HTTPRouteGroup",
    metadata: { name: "sample" },
    spec: { matches: [{ name: "all" }] },
  },
  TCPRoute: {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "TCPRoute",
    metadata: { name: "sample" },
    spec: { matches: { ports: [5432] } },
  },
  UDPRoute: {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "UDPRoute",
    metadata: { name: "sample" },
    spec: { matches: { ports: [53] } },
  },
  IdentityBinding: {
    apiVersion: "access.smi-spec.io/v1alpha4",
    kind: "IdentityBinding",
    metadata: { name: "sample" },
    spec: { schemes: { serviceAccount: "web", spiffeIdentities: ["spiffe://bank.mesh/ns/default/sa/web"] } },
  },
  Revocation: {
    apiVersion: "weft.dev/v1alpha1",
    kind: "Revocation",
    metadata: { name: "sample" },
    spec: { workload: "default/web-0" },
  },
  TrustBundle: {
    apiVersion: "weft.dev/v1alpha1",
    kind: "TrustBundle",
    metadata: { name: "sample" },
    spec: { trustDomain: "bank.mesh", bundle: rootCertificates[0] },
  },
  User: { apiVersion: "weft.dev/v1alpha1", kind: "User", metadata: { name: "sample" }, spec: { role: "viewer" } },
  TrafficSplit: {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name: "sample" },
    spec: { service: "reviews", backends: [{ service: "reviews-v1", weight: 1 }] },
  },
  TrafficTarget: {
    apiVersion: "access.smi-spec.io/v1alpha4",
    kind: "TrafficTarget",
    metadata: { name: "sample" },
    spec: {
      destination: { kind: "ServiceAccount", name: "reviews" },
      rules: [{ kind: "HTTPRouteGroup", name: "all" }],
      sources: [{ kind: "ServiceAccount", name: "web" }],
    },
  },
  TrafficPolicy: {
    apiVersion: "weft.dev/v1alpha1",
    kind: "TrafficPolicy",
    metadata: { name: "sample" },
    spec: { targetRef: { kind: "Service", name: "reviews" }, retries: { attempts: 1 } },
  },
  Mesh: { apiVersion: "weft.dev/v1alpha1", kind: "Mesh", metadata: { name: "mesh" }, spec: { access: "strict" } },
};
