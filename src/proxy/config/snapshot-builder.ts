import { parseCertificates } from "../../identity/peer-judge.ts";
import { decodePeerRules, NO_PEER_RULES, type PeerRules } from "../../xds/peer-rules-secret.ts";
import { envoy } from "#gen/protos.js";
import type { ClusterConfig, EndpointConfig, ListenerConfig, RouteTable, Snapshot } from "../snapshot.ts";
import { createServerCertificate, type ServerCertificate } from "../../transport/tls-server-session.ts";
import type { DecodedCluster } from "./decode-cluster.ts";
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
  PEER_RULES_SECRET,
  SERVER_CERTIFICATE_PREFIX,
  TRUST_BUNDLE_SECRET,
} from "../../xds/names.ts";
import { decodeCluster } from "./decode-cluster.ts";
import { decodeEndpoints } from "./decode-endpoints.ts";
import { decodeListener, namedRoutes, namedSecrets } from "./decode-listener.ts";
import { decodeRouteTable } from "./decode-routes.ts";
import { PolicyPool } from "./policy-pool.ts";
import { ConfigRefusal } from "./refuse.ts";

/**
 * Turns accepted xDS resources into snapshots. A resource that cannot be decoded is refused alone: its last good version,
 * if there is one, stays. What did not change keeps its object, so that whoever holds memory for it can tell.
 */
export class SnapshotBuilder {
  readonly #self: string;
  readonly #listeners: Map<string, ListenerConfig> = new Map();
  readonly #routes: Map<string, RouteTable> = new Map();
  readonly #clusters: Map<string, DecodedCluster> = new Map();
  readonly #endpoints: Map<string, readonly EndpointConfig[]> = new Map();
  /** Clusters joined with their endpoints, and what they were joined from. */
  readonly #joined: Map<string, JoinedCluster> = new Map();
  /** The policies of each resource, by type and name. */
  readonly #policies: Map<string, ReadonlyMap<string, unknown>> = new Map();
  readonly #certificates: Map<string, ServerCertificate> = new Map();
  /** Server certificates that came and are not fit: nobody waits for them. */
  readonly #unfit: Set<string> = new Set();
  #trustBundlePem: string | null = null;
  #peerRules: PeerRules = NO_PEER_RULES;
  #generation: number = 0;

  /** `self` is "<namespace>/<service account>". */
  constructor(self: string) {
    this.#self = self;
  }

  /** Takes one resource; returns why it is refused, or null. */
  upsert(typeUrl: string, name: string, bytes: Uint8Array): string | null {
    const key = `${typeUrl} ${name}`;
    const pool = new PolicyPool(this.#policies.get(key));
    try {
      this.#decode(typeUrl, name, bytes, pool);
      if (pool.kept.size > 0) this.#policies.set(key, pool.kept);
      else this.#policies.delete(key);
      return null;
    } catch (error) {
      if (typeUrl === SECRET_TYPE) this.#unfit.add(name);
      // Decoders and protobuf throw for what a control plane got wrong: that is expected here, and said to it.
      return error instanceof Error ? error.message : String(error);
    }
  }

  remove(typeUrl: string, name: string): void {
    this.#policies.delete(`${typeUrl} ${name}`);
    switch (typeUrl) {
      case LISTENER_TYPE:
        this.#listeners.delete(name);
        break;
      case ROUTE_TYPE:
        this.#routes.delete(name);
        break;
      case CLUSTER_TYPE:
        this.#clusters.delete(name);
        break;
      case ENDPOINT_TYPE:
        this.#endpoints.delete(name);
        break;
      case SECRET_TYPE:
        this.#certificates.delete(name);
        this.#unfit.delete(name);
        break;
      default:
        // Roots are replaced, never taken away: without them nothing could be verified.
        break;
    }
  }

  /** EDS names to subscribe to. */
  endpointNames(): string[] {
    const names: string[] = [];
    for (const cluster of this.#clusters.values()) if (cluster.edsName !== null) names.push(cluster.edsName);
    return names;
  }

  /** RDS names to subscribe to. */
  routeNames(): string[] {
    const names = new Set<string>();
    for (const listener of this.#listeners.values()) for (const name of namedRoutes(listener)) names.add(name);
    return [...names];
  }

  /** SDS names of server certificates to subscribe to. */
  secretNames(): string[] {
    return [...new Set([...this.#listeners.values()].flatMap(namedSecrets))];
  }

  /** Everything that is named has arrived at least once. */
  isComplete(): boolean {
    if (this.#listeners.size === 0) return false;
    return (
      this.routeNames().every((name) => this.#routes.has(name)) &&
      this.endpointNames().every((name) => this.#endpoints.has(name)) &&
      this.secretNames().every((name) => this.#certificates.has(name) || this.#unfit.has(name))
    );
  }

  build(): Snapshot {
    this.#generation += 1;
    const clusters = new Map<string, ClusterConfig>();
    for (const [name, decoded] of this.#clusters) clusters.set(name, this.#join(name, decoded));
    for (const name of this.#joined.keys()) if (!clusters.has(name)) this.#joined.delete(name);
    return {
      generation: this.#generation,
      listeners: new Map(this.#listeners),
      routes: new Map(this.#routes),
      clusters,
      certificates: new Map(this.#certificates),
      trustBundlePem: this.#trustBundlePem,
      peerRules: this.#peerRules,
    };
  }

  #join(name: string, decoded: DecodedCluster): ClusterConfig {
    const endpoints = decoded.edsName === null ? null : (this.#endpoints.get(decoded.edsName) ?? NO_ENDPOINTS);
    const known = this.#joined.get(name);
    if (known !== undefined && known.decoded === decoded && known.endpoints === endpoints) return known.config;
    const config = endpoints === null ? decoded.config : { ...decoded.config, endpoints };
    this.#joined.set(name, { decoded, endpoints, config });
    return config;
  }

  #decode(typeUrl: string, name: string, bytes: Uint8Array, pool: PolicyPool): void {
    switch (typeUrl) {
      case LISTENER_TYPE:
        this.#listeners.set(name, decodeListener(envoy.config.listener.v3.Listener.decode(bytes), this.#self, pool));
        return;
      case ROUTE_TYPE:
        this.#routes.set(name, decodeRouteTable(envoy.config.route.v3.RouteConfiguration.decode(bytes), pool));
        return;
      case CLUSTER_TYPE:
        this.#clusters.set(name, decodeCluster(envoy.config.cluster.v3.Cluster.decode(bytes), pool));
        return;
      case ENDPOINT_TYPE:
        this.#endpoints.set(name, decodeEndpoints(envoy.config.endpoint.v3.ClusterLoadAssignment.decode(bytes)));
        return;
      case SECRET_TYPE:
        this.#decodeSecret(name, envoy.extensions.transport_sockets.tls.v3.Secret.decode(bytes));
        return;
      default:
        throw new ConfigRefusal("", `type "${typeUrl}"`, "a type that this proxy asked for");
    }
  }

  #decodeSecret(name: string, secret: envoy.extensions.transport_sockets.tls.v3.Secret): void {
    if (name.startsWith(SERVER_CERTIFICATE_PREFIX)) {
      this.#certificates.set(name, decodeServerCertificate(secret));
      this.#unfit.delete(name);
      return;
    }
    if (name === PEER_RULES_SECRET) {
      const rules = decodePeerRules(secret);
      if (rules === null) throw new ConfigRefusal("generic_secret", "no peer rules", "rules of this version of weft");
      for (const pem of rules.bundles.values()) parseCertificates(pem);
      this.#peerRules = rules;
      return;
    }
    if (name !== TRUST_BUNDLE_SECRET) throw new ConfigRefusal("name", `"${name}"`, `"${TRUST_BUNDLE_SECRET}"`);
    const ca = secret.validationContext?.trustedCa;
    const pem = ca?.inlineString || (ca?.inlineBytes == null ? "" : Buffer.from(ca.inlineBytes).toString("utf8"));
    if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
      throw new ConfigRefusal("validation_context.trusted_ca", "no PEM certificate", "inline PEM roots");
    }
    this.#trustBundlePem = pem;
  }
}

/** The platform says what is wrong with it in words that name no key. */
function decodeServerCertificate(secret: envoy.extensions.transport_sockets.tls.v3.Secret): ServerCertificate {
  const certificateChainPem = secret.tlsCertificate?.certificateChain?.inlineString ?? "";
  const keyPem = secret.tlsCertificate?.privateKey?.inlineString ?? "";
  if (certificateChainPem === "" || keyPem === "") {
    throw new ConfigRefusal("tls_certificate", "no chain or no key", "both as inline PEM");
  }
  return createServerCertificate({ certificateChainPem, keyPem });
}

interface JoinedCluster {
  readonly decoded: DecodedCluster;
  readonly endpoints: readonly EndpointConfig[] | null;
  readonly config: ClusterConfig;
}

const NO_ENDPOINTS: readonly EndpointConfig[] = [];
