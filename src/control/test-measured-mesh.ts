// A control plane that proxies really report to, for tests of what its API says of traffic.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { weft } from "#gen/protos.js";
import { type ApiClient, createApiClient } from "../apiserver/api-client.ts";
import { createIdentityClient } from "../identity/identity-client.ts";
import { SvidManager } from "../identity/svid-manager.ts";
import { silentLog } from "../lib/log.ts";
import { systemRandom } from "../random/system-random.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { GrpcClient } from "../xds/grpc-client.ts";
import { GRPC_OK } from "../xds/grpc-status.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";

const TOKEN = "t".repeat(43);
export const ROOT = "/apis/metrics.smi-spec.io/v1alpha1";
const folder = mkdtempSync(join(tmpdir(), "weft-metrics-"));
/** Added to the control plane's clock. */
let shiftMs = 0;
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + shiftMs };
const clients: GrpcClient[] = [];
let plane: ControlPlane;
let api: ApiClient;

export interface Item {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly selfLink: string };
  readonly window: string;
  readonly resource: { readonly kind: string; readonly namespace?: string; readonly name: string };
  readonly edge: {
    readonly direction: string;
    readonly side: string;
    readonly resource: { readonly kind: string; readonly namespace?: string; readonly name: string } | null;
  };
  readonly backend?: { readonly apex: string; readonly name: string; readonly weight: number };
  readonly metrics: readonly { readonly name: string; readonly unit?: string; readonly value: string }[];
}

export interface List {
  readonly kind: string;
  readonly resource: object;
  readonly selector?: object;
  readonly items: readonly Item[];
}

type Edge = weft.v1.EdgeDelta;

/** With traffic of three proxies. One per process. */
export async function startMeasuredMesh(): Promise<void> {
  plane = await startControlPlane({
    stateDir: join(folder, "state"),
    meshName: "shop",
    trustDomain: "shop.mesh",
    api: { address: "127.0.0.1", port: 0 },
    xds: { address: "127.0.0.1", port: 0 },
    apiToken: TOKEN,
    defaults: { access: "permissive", egress: "deny", certificateLifetime: "2h" },
    clock,
    random: systemRandom,
    log: silentLog,
  });
  api = createApiClient({ baseUrl: `http://127.0.0.1:${plane.apiPort}`, token: TOKEN });
  for (const [namespace, name, workload] of [
    ["default", "web", "web-0"],
    ["default", "reviews", "reviews.0"],
    ["default", "idle", "reviewsx0"],
    ["pay", "card", "card-0"],
  ] as const) {
    await api.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name, labels: { tier: name === "web" ? "front" : "back" } },
      spec: { ports: [{ port: 80 }] },
    });
    await api.create({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        namespace,
        name: `${name}.${workload}`,
        labels: {
          "kubernetes.io/service-name": name,
          "weft.dev/service-account": name,
          "weft.dev/workload": workload,
          ...(name === "card" ? { "weft.dev/version": "v2" } : {}),
        },
      },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"], nodeName: "machine-1", conditions: { ready: true } }],
      ports: [{ name: "", port: 8080 }],
    });
  }
  await api.create({
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { namespace: "default", name: "canary" },
    spec: {
      service: "shop",
      backends: [
        { service: "reviews", weight: 9 },
        { service: "idle", weight: 1 },
      ],
    },
  });
  await report("default", "web", "web-0", [
    edge("outbound", "", "default/reviews", [8, 2]),
    edge("outbound", "", "pay/card", [3, 0]),
    edge("outbound", "", "default/web", [1, 0]),
    edge("inbound", "default/web", "default/web", [1, 0]),
  ]);
  await report("default", "reviews", "reviews.0", [
    edge("inbound", "default/web", "default/reviews", [8, 2]),
    edge("inbound", "", "default/reviews", [5, 0]),
  ]);
  await report("pay", "card", "card-0", [
    edge("inbound", "default/web", "pay/card", [3, 0]),
    edge("outbound", "", "default/reviews", [4, 0]),
  ]);
}

export async function stopMeasuredMesh(): Promise<void> {
  for (const client of clients) client.close();
  api.close();
  await plane.close();
  rmSync(folder, { recursive: true, force: true });
}

/** Later for the control plane. */
export function passTime(ms: number): void {
  shiftMs += ms;
}

export function edge(
  direction: string,
  source: string,
  destination: string,
  [success, failure]: readonly [number, number],
): Edge {
  return {
    direction,
    source,
    destination,
    protocol: "http",
    success,
    failure,
    latencyBuckets: [0, 0, success + failure],
  };
}

/** Joins as a proxy does and sends one report. */
export async function report(
  namespace: string,
  serviceAccount: string,
  workload: string,
  edges: Edge[],
): Promise<void> {
  const granted = await plane.views.grantJoin({ namespace, workload, serviceAccount });
  const client: GrpcClient = new GrpcClient({
    ...granted.xds,
    serverSpiffeId: "spiffe://shop.mesh/ns/weft/sa/control-plane",
    credentials: () => ({ keyPair: manager.current(), trustBundlePem: granted.trustBundlePem }),
    clock: systemClock,
  });
  clients.push(client);
  const manager: SvidManager = new SvidManager({
    ...granted,
    stateDir: join(folder, workload),
    sign: createIdentityClient(client),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await manager.start();
  manager.close();
  client.refresh();
  const status = await within(
    "the report to be taken",
    new Promise<{ readonly code: number }>((resolve, reject) => {
      const handlers = { onMessage: () => undefined, onEnd: resolve };
      client.openStream("/weft.v1.TelemetryService/Report", handlers).then((stream) => {
        stream.write(weft.v1.TelemetryReport.encode({ workload, edges }).finish());
        stream.end();
      }, reject);
    }),
  );
  assert.equal(status.code, GRPC_OK);
}

export function send(
  path: string,
  options: { readonly token?: string | null; readonly method?: string } = {},
): Promise<Response> {
  const { token = TOKEN, method = "GET" } = options;
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  return fetch(`http://127.0.0.1:${plane.apiPort}${path}`, { method, headers });
}

export async function read<T>(path: string): Promise<T> {
  const response = await send(`${ROOT}${path}`);
  assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`);
  return (await response.json()) as T;
}

export function countsOf({ metrics }: Pick<Item, "metrics">): readonly string[] {
  return metrics.slice(3).map(({ value }) => value);
}

export function describeEdges({ items }: List): readonly string[] {
  return items.map((item) => {
    const { direction, side, resource } = item.edge;
    const other = `${resource?.kind} ${resource?.namespace ?? ""}/${resource?.name}`;
    return [direction, side, other, ...countsOf(item)].join(" ");
  });
}

export async function addUser(name: string, namespaces: readonly string[]): Promise<string> {
  const token = `token-of-${name}`;
  const sha256 = createHash("sha256").update(token).digest("hex");
  await api.create({
    apiVersion: "weft.dev/v1alpha1",
    kind: "User",
    metadata: { name, namespace: "" },
    spec: { role: "viewer", namespaces, tokens: [{ sha256 }], certificates: [] },
  });
  return token;
}
