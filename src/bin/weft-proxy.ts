/**
 * The proxy process: reads its bootstrap from standard input, joins the mesh, serves, and drains when it is told to stop
 * or when standard input ends, as then its runner is gone.
 */
import { fstatSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatWorkloadId } from "../identity/spiffe-id.ts";
import { createIdentityClient } from "../identity/identity-client.ts";
import type { Identity } from "../identity/identity-file.ts";
import type { WorkloadApi, WorkloadContext } from "../identity/workload-api/workload-api.ts";
import { SvidManager } from "../identity/svid-manager.ts";
import { JsonLog, type Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { ProxyAdmission, ProxyBootstrap, ProxyStatusLine } from "../proxy-node.ts";
import { loadConfig, saveConfig } from "../proxy/config/config-disk.ts";
import { countDownstreams } from "../proxy/admin/proxy-metrics.ts";
import { Proxy, type ResourceRejection, type ResourceUpdate } from "../proxy/proxy.ts";
import { createCredentials, type Credentials, type ProxyRuntime } from "../proxy/runtime.ts";
import { createStartWorker } from "../proxy/worker/fork-worker.ts";
import { countWorkers } from "../proxy/worker/worker-count.ts";
import { WorkerPool } from "../proxy/worker/worker-pool.ts";
import { TelemetryReporter } from "../proxy/telemetry-reporter.ts";
import { systemRandom } from "../random/system-random.ts";
import type { Timer } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";
import { formatWallTime } from "../time/wall-time.ts";
import { selectTransport } from "../transport/select.ts";
import { assertSafeTlsEnvironment } from "../transport/tls-environment.ts";
import { type AdsClient, createAdsClient } from "../xds/ads-client.ts";
import { ControlPlaneChannel } from "../xds/control-plane-channel.ts";
import { readControlPlanes } from "../xds/read-control-planes.ts";
import { createAccessLog } from "./proxy-access-log.ts";
import { runtimeName } from "./runtime-name.ts";
import {
  CONTROL_PLANE_ENDPOINTS,
  DELIVERY_ORDER,
  ENDPOINT_TYPE,
  PEER_RULES_SECRET,
  ROUTE_TYPE,
  SECRET_TYPE,
  TRUST_BUNDLE_SECRET,
} from "../xds/names.ts";

const STATUS_FD = 3;
const SAVE_DELAY_MS = 100;
const MAX_BOOTSTRAP_BYTES = 1024 * 1024;
const CONTROL_PLANE = { namespace: "weft", serviceAccount: "control-plane" };

void main();

async function main(): Promise<void> {
  try {
    assertSafeTlsEnvironment(process.env["NODE_TLS_REJECT_UNAUTHORIZED"]);
    await run(await readBootstrap());
  } catch (error) {
    const code = error instanceof WeftError ? error.code : "WEFT_PROXY_START";
    const message = error instanceof Error ? error.message : String(error);
    writeStatus({ event: "failed", code, message });
    process.stderr.write(`weft-proxy: ${message}\n`);
    process.exit(1);
  }
}

/** What every proxy asks for, whatever its listeners name. */
const MESH_SECRETS: readonly string[] = [TRUST_BUNDLE_SECRET, PEER_RULES_SECRET];

async function run(bootstrap: ProxyBootstrap): Promise<void> {
  const clock = systemClock;
  const log: Log = new JsonLog({
    level: bootstrap.logLevel,
    timestamp: () => formatWallTime(clock.wallMs()),
    write: (line) => process.stderr.write(line),
    fields: { component: "proxy", workload: `${bootstrap.namespace}/${bootstrap.workload}` },
  });
  let ads: AdsClient | null = null;
  // From its start on: before that nobody is cut off.
  const svid = createSvidManager(bootstrap, log, () => ads?.state().connected === false);
  // Where there is one control plane and no more, nobody is asked for a list of them.
  const withControlPlanes = (names: readonly string[]): readonly string[] =>
    bootstrap.controlPlanes === undefined ? names : [...names, CONTROL_PLANE_ENDPOINTS];
  const workers = countWorkers(bootstrap, availableParallelism());
  const carried: { pool: WorkerPool | null } = { pool: null };
  const createPool = (runtime: ProxyRuntime): WorkerPool => {
    carried.pool = new WorkerPool({
      count: workers,
      runtime,
      start: createStartWorker(fileURLToPath(new URL("weft-proxy-worker.js", import.meta.url))),
      held: () => proxy.held(),
      onLines: (text) => process.stdout.write(text),
    });
    return carried.pool;
  };
  const residentBytes = (): number => process.memoryUsage.rss() + (carried.pool?.residentBytes() ?? 0);
  const proxy: Proxy = new Proxy({
    bootstrap,
    transport: await selectTransport(clock),
    clock,
    random: systemRandom,
    log,
    accessLog: createAccessLog(bootstrap, (lines) => process.stdout.write(lines)),
    runtimeName,
    facts: () => ({
      residentBytes: residentBytes(),
      certificateExpiryMs: svid.manager.status().notAfterMs,
      xdsConnected: ads?.state().connected ?? false,
      ...(carried.pool === null ? {} : { workers: carried.pool.describe() }),
    }),
    onMeshNames: (names) => replaceFile(join(bootstrap.stateDir, "names.json"), JSON.stringify({ names })),
    onRoots: (trustBundlePem) => {
      svid.manager.setTrustBundle(trustBundlePem);
      writeStatus({ event: "roots", trustBundlePem });
    },
    onReady: () => writeStatus({ event: "ready" }),
    onReferences: ({ endpointNames, routeNames, secretNames }) => {
      ads?.subscribe(ENDPOINT_TYPE, withControlPlanes(endpointNames));
      ads?.subscribe(SECRET_TYPE, [...MESH_SECRETS, ...secretNames]);
      ads?.subscribe(ROUTE_TYPE, routeNames);
    },
    ...(workers === 1 ? {} : { createTraffic: createPool }),
  });
  const identity = await svid.manager.start();
  // The join went over a connection without a certificate; what follows needs one that proves who we are.
  svid.channel.refresh();
  const bound = await proxy.listen(toCredentials(identity));
  const workloadContext = (): WorkloadContext => {
    const current = svid.manager.current() ?? identity;
    const snapshot = proxy.runtime.snapshot;
    const own = snapshot?.trustBundlePem ?? current.trustBundlePem;
    return {
      identity: current,
      bundles: new Map([...(snapshot?.peerRules.bundles ?? []), [bootstrap.trustDomain, own]]),
    };
  };
  const workloadApi = await openWorkloadApi(bootstrap, workloadContext(), log);
  onAdmission((admission) => svid.manager.offer(admission));
  let shownChain = identity.certificateChainPem;
  svid.manager.onChange((identity) => {
    svid.channel.refresh();
    // The stream of configuration shows the control plane which certificate is in use.
    if (identity.certificateChainPem !== shownChain) ads?.move();
    shownChain = identity.certificateChainPem;
    workloadApi?.update(workloadContext());
    void proxy.setIdentity(toCredentials(identity));
  });
  writeStatus({ event: "listening", ...bound });

  const held = restoreConfig(proxy, bootstrap, log);
  // The list of the last run may be newer than the runner's, or older: whoever answers tells the present one.
  svid.channel.learn([...(bootstrap.controlPlanes ?? [bootstrap.xds]), ...readControlPlanes(proxy.held())]);
  carried.pool?.start(bootstrap, bound, toCredentials(svid.manager.current() ?? identity));
  const save = createSaver(proxy, bootstrap, log);
  ads = createAdsClient({
    channel: svid.channel,
    clock,
    random: systemRandom,
    log,
    node: proxy.metadata(),
    held,
    apply: (typeUrl, upserts, removed) => {
      const rejections = proxy.apply(typeUrl, upserts, removed);
      if (typeUrl === ENDPOINT_TYPE) svid.channel.learn(readControlPlanes(upserts));
      if (typeUrl === SECRET_TYPE) workloadApi?.update(workloadContext());
      carried.pool?.apply(typeUrl, withoutRejected(upserts, rejections), removed);
      save();
      return rejections;
    },
  });
  const references = proxy.references();
  ads.subscribe(SECRET_TYPE, [...MESH_SECRETS, ...references.secretNames]);
  ads.subscribe(ENDPOINT_TYPE, withControlPlanes(references.endpointNames));
  ads.subscribe(ROUTE_TYPE, references.routeNames);
  ads.start();
  svid.channel.onMove(() => ads?.move());
  const telemetry = new TelemetryReporter({
    workload: bootstrap.workload,
    channel: svid.channel,
    edges: proxy.runtime.edges,
    clock,
    openConnections: () => countDownstreams(proxy.runtime),
    residentBytes,
  });
  telemetry.start();
  stopOnSignals(async () => {
    await proxy.drain(bootstrap.drainMs);
    telemetry.close();
    workloadApi?.close();
    await proxy.close();
    process.exit(0);
  });
}

/** The app beside the proxy may do without; calls go on. */
async function openWorkloadApi(
  { workloadSocket }: ProxyBootstrap,
  context: WorkloadContext,
  log: Log,
): Promise<WorkloadApi | null> {
  if (workloadSocket === undefined) return null;
  const { serveWorkloadApi } = await import("../identity/workload-api/workload-api.ts");
  return serveWorkloadApi(workloadSocket, context).catch((error: unknown) => {
    log.error("cannot serve the Workload API", { error });
    return null;
  });
}

function withoutRejected(
  upserts: readonly ResourceUpdate[],
  rejections: readonly ResourceRejection[],
): readonly ResourceUpdate[] {
  if (rejections.length === 0) return upserts;
  const refused = new Set(rejections.map(({ name }) => name));
  return upserts.filter(({ name }) => !refused.has(name));
}

interface SvidParts {
  readonly manager: SvidManager;
  readonly channel: ControlPlaneChannel;
}

/** One channel for signing, configuration and telemetry: it presents the current certificate, or none before the first. */
function createSvidManager(bootstrap: ProxyBootstrap, log: Log, isCutOff: () => boolean): SvidParts {
  const { trustDomain, namespace, serviceAccount, trustBundlePem } = bootstrap;
  const channel = new ControlPlaneChannel({
    addresses: bootstrap.controlPlanes ?? [bootstrap.xds],
    serverSpiffeId: formatWorkloadId({ trustDomain, ...CONTROL_PLANE }),
    credentials: () => {
      const identity = manager.current();
      return identity === null
        ? { keyPair: null, trustBundlePem }
        : { keyPair: toCredentials(identity).keyPair, trustBundlePem: identity.trustBundlePem };
    },
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const manager = new SvidManager({
    workload: bootstrap.workload,
    spiffeId: formatWorkloadId({ trustDomain, namespace, serviceAccount }),
    trustBundlePem,
    stateDir: bootstrap.stateDir,
    joinCredential: bootstrap.joinCredential,
    sign: createIdentityClient(channel),
    onWanting: () => writeStatus({ event: "wanting" }),
    isCutOff,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  return { manager, channel };
}

function toCredentials(identity: Identity): Credentials {
  const keyPair = { keyPem: identity.keyPem, certificateChainPem: identity.certificateChainPem };
  return createCredentials(keyPair, identity.trustBundlePem);
}

/** Puts the configuration of the last run in force, and says what it was, so that only differences are sent. */
function restoreConfig(
  proxy: Proxy,
  bootstrap: ProxyBootstrap,
  log: Log,
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const resources = loadConfig(bootstrap.stateDir, (reason) =>
    log.warn("cannot use the saved configuration", { reason }),
  );
  const held = new Map<string, Map<string, string>>();
  for (const typeUrl of DELIVERY_ORDER) {
    const ofType = resources.filter((resource) => resource.typeUrl === typeUrl);
    if (ofType.length === 0) continue;
    const refused = new Set(proxy.apply(typeUrl, ofType, []).map((rejection) => rejection.name));
    const accepted = ofType.filter((resource) => !refused.has(resource.name));
    held.set(typeUrl, new Map(accepted.map((resource) => [resource.name, resource.version])));
  }
  return held;
}

function createSaver(proxy: Proxy, bootstrap: ProxyBootstrap, log: Log): () => void {
  let timer: Timer | null = null;
  const save = (): void => {
    timer = null;
    try {
      saveConfig(bootstrap.stateDir, proxy.held());
    } catch (error) {
      log.error("cannot save the configuration; a restart without the control plane would use an older one", { error });
    }
  };
  return () => {
    timer ??= systemClock.after(SAVE_DELAY_MS, save, undefined);
  };
}

function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const once = (): void => {
    if (stopping) return;
    stopping = true;
    void stop();
  };
  process.on("SIGTERM", once);
  process.on("SIGINT", once);
  process.stdin.on("end", once);
  process.stdin.on("close", once);
}

/** Lines of standard input after the bootstrap. */
function onAdmission(take: (admission: ProxyAdmission) => void): void {
  let text = "";
  process.stdin.on("data", (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      // As with the bootstrap: our own runner's.
      take(JSON.parse(text.slice(0, end)) as ProxyAdmission);
      text = text.slice(end + 1);
    }
    if (text.length > MAX_BOOTSTRAP_BYTES) text = "";
  });
}

/** The first line of standard input; its end means that the runner is gone. */
function readBootstrap(): Promise<ProxyBootstrap> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk: string): void => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end < 0 && text.length <= MAX_BOOTSTRAP_BYTES) return;
      process.stdin.off("data", onData);
      process.stdin.on("data", () => undefined);
      process.stdin.off("end", onEnd);
      try {
        // Written by our own runner in the same version: the shape needs no further check.
        resolve(JSON.parse(text.slice(0, end)) as ProxyBootstrap);
      } catch (error) {
        reject(
          new WeftError(
            "WEFT_PROXY_BOOTSTRAP",
            "Cannot read the bootstrap: found no JSON line on standard input; expected what a runner writes",
            { cause: error },
          ),
        );
      }
    };
    const onEnd = (): void => {
      reject(
        new WeftError(
          "WEFT_PROXY_BOOTSTRAP",
          "Cannot read the bootstrap: standard input ended; expected one line of JSON",
          {
            hint: "weft-proxy is started by `weft up` and `weft run`, not by hand",
          },
        ),
      );
    };
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", onData);
    process.stdin.on("end", onEnd);
  });
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function writeStatus(line: ProxyStatusLine): void {
  try {
    // Without a runner's pipe the number may belong to something else.
    const stat = fstatSync(STATUS_FD);
    if (stat.isFIFO() || stat.isSocket()) writeSync(STATUS_FD, `${JSON.stringify(line)}\n`);
  } catch {
    // No runner listens.
  }
}
