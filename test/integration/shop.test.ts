import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { call } from "./http-call.ts";
import { Load, describeLoad } from "./load.ts";
import { Mesh, ROOT } from "./mesh.ts";
import { countTlsRecords, RecordingRelay } from "./recording-relay.ts";
import { waitUntil } from "./wait-until.ts";

const SHOP = join(ROOT, "examples", "shop");
const REQUESTS = 4000;

let mesh: Mesh;

before(async () => {
  // The shop as it is, but at a port that is free.
  const yaml = readFileSync(join(SHOP, "weft.yaml"), "utf8").replace("port: 8080", "port: 0");
  mesh = await Mesh.start({ yaml, files: SHOP });
});

after(() => mesh.stop());

test("the shop's page comes through the ingress, made of five services", async () => {
  const port = await mesh.ingressPort();
  const front = await call({ port, host: "shop.example", path: "/" });
  assert.equal(front.status, 200);
  assert.match(front.headers["content-type"] as string, /^text\/html/);
  assert.match(front.body, /<html/);
  const book = await call({ port, host: "shop.example", path: "/books/1" });
  assert.equal(book.status, 200);
  for (const service of ["catalog", "stock", "reviews"]) assert.match(book.body, new RegExp(service));
  assert.match(book.body, /Nora/, "a review is on the page");
});

test(`${REQUESTS} requests over 32 connections are split 3:1 within two percentage points`, async (t) => {
  const load = new Load({
    port: await mesh.outboundPort("web-0"),
    host: "reviews",
    path: "/reviews/1",
    connections: 32,
    count: REQUESTS,
    label: (body) => (JSON.parse(body) as { readonly version: string }).version,
  });
  const report = await load.end();
  const share = ((report.byLabel.get("v1") ?? 0) * 100) / REQUESTS;
  t.diagnostic(`${describeLoad(report)}; v1 got ${share.toFixed(2)} %`);
  assert.equal(report.failures.length, 0, describeLoad(report));
  assert.equal(report.answered, REQUESTS);
  assert.equal(report.connects, 32, "no connection was dropped");
  assert.ok(Math.abs(share - 75) <= 2, `v1 got ${share} %; expected 73 to 77`);
});

test("a service that is not allowed gets 403, and the answer names the policy that would allow it", async () => {
  const port = await mesh.outboundPort("web-0");
  const denied = await call({ port, host: "ratings", path: "/ratings/1" });
  assert.equal(denied.status, 403);
  assert.equal(denied.headers["x-weft-failure"], "access_denied");
  assert.match(denied.body, /TrafficTarget "default\/ratings"/);
  assert.match(denied.body, /name: web\b/, "and says what to add");
  // The same as the page shows it, and those who are allowed get what they ask for.
  const peek = await call({ port: await mesh.ingressPort(), host: "shop.example", path: "/peek" });
  assert.match(peek.body, /Denied, as it should be/);
  const allowed = await call({ port: await mesh.outboundPort("reviews-v2-0"), host: "ratings", path: "/ratings/1" });
  assert.equal(allowed.status, 200);
  // reviews may read only.
  const write = await call({
    port: await mesh.outboundPort("reviews-v2-0"),
    host: "ratings",
    path: "/ratings/1",
    method: "POST",
  });
  assert.equal(write.status, 403);
  assert.match(write.body, /TrafficTarget "default\/ratings"/);
});

test("a relay between two sidecars sees nothing but TLS records", async (t) => {
  const relay = new RecordingRelay(await readInboundPort("ratings.ratings-0"));
  const relayPort = await relay.listen();
  try {
    await applyRelayed(relayPort);
    const outbound = await mesh.outboundPort("reviews-v2-0");
    const answer = await waitUntil("the relayed service answers", async () => {
      const found = await call({
        port: outbound,
        host: "relayed",
        path: "/ratings/1?request-marker=plainly",
        headers: { "x-marker": "request-marker-header" },
      });
      return found.status === 200 && found;
    });
    assert.match(answer.body, /stars/);
    assert.ok(relay.streams.length >= 2, "the call went through the relay");
    let records = 0;
    for (const { direction, chunks } of relay.streams) {
      const bytes = Buffer.concat(chunks);
      records += countTlsRecords(bytes);
      const text = bytes.toString("latin1");
      for (const marker of ["request-marker", "GET ", "HTTP/1.1", "stars", "Nora", "application/json"]) {
        assert.ok(!text.includes(marker), `"${marker}" is readable in a ${direction} stream`);
      }
    }
    t.diagnostic(`${records} TLS records in ${relay.streams.length} streams`);
    assert.ok(records >= 6, "a handshake and data in both directions");
  } finally {
    await relay.close();
  }
});

test("what the relay test looks for, it would find", () => {
  assert.throws(() => countTlsRecords(Buffer.from("GET /request-marker HTTP/1.1\r\n\r\n")), /expected a TLS record/);
  assert.throws(() => countTlsRecords(Buffer.from("1603030001ff474554202f", "hex")), /at byte 6/);
  assert.equal(countTlsRecords(Buffer.from("1603010001ff1703030002aabb", "hex")), 2);
});

async function readInboundPort(slice: string): Promise<number> {
  const found = await mesh
    .api()
    .get({ group: "discovery.k8s.io", kind: "EndpointSlice", namespace: "default", name: slice });
  const ports = (found as { readonly ports?: readonly { readonly port: number }[] } | null)?.ports;
  return ports?.[0]?.port ?? assert.fail(`EndpointSlice ${slice} has no port: ${JSON.stringify(found)}`);
}

/** A Service whose only instance is the ratings service, reached through the relay. */
async function applyRelayed(port: number): Promise<void> {
  const resources = [
    { apiVersion: "v1", kind: "Service", metadata: { name: "relayed" }, spec: { ports: [{ port: 80 }] } },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: "relayed",
        labels: { "kubernetes.io/service-name": "relayed", "weft.dev/service-account": "ratings" },
      },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
      ports: [{ name: "", port }],
    },
  ];
  const { code, stderr } = await mesh.weft(
    ["apply", "-f", "-"],
    resources.map((resource) => JSON.stringify(resource)).join("\n---\n"),
  );
  assert.equal(code, 0, stderr);
}
