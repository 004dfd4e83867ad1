import type { TrustEvidence } from "../ca/trust-evidence.ts";
import { createTrafficFigures } from "../telemetry/traffic-metrics.ts";
import { toStatRows, type TrafficSums } from "../telemetry/traffic-ring.ts";
import { mergeWouldDeny } from "../telemetry/would-deny-log.ts";
import type { ProxyStatus, ReplicaStatus, StatRow, TrafficFigures, WouldDenyRow } from "../views.ts";
import type { LocalStatus, LocalViews } from "./local-views.ts";
import type { HostPort, Replica, ReplicaDirectory } from "./replica-directory.ts";
import type { ReplicaPeers } from "./replica-peers.ts";

export interface MeshViewsOptions {
  readonly directory: ReplicaDirectory;
  readonly local: LocalViews;
  readonly peers: Pick<ReplicaPeers, "ask">;
}

/** What all control planes of the mesh know together. Who does not answer in time is left out. */
export class MeshViews {
  readonly #options: MeshViewsOptions;

  constructor(options: MeshViewsOptions) {
    this.#options = options;
  }

  async proxies(): Promise<readonly ProxyStatus[]> {
    const { directory, local, peers } = this.#options;
    const { self } = directory;
    if (isAlone(directory)) return local.proxies();
    const byId = new Map<string, ProxyStatus>();
    const add = (proxy: ProxyStatus, { name }: Replica): void => {
      const known = byId.get(proxy.id);
      if (known === undefined || isNewer(proxy, known)) byId.set(proxy.id, { ...proxy, replica: name });
    };
    for (const proxy of local.proxies()) add(proxy, self);
    for (const { replica, answer } of await peers.ask("proxies")) for (const proxy of answer ?? []) add(proxy, replica);
    return [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Ids of all proxies that are connected anywhere; null when a control plane did not answer, so that nobody knows.
   */
  async connected(): Promise<ReadonlySet<string> | null> {
    const { directory, local, peers } = this.#options;
    const found = [local.proxies()];
    if (!isAlone(directory)) {
      for (const { answer } of await peers.ask("proxies")) {
        if (answer === undefined) return null;
        found.push(answer);
      }
    }
    return new Set(found.flat().flatMap((proxy) => (proxy.connected ? [proxy.id] : [])));
  }

  /** One for each control plane; the name of each that did not answer. */
  readonly trustEvidence = async (): Promise<readonly (TrustEvidence | string)[]> => {
    const { directory, local, peers } = this.#options;
    const others = isAlone(directory) ? [] : await peers.ask("trust");
    return [local.trust(), ...others.map(({ replica, answer }) => answer ?? replica.name)];
  };

  async proxyConfig(id: string): Promise<unknown> {
    const { directory, local, peers } = this.#options;
    if (isAlone(directory)) return local.proxyConfig(id);
    const proxy = (await this.proxies()).find((candidate) => candidate.id === id);
    if (proxy === undefined) return null;
    if (proxy.replica === directory.self.name) return local.proxyConfig(id);
    const answers = await peers.ask("proxy-config", id);
    return answers.find(({ replica, answer }) => replica.name === proxy.replica && answer != null)?.answer ?? null;
  }

  async stat(windowMs: number): Promise<readonly StatRow[]> {
    return toStatRows(await this.#traffic(windowMs, "account"));
  }

  async trafficFigures(windowMs: number, by: "account" | "instance"): Promise<TrafficFigures> {
    return createTrafficFigures(await this.#traffic(windowMs, by));
  }

  /** One part of each control plane that answers. */
  async #traffic(windowMs: number, by: "account" | "instance"): Promise<readonly TrafficSums[]> {
    const { directory, local, peers } = this.#options;
    const what = by === "account" ? "traffic" : "instance-traffic";
    const own = by === "account" ? local.traffic(windowMs) : local.instanceTraffic(windowMs);
    const answers = isAlone(directory) ? [] : await peers.ask(what, String(windowMs));
    return [own, ...answers.flatMap(({ answer }) => answer ?? [])];
  }

  async wouldDeny(windowMs: number): Promise<readonly WouldDenyRow[]> {
    const { directory, local, peers } = this.#options;
    const answers = isAlone(directory) ? [] : await peers.ask("would-deny", String(windowMs));
    return mergeWouldDeny([
      local.wouldDeny(windowMs),
      ...answers.flatMap(({ answer }) => (answer == null ? [] : [answer])),
    ]);
  }

  async replicas(): Promise<readonly ReplicaStatus[]> {
    const { directory, local, peers } = this.#options;
    const others = isAlone(directory) ? [] : await peers.ask("status");
    const own = toStatus(directory.self, local.status(), true);
    return [own, ...others.map(({ replica, answer }) => toStatus(replica, answer, false))].toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }
}

function isAlone(directory: ReplicaDirectory): boolean {
  return directory.all().length === 1;
}

/** A proxy that went from one control plane to another is known to both. */
function isNewer(one: ProxyStatus, other: ProxyStatus): boolean {
  if (one.connected !== other.connected) return one.connected;
  return one.sinceWallMs > other.sinceWallMs;
}

function toStatus(replica: Replica, answer: LocalStatus | undefined, isSelf: boolean): ReplicaStatus {
  const { id, name, weftVersion, startedWallMs } = replica;
  return {
    id,
    name,
    xds: formatHostPort(replica.xds),
    weftVersion,
    startedWallMs,
    isSelf,
    answers: answer !== undefined,
    hasJobs: answer?.hasJobs ?? false,
    proxies: answer?.proxies ?? null,
  };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
