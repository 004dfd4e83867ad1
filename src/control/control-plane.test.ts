import assert from "node:assert/strict";
import { X509Certificate, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { envoy, weft } from "#gen/protos.js";
import { encodeCertificateRequest } from "../identity/csr.ts";
import { createIdentityClient } from "../identity/identity-client.ts";
import type { Identity } from "../identity/identity-file.ts";
import { SvidManager } from "../identity/svid-manager.ts";
import { silentLog } from "../lib/log.ts";
import type { Log } from "../lib/log.ts";
import { systemRandom } from "../random/system-random.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { parseWallTime } from "../time/wall-time.ts";
import { GrpcClient } from "../xds/grpc-client.ts";
import { GRPC_OK, GRPC_PERMISSION_DENIED, GRPC_UNAUTHENTICATED } from "../xds/grpc-status.ts";
import type { GrpcStatus } from "../xds/grpc-status.ts";
import { CLUSTER_TYPE } from "../xds/names.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane, ControlPlaneOptions } from "./control-plane.ts";
import type { JoinGrant, StatRow } from "./views.ts";

const TOKEN = "t".repeat(43);
const ADS_PATH = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const TELEMETRY_PATH = "/weft.v1.TelemetryService/Report";
const folder = mkdtempSync(join(tmpdir(), "weft-plane-"));
const clients: GrpcClient[] = [];
let plane: ControlPlane;
let onModel: () => void = () => undefined;
const log: Log = { ...silentLog, debug: (message) => void (message === "a new model is in force" && onModel()) };

/** Resolves with the next model that the control plane puts in force. */
function nextModel(): Promise<void> {
  return within(
    "the next model",
    new Promise((resolve) => {
      onModel = resolve;
    }),
  );
}

function createRequest(): Uint8Array {
  return encodeCertificateRequest(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
}

function createOptions(change: Partial<ControlPlaneOptions> = {}): ControlPlaneOptions {
  return {
    stateDir: join(folder, "state"),
    meshName: "shop",
    trustDomain: "shop.mesh",
    api: { address: "127.0.0.1", port: 0 },
    xds: { address: "127.0.0.1", port: 0 },
    apiToken: TOKEN,
    defaults: { access: "permissive", egress: "deny", certificateLifetime: "2h" },
    clock: systemClock,
    random: systemRandom,
    log,
    ...change,
  };
}

before(async () => {
  plane = await startControlPlane(createOptions());
});

after(async () => {
  for (const client of clients) client.close();
  await plane.close();
  rmSync(folder, { recursive: true, force: true });
});

async function grant(workload: string): Promise<JoinGrant> {
  const response = await fetch(`http://127.0.0.1:${plane.apiPort}/weft/v1/workloads`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ namespace: "default", workload, serviceAccount: "reviews" }),
  });
  assert.equal(response.status, 201, await response.clone().text());
  return (await response.json()) as JoinGrant;
}

function createClient(grant: JoinGrant, identity: () => Identity | null): GrpcClient {
  const client = new GrpcClient({
    host: grant.xds.host,
    port: grant.xds.port,
    serverSpiffeId: "spiffe://shop.mesh/ns/weft/sa/control-plane",
    credentials: () => ({ keyPair: identity(), trustBundlePem: grant.trustBundlePem }),
    clock: systemClock,
  });
  clients.push(client);
  return client;
}

interface Workload {
  readonly grant: JoinGrant;
  readonly manager: SvidManager;
  readonly client: GrpcClient;
}

async function admit(workload: string): Promise<Workload> {
  const granted = await grant(workload);
  const client: GrpcClient = createClient(granted, () => manager.current());
  const manager: SvidManager = new SvidManager({
    workload,
    spiffeId: granted.spiffeId,
    trustBundlePem: granted.trustBundlePem,
    stateDir: join(folder, workload),
    joinCredential: granted.joinCredential,
    sign: createIdentityClient(client),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await manager.start();
  manager.close();
  // The connection that joined has no client certificate.
  client.refresh();
  return { grant: granted, manager, client };
}

/** Sends one message on a stream, ends it, and gives what came back. */
function exchange(
  client: GrpcClient,
  path: string,
  message: Uint8Array,
): Promise<{ messages: Uint8Array[]; status: GrpcStatus }> {
  return within(
    `${path} to end`,
    new Promise((resolve, reject) => {
      const messages: Uint8Array[] = [];
      const handlers = {
        onMessage: (bytes: Uint8Array) => void messages.push(bytes),
        onEnd: (status: GrpcStatus) => resolve({ messages, status }),
      };
      client.openStream(path, handlers).then((stream) => {
        stream.write(message);
        stream.end();
      }, reject);
    }),
  );
}

test("a workload joins with what the API granted, and gets a certificate of the mesh's lifetime", async () => {
  const { manager, grant: granted } = await admit("reviews-0");
  const identity = manager.current();
  assert.equal(identity?.spiffeId, "spiffe://shop.mesh/ns/default/sa/reviews");
  assert.equal(granted.spiffeId, identity.spiffeId);
  const leaf = new X509Certificate(identity.certificateChainPem);
  assert.equal(leaf.subject, "CN=reviews-0");
  assert.ok(Math.abs(parseWallTime(leaf.validTo) - systemClock.wallMs() - 7_200_000) < 60_000);
});

test("a join credential works once", async () => {
  const { grant: granted } = await admit("reviews-1");
  const thief = new SvidManager({
    workload: "reviews-1",
    spiffeId: granted.spiffeId,
    trustBundlePem: granted.trustBundlePem,
    stateDir: join(folder, "thief"),
    joinCredential: granted.joinCredential,
    sign: createIdentityClient(createClient(granted, () => null)),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await assert.rejects(thief.start(), { code: "WEFT_IDENTITY_REFUSED", message: /WEFT_CA_JOIN_USED/ });
});

test("a certificate is renewed over mutual TLS, with the lifetime the Mesh resource has then", async () => {
  const { client } = await admit("reviews-2");
  const sign = createIdentityClient(client);
  const mesh = await plane.store.get({ group: "weft.dev", kind: "Mesh", namespace: "", name: "mesh" });
  assert.ok(mesh !== null);
  assert.deepEqual(mesh.spec, { access: "permissive", egress: "deny", certificateLifetime: "2h" });
  const changed = nextModel();
  await plane.store.put({ ...mesh, spec: { access: "strict", egress: "allow", certificateLifetime: "30s" } });
  await changed;
  const { access, egress } = plane.views.mesh();
  assert.deepEqual({ access, egress }, { access: "strict", egress: "allow" });
  const renewed = await sign(createRequest(), "reviews-2", null);
  assert.ok(renewed.notAfterMs - systemClock.wallMs() <= 30_000);
});

test("a certificate of one workload renews no other's, and none renews nobody's", async () => {
  const { client, grant: granted } = await admit("reviews-3");
  await assert.rejects(createIdentityClient(client)(createRequest(), "reviews-1", null), /WEFT_CA_WORKLOAD/);
  const stranger = createIdentityClient(createClient(granted, () => null));
  await assert.rejects(stranger(createRequest(), "reviews-3", null), /WEFT_CA_UNAUTHENTICATED/);
});

test("configuration and telemetry are refused without a certificate", async () => {
  const stranger = createClient(await grant("stranger"), () => null);
  for (const [path, message] of [
    [ADS_PATH, envoy.service.discovery.v3.DeltaDiscoveryRequest.encode({ typeUrl: CLUSTER_TYPE }).finish()],
    [TELEMETRY_PATH, weft.v1.TelemetryReport.encode({ workload: "stranger" }).finish()],
  ] as const) {
    const { messages, status } = await exchange(stranger, path, message);
    assert.equal(status.code, GRPC_UNAUTHENTICATED, path);
    assert.deepEqual(messages, []);
  }
  assert.deepEqual(
    (await plane.views.proxies()).filter((proxy) => proxy.id === "default/stranger"),
    [],
  );
});

test("what a proxy reports is counted under its own identity and shown by the API", async () => {
  const { client } = await admit("reviews-4");
  const { status } = await exchange(
    client,
    TELEMETRY_PATH,
    weft.v1.TelemetryReport.encode({
      workload: "reviews-4",
      edges: [
        {
          direction: "outbound",
          source: "default/somebody-else",
          destination: "default/ratings",
          version: "",
          protocol: "http",
          success: 9,
          failure: 1,
          latencyBuckets: [0, 10],
          failureCode: { timeout: 1 },
        },
        { direction: "inbound", source: "default/web", destination: "other/reviews", protocol: "http", success: 1 },
        { direction: "sideways", destination: "default/ratings", protocol: "http", success: 1 },
        { direction: "inbound", source: "default/web", destination: "default/reviews", protocol: "quic", success: 1 },
      ],
    }).finish(),
  );
  assert.equal(status.code, GRPC_OK, status.message);
  const response = await fetch(`http://127.0.0.1:${plane.apiPort}/weft/v1/stat?windowMs=60000`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  const { items } = (await response.json()) as { items: StatRow[] };
  assert.deepEqual(
    items.map(({ direction, source, destination, requests, failures, failureCodes }) => ({
      direction,
      source,
      destination,
      requests,
      failures,
      failureCodes,
    })),
    [
      {
        direction: "outbound",
        source: "default/reviews",
        destination: "default/ratings",
        requests: 10,
        failures: 1,
        failureCodes: { timeout: 1 },
      },
    ],
  );
});

test("a proxy cannot report for another workload", async () => {
  const { client } = await admit("reviews-5");
  const { status } = await exchange(
    client,
    TELEMETRY_PATH,
    weft.v1.TelemetryReport.encode({ workload: "reviews-4" }).finish(),
  );
  assert.equal(status.code, GRPC_PERMISSION_DENIED);
  assert.match(status.message, /found the certificate of "reviews-5"/);
});

test("a second control plane on the same state folder is refused, and does not disturb the first", async () => {
  await assert.rejects(startControlPlane(createOptions()), {
    code: "WEFT_CONTROL_LOCKED",
    message: new RegExp(`process ${process.pid}`),
  });
  await grant("still-there");
});

test("a control plane whose port is taken says so and leaves its state folder free", async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
  const { port } = blocker.address() as AddressInfo;
  const stateDir = join(folder, "blocked");
  const taken = { address: "127.0.0.1", port };
  await assert.rejects(startControlPlane(createOptions({ stateDir, xds: taken })), { code: "WEFT_CONTROL_LISTEN" });
  await assert.rejects(startControlPlane(createOptions({ stateDir, api: taken })), { code: "WEFT_API_LISTEN" });
  await new Promise((resolve) => blocker.close(resolve));
  await (await startControlPlane(createOptions({ stateDir }))).close();
});

test("a control plane that closes ends its streams, and starts again with the same roots", async () => {
  const options = createOptions({ stateDir: join(folder, "again") });
  const first = await startControlPlane(options);
  const { trustBundlePem } = first;
  await first.close();
  await first.close();
  const second = await startControlPlane(options);
  assert.equal(second.trustBundlePem, trustBundlePem);
  await second.close();
});
