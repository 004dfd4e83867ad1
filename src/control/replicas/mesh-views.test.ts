import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrafficSums } from "../telemetry/traffic-ring.ts";
import type { ProxyStatus } from "../views.ts";
import { answerQuestion, type LocalViews } from "./local-views.ts";
import { MeshViews } from "./mesh-views.ts";
import type { Replica, ReplicaDirectory } from "./replica-directory.ts";
import type { ReplicaPeers } from "./replica-peers.ts";

function replica(id: string): Replica {
  return { id, name: `${id}:1`, xds: { host: id, port: 1 }, weftVersion: "0.1.0", startedWallMs: 0 };
}

function proxy(id: string, connected: boolean, sinceWallMs = 0): ProxyStatus {
  const fixed = { role: "sidecar", spiffeId: "", runtime: "", weftVersion: "", state: "SYNCED", types: [] } as const;
  return { ...fixed, id, connected, sinceWallMs };
}

function traffic(requests: number, spanMs: number): TrafficSums {
  const edge = { direction: "outbound", source: "d/a", destination: "d/b", version: "", protocol: "http" } as const;
  const sums = { success: requests, failure: 1, requestBytes: 0, responseBytes: 0, latency: [requests + 1] };
  return { spanMs, edges: [{ edge, counts: { ...sums, failureCodes: [["no_endpoint", 1]] } }] };
}

function locals(proxies: readonly ProxyStatus[], sums: TrafficSums): LocalViews {
  return {
    status: () => ({ hasJobs: false, proxies: proxies.length }),
    proxies: () => proxies,
    proxyConfig: (id) => (proxies.some((known) => known.id === id) ? { of: id } : null),
    traffic: () => sums,
    instanceTraffic: () => sums,
    wouldDeny: () => [],
    trust: () => ({ replica: "", roots: [], upMs: 0, proxies: [] }),
  };
}

/** `others` by id; null: it does not answer. */
function createViews(local: LocalViews, others: Readonly<Record<string, LocalViews | null>>): MeshViews {
  const self = replica("self");
  const all = [self, ...Object.keys(others).map(replica)];
  const directory: ReplicaDirectory = { self, all: () => all, onChange: () => () => undefined };
  const ask = ((what: string, argument: string | undefined) =>
    Promise.resolve(
      Object.entries(others).map(([id, views]) => {
        const answer = views === null ? undefined : answerQuestion(views, what, argument ?? "");
        // As it comes over the wire.
        return { replica: replica(id), answer: answer === undefined ? undefined : JSON.parse(JSON.stringify(answer)) };
      }),
    )) as ReplicaPeers["ask"];
  return new MeshViews({ directory, local, peers: { ask } });
}

const here = locals([proxy("d/a", true), proxy("d/moved", false, 9)], traffic(9, 60_000));
const there = locals([proxy("d/b", true), proxy("d/moved", true, 5)], traffic(30, 20_000));

test("MeshViews.proxies() lists each proxy once, as the control plane that it is connected to sees it", async () => {
  const proxies = await createViews(here, { other: there }).proxies();
  assert.deepEqual(
    proxies.map((found) => [found.id, found.replica, found.connected]),
    [
      ["d/a", "self:1", true],
      ["d/b", "other:1", true],
      ["d/moved", "other:1", true],
    ],
  );
});

test("MeshViews.proxyConfig() asks the control plane that the proxy is connected to", async () => {
  const views = createViews(here, { other: there });
  assert.deepEqual(await views.proxyConfig("d/a"), { of: "d/a" });
  assert.deepEqual(await views.proxyConfig("d/b"), { of: "d/b" });
  assert.equal(await views.proxyConfig("d/c"), null);
});

test("MeshViews.stat() adds up counts, also those of latency, over the longest span", async () => {
  const [row, ...more] = await createViews(here, { other: there }).stat(60_000);
  assert.deepEqual(more, []);
  assert.equal(row?.requests, 41);
  assert.equal(row?.failures, 2);
  assert.equal(row?.rate, 41 / 60);
  assert.deepEqual(row?.failureCodes, { no_endpoint: 2 });
});

test("MeshViews says who does not answer, and then nobody knows who is connected", async () => {
  const views = createViews(here, { other: there, silent: null });
  const replicas = await views.replicas();
  assert.deepEqual(
    replicas.map(({ id, isSelf, answers, proxies }) => [id, isSelf, answers, proxies]),
    [
      ["other", false, true, 2],
      ["self", true, true, 2],
      ["silent", false, false, null],
    ],
  );
  assert.equal(await views.connected(), null);
  assert.equal((await views.proxies()).length, 3);
  assert.deepEqual([...((await createViews(here, { other: there }).connected()) ?? [])].toSorted(), [
    "d/a",
    "d/b",
    "d/moved",
  ]);
});
