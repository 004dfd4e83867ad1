import assert from "node:assert/strict";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
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

const SERVICES = "/api/v1/namespaces/shop/services";

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
      return [
        ["GET", path],
        ["GET", `${path}?watch=1`],
        ["POST", path],
        ["DELETE", path],
        ["GET", `${path}/x`],
        ["PUT", `${path}/x`],
        ["PATCH", `${path}/x`],
        ["DELETE", `${path}/x`],
        ["GET", `${path}/x/status`],
        ["PUT", `${path}/x/status`],
        ["PATCH", `${path}/x/status`],
      ];
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
    assert.deepEqual(
      [(await send("GET", "/healthz", { token: null })).text, (await send("GET", "/readyz", { token: null })).text],
      ["ok\n", "ok\n"],
    );
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
    const xml = await send("POST", SERVICES, { body: "<a/>", headers: { "content-type": "application/xml" } });
    assert.equal(xml.statusCode, 415);
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

describe("API server discovery", () => {
  test("names every group, version and kind", async () => {
    assert.deepEqual((await send("GET", "/api")).body["versions"], ["v1"]);
    const groups = (await send("GET", "/apis")).body["groups"] as readonly {
      readonly name: string;
      readonly preferredVersion: { readonly groupVersion: string };
    }[];
    assert.deepEqual(
      groups.map((group) => group.preferredVersion.groupVersion),
      [
        "networking.k8s.io/v1",
        "discovery.k8s.io/v1",
        "specs.smi-spec.io/v1alpha4",
        "split.smi-spec.io/v1alpha4",
        "access.smi-spec.io/v1alpha4",
        "weft.dev/v1alpha1",
        "metrics.smi-spec.io/v1alpha1",
      ],
    );
    const list = (await send("GET", "/apis/split.smi-spec.io/v1alpha4")).body;
    const [split] = list["resources"] as readonly Readonly<Record<string, unknown>>[];
    assert.deepEqual(
      [split?.["name"], split?.["kind"], split?.["namespaced"]],
      ["trafficsplits", "TrafficSplit", true],
    );
    assert.deepEqual((await send("GET", "/apis/split.smi-spec.io")).body["name"], "split.smi-spec.io");
    assert.match(String((await send("GET", "/version")).body["gitVersion"]), /^v1\.\d+\.0\+weft-0\.1\.0$/);
  });
});

describe("API server paths of weft", () => {
  test("a join is granted to names that are names", async () => {
    const granted = await send("POST", "/weft/v1/workloads", {
      body: { namespace: "shop", workload: "web-0", serviceAccount: "web" },
    });
    assert.deepEqual([granted.statusCode, granted.body["spiffeId"]], [201, "spiffe://test.mesh/ns/shop/sa/web"]);
    const refused = await send("POST", "/weft/v1/workloads", { body: { namespace: "Shop", workload: "web-0" } });
    assert.deepEqual([refused.statusCode, refused.body["reason"]], [422, "Invalid"]);
    const causes = (
      refused.body["details"] as { readonly causes: readonly { readonly field: string; readonly message: string }[] }
    ).causes;
    assert.deepEqual(
      causes.map((cause) => `${cause.field}: ${cause.message}`),
      [
        'namespace: found "Shop"; expected a DNS name in lower case',
        "serviceAccount: found nothing; expected a DNS name in lower case",
      ],
    );
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
