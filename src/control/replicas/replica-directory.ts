/** Where something listens. */
export interface HostPort {
  /** IP address or host name. */
  readonly host: string;
  readonly port: number;
}

/** One control plane of the mesh. */
export interface Replica {
  /** Different for every start of every control plane. */
  readonly id: string;
  /** What its operator calls it, for people: `host:port` of its xDS unless named. */
  readonly name: string;
  /** Where proxies and other replicas reach it. */
  readonly xds: HostPort;
  readonly weftVersion: string;
  readonly startedWallMs: number;
}

/** The control planes that run now, as far as this one knows: it is always among them. */
export interface ReplicaDirectory {
  readonly self: Replica;
  /** By id. A replica that died is listed until its lease ends, at most 15 s. */
  all(): readonly Replica[];
  /** Called after every change, never inside this call. Returns a function that stops. */
  onChange(listener: () => void): () => void;
}

/** For a store that only one control plane can open. */
export function createSoleDirectory(self: Replica): ReplicaDirectory {
  const all = Object.freeze([self]);
  return { self, all: () => all, onChange: () => () => undefined };
}
