// Two control planes of one mesh on one real etcd, as processes of their own, and programs that joined through either.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readApiAccess } from "../../src/apiserver/api-access.ts";
import { type ApiClient, createApiClient } from "../../src/apiserver/api-client.ts";
import type { JoinGrant, ProxyStatus } from "../../src/control/views.ts";
import { encodeCertificateRequest } from "../../src/identity/csr.ts";
import { createIdentityClient } from "../../src/identity/identity-client.ts";
import type { WeftError } from "../../src/lib/weft-error.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { GrpcClient } from "../../src/xds/grpc-client.ts";
import { ETCD, EtcdCluster } from "./etcd-cluster.ts";
import { describeLoad, Load } from "./load.ts";
import { ROOT } from "./mesh.ts";
import { Program } from "./program.ts";
import { waitUntil } from "./wait-until.ts";

const YAML = "mesh: pair\naccess: permissive\n";
const SERVICE = { group: "", kind: "Service", namespace: "default" } as const;
const folder = mkdtempSync(join(tmpdir(), "weft-replicas-"));
const programs: Program[] = [];
let etcd: EtcdCluster;

class ControlPlane extends Program {
  readonly name: string;
  readonly home: string;
  #api: ApiClient | null = null;

  static start(name: string): ControlPlane {
    const home = join(folder, name);
    const store = `etcd://${etcd.endpoints().join(",").replaceAll("http://", "")}`;
    return new ControlPlane(name, home, [
      ...["control-plane", "weft.yaml", "--store", store, "--secrets-key", "secrets.key"],
      ...["--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"],
    ]);
  }

  private constructor(name: string, home: string, parameters: readonly string[]) {
    super({ cwd: folder, home, parameters });
    programs.push(this);
    this.name = name;
    this.home = home;
  }

  ready(): Promise<void> {
    return this.line(/is ready$/);
  }

  api(): ApiClient {
    const { endpoints, token } = readApiAccess(this.home);
    this.#api ??= createApiClient({ baseUrl: endpoints.api, token, timeoutMs: 20_000 });
    return this.#api;
  }

  close(): void {
    this.#api?.close();
  }
}

function startProgram(home: string, parameters: readonly string[]): Program {
  const program = new Program({ cwd: folder, home, parameters });
  programs.push(program);
  return program;
}

let a: ControlPlane;
let b: ControlPlane;

before(async () => {
  if (ETCD.skip !== false) return;
  cpSync(join(ROOT, "test", "integration", "apps"), folder, { recursive: true });
  writeFileSync(join(folder, "weft.yaml"), YAML);
  writeFileSync(join(folder, "secrets.key"), randomBytes(32).toString("base64"), { mode: 0o600 });
  mkdirSync(join(folder, "a"), { mode: 0o700 });
  etcd = await EtcdCluster.start();
  // Both at once, on an empty etcd.
  a = ControlPlane.start("a");
  b = ControlPlane.start("b");
  await Promise.all([a.ready(), b.ready()]);
});

after(async () => {
  if (ETCD.skip !== false) return;
  a?.close();
  b?.close();
  for (const program of programs.toReversed()) {
    if (program.process.exitCode === null && program.process.signalCode === null) await program.stop("SIGTERM");
  }
  await etcd?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function present(grant: JoinGrant, at: { readonly host: string; readonly port: number }): Promise<unknown> {
  const client = new GrpcClient({
    ...at,
    serverSpiffeId: `spiffe://${grant.trustDomain}/ns/weft/sa/control-plane`,
    credentials: () => ({ keyPair: null, trustBundlePem: grant.trustBundlePem }),
    clock: systemClock,
  });
  const request = encodeCertificateRequest(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  return createIdentityClient(client)(request, grant.workload, grant.joinCredential).finally(() => client.close());
}

const request = { namespace: "default", workload: "stranger-0", serviceAccount: "stranger" };

test(
  "control planes started at once on an empty etcd have one root, know each other, and one has the jobs",
  { skip: ETCD.skip },
  async () => {
    const [one, other] = [await a.api().grantJoin(request), await b.api().grantJoin(request)];
    assert.match(one.trustBundlePem, /BEGIN CERTIFICATE/);
    assert.equal(one.trustBundlePem, other.trustBundlePem);
    for (const api of [a.api(), b.api()]) {
      const replicas = await waitUntil("both are seen", async () => {
        const found = await api.replicas();
        return found.length === 2 && found.every((replica) => replica.answers) && found;
      });
      assert.equal(replicas.filter((replica) => replica.hasJobs).length, 1);
      assert.equal(replicas.filter((replica) => replica.isSelf).length, 1);
    }
    assert.equal((await a.api().grantJoin(request)).controlPlanes?.length, 2);
  },
);

test("a join credential shown to two control planes at once admits one workload", { skip: ETCD.skip }, async () => {
  for (let round = 0; round < 5; round += 1) {
    const grant = await a.api().grantJoin(request);
    const [first, second] = grant.controlPlanes ?? [];
    assert.ok(first !== undefined && second !== undefined);
    const results = await Promise.allSettled([present(grant, first), present(grant, second)]);
    assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
    const refused = results.find((result) => result.status === "rejected")?.reason as WeftError;
    assert.match(refused.message, /WEFT_CA_JOIN_USED/);
  }
});

/** Proxies that are connected, by their ids' first part: "default/echo". */
async function connected(plane: ControlPlane): Promise<ReadonlyMap<string, ProxyStatus>> {
  const proxies = (await plane.api().proxies()).filter((proxy) => proxy.connected);
  return new Map(proxies.map((proxy) => [proxy.id.replace(/-r[0-9a-f]+$/, ""), proxy]));
}

interface WithListener {
  readonly listener?: Readonly<
    Record<
      string,
      { readonly content?: { readonly address?: { readonly socketAddress?: { readonly portValue?: number } } } }
    >
  >;
}

async function outboundPort(plane: ControlPlane, id: string): Promise<number> {
  const config = (await plane.api().proxyConfig(id)) as WithListener | null;
  return (
    config?.listener?.["outbound"]?.content?.address?.socketAddress?.portValue ?? assert.fail(`no listener of ${id}`)
  );
}

test(
  "a killed control plane and a killed etcd lose no request, and what changes meanwhile arrives",
  { skip: ETCD.skip },
  async (t) => {
    const echo = startProgram(a.home, ["run", "echo", "--", process.execPath, "echo.mjs"]);
    await echo.line(/serves echo/);
    const client = startProgram(b.home, ["run", "client", "--", process.execPath, "-e", "setInterval(() => {}, 1000)"]);
    const found = await waitUntil("both are connected", async () => {
      const proxies = await connected(b);
      const isSynced = [...proxies.values()].every((proxy) => proxy.state === "SYNCED");
      return proxies.size === 2 && isSynced && proxies;
    });
    const { id, replica } = found.get("default/client") ?? assert.fail("no client");
    // Whichever control plane it is connected to, both say.
    const port = await outboundPort(b, id);
    assert.equal(await outboundPort(a, id), port);
    const load = new Load({ port, host: "echo", path: "/who", connections: 8, requestsPerSecond: 200 });
    await load.more(200);
    await waitUntil("its traffic is seen", async () =>
      (await a.api().stat(60_000)).some((row) => row.destination === "default/echo" && row.requests > 0),
    );

    // The client's control plane dies: its proxy is at the other one soon after.
    const self = (await a.api().replicas()).find(({ isSelf }) => isSelf);
    if (self?.name !== replica) [a, b] = [b, a];
    await a.stop("SIGKILL");
    const killedAtMs = systemClock.nowMs();
    await waitUntil("all proxies are at the other control plane", async () => (await connected(b)).size === 2);
    const tookMs = Math.round(systemClock.nowMs() - killedAtMs);
    t.diagnostic(`a proxy was at the other control plane ${tookMs} ms after its own was killed`);
    const second = startProgram(b.home, ["run", "echo", "--", process.execPath, "echo.mjs"]);
    await second.line(/serves echo/);
    await waitUntil("the second instance answers", () => load.report().byLabel.size === 2);

    // etcd dies: traffic goes on, writes fail and say why.
    await etcd.kill(0);
    await load.more(400);
    const service = await b
      .api()
      .get({ ...SERVICE, name: "echo" })
      .catch((error: unknown) => error as WeftError);
    assert.match(service instanceof Error ? service.message : "no error", /Cannot reach etcd/);
    const write = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "later", namespace: "default" },
      spec: { ports: [{ port: 80 }] },
    };
    await assert.rejects(b.api().create(write), /Cannot reach etcd/);
    etcd.restart(0);
    await etcd.ready();
    await waitUntil("writes are taken again", async () => (await b.api().apply(write)).resource !== null);

    // A control plane in the place of the one that died finds all as it was.
    a.close();
    a = ControlPlane.start(a.name);
    await a.ready();
    assert.equal((await a.api().get({ ...SERVICE, name: "later" }))?.metadata.name, "later");
    assert.equal((await connected(a)).size, 2);

    const report = await load.stop();
    assert.equal(report.failures.length, 0, describeLoad(report));
    t.diagnostic(describeLoad(report));
    for (const program of [second, client, echo]) assert.equal(await program.stop("SIGINT"), 0);
  },
);

test("SIGTERM ends a control plane at once for the others, and its jobs with it", { skip: ETCD.skip }, async () => {
  assert.equal(await b.stop("SIGTERM"), 0, b.lines.join("\n"));
  b.close();
  const replicas = await waitUntil("the other is alone and has the jobs", async () => {
    const found = await a.api().replicas();
    return found.length === 1 && found[0]?.hasJobs === true && found;
  });
  assert.equal(replicas[0]?.isSelf, true);
});
