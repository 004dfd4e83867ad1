// `weft up` with `store: etcd://…`: what it promises beside a mesh in LMDB. One etcd of three members for all of it.
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readApiAccess } from "../../src/apiserver/api-access.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { openEtcdStore } from "../../src/store/etcd/open-etcd-store.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { createClient, ETCD, EtcdCluster, SILENT } from "./etcd-cluster.ts";
import { call } from "./http-call.ts";
import { describeLoad, Load } from "./load.ts";
import { type CommandResult, Mesh, waitUntilGone } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

const { skip } = ETCD;
const RATE = 250;
const CONNECTIONS = 16;
const SPLIT = { group: "split.smi-spec.io", kind: "TrafficSplit", namespace: "default", name: "color" } as const;
const SERVICE = { group: "", kind: "Service", namespace: "default" } as const;
const SLICE = { group: "discovery.k8s.io", kind: "EndpointSlice", namespace: "default" } as const;
/** A control plane that was killed is forgotten when its lease ends, after 15 s. */
const FORGOTTEN_MS = 40_000;

let etcd: EtcdCluster;
/** Of the mesh's first machine, kept from one `weft up` to the next. */
let folder: string;
let mesh: Mesh | null = null;

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), "weft-up-etcd-"));
  etcd = await EtcdCluster.start({ members: 3 });
  mesh = await Mesh.start({ yaml: formatYaml(), folder });
  await apply(formatSplit(100));
});

after(async () => {
  if (skip !== false) return;
  try {
    await mesh?.stop();
  } finally {
    await etcd?.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

test("a mesh on etcd serves, and a change by weft apply takes effect", { skip }, async () => {
  const port = await running().outboundPort("client-0");
  await waitUntil("v1 answers", async () => (await version(port)) === "v1");
  await apply(formatSplit(0));
  await waitUntil("v2 answers", async () => (await version(port)) === "v2");
  // It is in etcd, for whoever else reads there.
  const stored = await inStore((store) => store.get(SPLIT));
  assert.deepEqual(stored, await running().api().get(SPLIT));
});

test(
  "kill -9 of the control plane and of etcd's leader loses no request, and all that is in etcd is back",
  { skip },
  async (t) => {
    const up = running();
    const before = await listAll(up);
    const trust = readApiAccess(up.home).caPem;
    const load = new Load({
      port: await up.outboundPort("client-0"),
      host: "color",
      path: "/who",
      connections: CONNECTIONS,
      requestsPerSecond: RATE,
      label: (body) => body.split(" ")[1] ?? "",
    });
    await load.more(RATE / 2);
    const answers = async (name: string): Promise<void> => {
      const seen = load.report().byLabel.get(name) ?? 0;
      await waitUntil(`${name} answers`, () => (load.report().byLabel.get(name) ?? 0) > seen);
    };
    const printed = up.lines.length;
    const old = up.processId("control plane");
    // The runner is held for as long as the control plane shall be away.
    process.kill(up.pid, "SIGSTOP");
    try {
      process.kill(old, "SIGKILL");
      await waitUntilGone(old);
      assert.equal(load.report().byLabel.get("v1"), undefined);
      // As another control plane of the mesh would, meanwhile.
      await inStore(async (store) => {
        const split = (await store.get(SPLIT)) ?? assert.fail("no split");
        await store.put({ ...split, spec: formatSplit(100).spec } as Resource);
      });
      await load.more(RATE);
    } finally {
      process.kill(up.pid, "SIGCONT");
    }
    await up.line(/the control plane is back/, 30_000, printed);
    assert.notEqual(up.processId("control plane"), old);
    await waitUntil("what was written meanwhile is in force", () => load.report().byLabel.has("v1"));
    assert.deepEqual(withoutSplit(await listAll(up)), withoutSplit(before));
    assert.equal(readApiAccess(up.home).caPem, trust);
    await apply(formatSplit(0));
    await answers("v2");
    // etcd's leader too: what is not acknowledged during the election is applied again.
    const leader = await waitUntil("a leader", () => etcd.leader());
    await etcd.kill(leader);
    await waitUntil("an apply is acknowledged", async () => (await tryApply(formatSplit(100))).code === 0);
    await answers("v1");
    etcd.restart(leader);
    await etcd.ready();
    await apply(formatSplit(0));
    await answers("v2");
    const report = await load.stop();
    t.diagnostic(describeLoad(report));
    assert.equal(report.failures.length, 0, describeLoad(report));
    assert.equal(report.connects, CONNECTIONS, "no connection was dropped");
  },
);

test("a killed control plane is forgotten with its lease, and the next one gets its jobs", { skip }, async () => {
  await waitUntil(
    "one control plane, with the jobs",
    async () => {
      const found = await running().api().replicas();
      return found.length === 1 && found[0]?.isSelf === true && found[0].hasJobs;
    },
    FORGOTTEN_MS,
  );
});

test("weft up of the same file finds what was stored, also with a member of etcd away", { skip }, async () => {
  const before = await listAll(running());
  const trust = readApiAccess(running().home).caPem;
  await stop();
  await etcd.kill(0);
  mesh = await Mesh.start({ yaml: formatYaml(), folder });
  assert.deepEqual(await listAll(mesh), before);
  assert.equal(readApiAccess(mesh.home).caPem, trust, "one root for all of the mesh's life");
  const port = await mesh.outboundPort("client-0");
  assert.equal(await version(port), "v2");
});

test("weft up on another machine with the key of the secrets goes on with the same mesh", { skip }, async (context) => {
  const before = await listAll(running());
  const trust = readApiAccess(running().home).caPem;
  const elsewhere = "elsewhere-0";
  await running().api().apply(formatSlice(elsewhere));
  await stop();
  const other = mkdtempSync(join(tmpdir(), "weft-up-etcd-other-"));
  context.after(() => rmSync(other, { recursive: true, force: true, maxRetries: 5 }));
  mkdirSync(join(other, "home"), { mode: 0o700 });
  copyFileSync(join(folder, "home", "secrets.key"), join(other, "home", "secrets.key"));
  chmodSync(join(other, "home", "secrets.key"), 0o600);
  // Without what others of the mesh may go on with.
  mesh = await Mesh.start({ yaml: formatYaml({ versions: ["v2"] }), folder: other });
  try {
    assert.equal(readApiAccess(mesh.home).caPem, trust);
    const found = await listAll(mesh);
    assert.deepEqual(found.get("Service color-v1"), before.get("Service color-v1"), "services of others are left");
    assert.deepEqual(found.get("TrafficSplit color"), before.get("TrafficSplit color"));
    const slices = await mesh.api().list(SLICE, { namespace: "default" });
    assert.ok(
      slices.items.some((slice) => slice.metadata.name === elsewhere),
      "endpoints of other runners are left",
    );
    assert.equal(await version(await mesh.outboundPort("client-0")), "v2");
  } finally {
    await stop();
  }
});

test("weft up without the key of the secrets says what it needs, and takes no other root", { skip }, async () => {
  await assert.rejects(Mesh.start({ yaml: formatYaml() }), (error: unknown) => {
    assert.match(String(error), /Cannot open the mesh.s secret .*: found it sealed with another key; expected/);
    assert.match(String(error), /hint: .*secretsKey in weft\.yaml\n code: WEFT_SECRETS_KEY/);
    return true;
  });
});

function running(): Mesh {
  return mesh ?? assert.fail("no mesh runs");
}

async function stop(): Promise<void> {
  const last = running();
  mesh = null;
  await last.stop();
}

function formatYaml({ versions = ["v1", "v2"] }: { readonly versions?: readonly string[] } = {}): string {
  const members = etcd.endpoints().map((endpoint) => endpoint.replace("http://", ""));
  return `
mesh: stored
store: etcd://${members.join(",")}
services:
  client: { command: node echo.mjs }
  color:
    allow: [client]
    versions:
${versions.map((name) => `      ${name}: { command: node echo.mjs }`).join("\n")}
`;
}

function formatSplit(v1Percent: number) {
  return {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: SPLIT.kind,
    metadata: { name: SPLIT.name, namespace: SPLIT.namespace },
    spec: {
      service: "color",
      backends: [
        { service: "color-v1", weight: v1Percent },
        { service: "color-v2", weight: 100 - v1Percent },
      ],
    },
  };
}

/** As another runner of the mesh would write it. */
function formatSlice(workload: string) {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: SLICE.kind,
    metadata: {
      name: workload,
      namespace: SLICE.namespace,
      labels: {
        "kubernetes.io/service-name": "elsewhere",
        "weft.dev/managed-by": "weft",
        "weft.dev/workload": workload,
      },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: false } }],
    ports: [{ name: "http", port: 80 }],
  };
}

async function apply(resource: object): Promise<void> {
  const { code, stderr } = await tryApply(resource);
  assert.equal(code, 0, stderr);
}

function tryApply(resource: object): Promise<CommandResult> {
  return running().weft(["apply", "-f", "-"], JSON.stringify(resource));
}

async function inStore<T>(use: (store: Awaited<ReturnType<typeof openEtcdStore>>) => Promise<T>): Promise<T> {
  const client = createClient(etcd.endpoints());
  const store = await openEtcdStore({ client, mesh: "stored", clock: systemClock, random: systemRandom, log: SILENT });
  try {
    return await use(store);
  } finally {
    await store.close();
    client.close();
  }
}

/** What users and weft.yaml wrote, with uids and versions. Without endpoints, which come and go with instances. */
async function listAll(of: Mesh): Promise<ReadonlyMap<string, Resource>> {
  const kinds = [
    SERVICE,
    SPLIT,
    { group: "", kind: "ServiceAccount" },
    { group: "access.smi-spec.io", kind: "TrafficTarget" },
    { group: "weft.dev", kind: "Mesh" },
  ];
  const lists = await Promise.all(kinds.map(({ group, kind }) => of.api().list({ group, kind })));
  return new Map(lists.flatMap(({ items }) => items.map((item) => [`${item.kind} ${item.metadata.name}`, item])));
}

function withoutSplit(resources: ReadonlyMap<string, Resource>): ReadonlyMap<string, Resource> {
  return new Map([...resources].filter(([, { kind }]) => kind !== SPLIT.kind));
}

/** Of the color service, as a caller sees it; null when the call failed. */
async function version(port: number): Promise<string | null> {
  const { status, body } = await call({ port, host: "color", path: "/who" });
  return status === 200 ? (body.split(" ")[1] ?? "") : null;
}
