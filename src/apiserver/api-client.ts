import type {
  ControlPlaneViews,
  JoinGrant,
  JoinRequest,
  MeshView,
  ProxyStatus,
  ReplicaStatus,
  RotateRequest,
  RotationView,
  StatRow,
  TrustView,
  WouldDenyRow,
} from "../control/views.ts";
import type { Resource } from "../resources/resource.ts";
import { SOURCE_ANNOTATION } from "../resources/source-annotation.ts";
import type { GroupKind, ListResult, ResourceKey } from "../store/store.ts";
import { toResourceKey } from "../store/store-key.ts";
import type { UserCertificateAnswer } from "./access/user-certificate-routes.ts";
import type { ApiAccess } from "./api-access.ts";
import { createApiRequester } from "./api-requester.ts";
import { formatCollectionPath, formatObjectPath, versionOf } from "./resource-paths.ts";
import { fromWire, toWire } from "./wire-resource.ts";

/** How often `apply` starts again after somebody else changed the resource in between. */
const APPLY_ATTEMPTS = 5;

export interface ApiClientOptions {
  /** e.g. `http://127.0.0.1:9338`. */
  readonly baseUrl: string;
  /** Sent as `authorization: Bearer`; never shown in an error. */
  readonly token: string;
  /**
   * PEM; who signed the certificate of an `https:` API, which is looked at as that of `localhost`. Needed for one. A function
   * is asked for each request, as the mesh's roots may change.
   */
  readonly caPem?: string | (() => string | undefined);
  /** Longest wait for one answer; default 10 s. */
  readonly timeoutMs?: number;
}

export interface ListOptions {
  /** Left out: every namespace. */
  readonly namespace?: string;
  /** Kubernetes label selector, e.g. `app=web,tier!=db`. */
  readonly labelSelector?: string;
}

export interface ApplyResult {
  readonly outcome: "created" | "configured" | "unchanged";
  readonly resource: Resource;
}

export interface UserCertificateRequest {
  /** PKCS#10. */
  readonly requestDer: Uint8Array;
  /** Whole seconds count. */
  readonly lifetimeMs: number;
}

export interface DeleteResult {
  /** Empty: it is gone. Else it is being deleted, and waits for these. */
  readonly finalizers: readonly string[];
}

/**
 * The control plane's API as functions. Everything rejects with a `WeftError`: `WEFT_API_UNREACHABLE` when nobody
 * listens, `WEFT_API_TIMEOUT` when no answer came in time, `WEFT_API_UNAUTHORIZED`, `WEFT_API_CONFLICT`,
 * `WEFT_API_ALREADY_EXISTS`, `WEFT_API_INVALID` (details.causes: `{field, message}[]`), `WEFT_API_NOT_FOUND` and
 * `WEFT_API_FAILED` for the rest. Safe to share; keeps a few connections warm until `close()`.
 */
export interface ApiClient {
  readonly baseUrl: string;
  /** Null when there is no such resource. */
  get(key: ResourceKey): Promise<Resource | null>;
  list(kind: GroupKind, options?: ListOptions): Promise<ListResult>;
  /** In whichever version its `apiVersion` says, as `replace` and `apply`; the answer is in that version. */
  create(resource: Resource): Promise<Resource>;
  /** With `metadata.resourceVersion` set this is a compare-and-swap; without, the last writer wins. */
  replace(resource: Resource): Promise<Resource>;
  /** Null when there was nothing. */
  delete(key: ResourceKey): Promise<DeleteResult | null>;
  /** Create or replace, compare-and-swap, starting again at most four times when another writer came between. */
  apply(resource: Resource): Promise<ApplyResult>;
  grantJoin(request: JoinRequest): Promise<JoinGrant>;
  proxies(): Promise<readonly ProxyStatus[]>;
  /** `id` is "<namespace>/<workload>"; null when no such proxy is known. */
  proxyConfig(id: string): Promise<unknown>;
  stat(windowMs: number): Promise<readonly StatRow[]>;
  wouldDeny(windowMs: number): Promise<readonly WouldDenyRow[]>;
  /** The control planes of the mesh. */
  replicas(): Promise<readonly ReplicaStatus[]>;
  mesh(): Promise<MeshView>;
  /** The mesh's roots, who has certificates of which, and a rotation of them. */
  trust(): Promise<TrustView>;
  /** Rejects with WEFT_API_CONFLICT while a rotation runs. */
  rotateRoot(request: RotateRequest): Promise<RotationView>;
  /** A client certificate for a User that exists, which from then on may use the API with it. */
  issueUserCertificate(user: string, request: UserCertificateRequest): Promise<UserCertificateAnswer>;
  /** True when the API server answers and its store can be read; false when it answers that it is not ready. */
  health(): Promise<boolean>;
  /** Ends idle connections. */
  close(): void;
}

/** For the mesh of a home. `readCaPem`: for whoever goes on for so long that the roots may change. */
export function createHomeClient(
  { endpoints, token, caPem }: ApiAccess,
  readCaPem?: () => string | undefined,
): ApiClient {
  const ca = readCaPem ?? caPem;
  return createApiClient({ baseUrl: endpoints.api, token, ...(ca === undefined ? {} : { caPem: ca }) });
}

export function createApiClient(options: ApiClientOptions): ApiClient {
  const requester = createApiRequester(options);

  async function get(key: ResourceKey): Promise<Resource | null> {
    return toFound(await requester.find("GET", formatObjectPath(key)));
  }

  async function create(resource: Resource): Promise<Resource> {
    const key = toResourceKey(resource);
    const path = formatCollectionPath(key, key.namespace, versionOf(resource.apiVersion));
    return fromWire(await requester.send("POST", path, toWire(resource)));
  }

  async function replace(resource: Resource): Promise<Resource> {
    const path = formatObjectPath(toResourceKey(resource), versionOf(resource.apiVersion));
    return fromWire(await requester.send("PUT", path, toWire(resource)));
  }

  async function apply(resource: Resource): Promise<ApplyResult> {
    const key = toResourceKey(resource);
    for (let attempt = 1; ; attempt += 1) {
      const found = await get(key);
      try {
        if (found === null) return { outcome: "created", resource: await create(withoutServerMetadata(resource)) };
        const stored = await replace(withLiveMetadata(resource, found));
        const same = stored.metadata.resourceVersion === found.metadata.resourceVersion;
        return { outcome: same ? "unchanged" : "configured", resource: stored };
      } catch (error) {
        if (attempt >= APPLY_ATTEMPTS || !isLostRace(error)) throw error;
      }
    }
  }

  return {
    baseUrl: options.baseUrl,
    get,
    create,
    replace,
    apply,
    async list(kind, { namespace, labelSelector } = {}) {
      const query = labelSelector === undefined ? "" : `?labelSelector=${encodeURIComponent(labelSelector)}`;
      const body = (await requester.send("GET", `${formatCollectionPath(kind, namespace ?? "")}${query}`)) as ListBody;
      // Kubernetes leaves kind and apiVersion out of a list's items; a Resource always has both.
      const items = body.items.map((item) => fromWire({ ...item, apiVersion: body.apiVersion, kind: kind.kind }));
      return { items, resourceVersion: body.metadata.resourceVersion };
    },
    async delete(key) {
      const answer = await requester.find("DELETE", formatObjectPath(key));
      // A Status when it is gone, else the object with what keeps it.
      return answer === null ? null : { finalizers: listFinalizers(answer) };
    },
    async grantJoin(request) {
      return (await requester.send("POST", "/weft/v1/workloads", request)) as JoinGrant;
    },
    async trust() {
      return (await requester.send("GET", "/weft/v1/trust")) as TrustView;
    },
    async rotateRoot(request) {
      return (await requester.send("POST", "/weft/v1/trust/rotation", request)) as RotationView;
    },
    async proxies() {
      const body = (await requester.send("GET", "/weft/v1/proxies")) as { readonly items: readonly ProxyStatus[] };
      return body.items;
    },
    async proxyConfig(id) {
      const [namespace = "", workload = ""] = id.split("/", 2);
      const path = `/weft/v1/proxies/${encodeURIComponent(namespace)}/${encodeURIComponent(workload)}/config`;
      return requester.find("GET", path);
    },
    async stat(windowMs) {
      const body = (await requester.send("GET", `/weft/v1/stat?windowMs=${windowMs}`)) as {
        readonly items: readonly StatRow[];
      };
      return body.items;
    },
    async wouldDeny(windowMs) {
      const path = `/weft/v1/would-deny?windowMs=${windowMs}`;
      return ((await requester.send("GET", path)) as { readonly items: readonly WouldDenyRow[] }).items;
    },
    async replicas() {
      const body = (await requester.send("GET", "/weft/v1/replicas")) as { readonly items: readonly ReplicaStatus[] };
      return body.items;
    },
    async mesh() {
      return (await requester.send("GET", "/weft/v1/mesh")) as ReturnType<ControlPlaneViews["mesh"]>;
    },
    async issueUserCertificate(user, { lifetimeMs, requestDer }) {
      const base64 = Buffer.from(requestDer).toString("base64");
      return (await requester.send("POST", `/weft/v1/users/${encodeURIComponent(user)}/certificates`, {
        certificateRequestPem: `-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----\n`,
        lifetimeSeconds: Math.floor(lifetimeMs / 1000),
      })) as UserCertificateAnswer;
    },
    health: () => requester.isReady(),
    close: () => requester.close(),
  };
}

interface ListBody {
  readonly apiVersion: string;
  readonly items: readonly Resource[];
  readonly metadata: { readonly resourceVersion: string };
}

function toFound(wire: unknown): Resource | null {
  return wire === null ? null : fromWire(wire);
}

/** Compare-and-swap; and what others rely on stays unless the resource itself says something about it. */
function withLiveMetadata(resource: Resource, { metadata: live }: Resource): Resource {
  const { resourceVersion, finalizers, ownerReferences } = live;
  const kept = {
    ...(finalizers === undefined ? {} : { finalizers }),
    ...(ownerReferences === undefined ? {} : { ownerReferences }),
  };
  const version = resourceVersion === undefined ? {} : { resourceVersion };
  const written = withoutServerMetadata(resource);
  return { ...written, metadata: { ...kept, ...written.metadata, ...keepSource(written.metadata, live), ...version } };
}

/** What a file says of these is of another store, or of another time: it may be a copy of what somebody read. */
function withoutServerMetadata(resource: Resource): Resource {
  const { uid: _uid, resourceVersion: _version, managedFields: _managers, ...metadata } = resource.metadata;
  return { ...resource, metadata };
}

/** Where it was written stays known when it is applied from nowhere, so that the same resource is unchanged. */
function keepSource(
  metadata: Resource["metadata"],
  live: Resource["metadata"],
): Pick<Resource["metadata"], "annotations"> {
  const source = live.annotations?.[SOURCE_ANNOTATION];
  if (source === undefined || metadata.annotations?.[SOURCE_ANNOTATION] !== undefined) return {};
  return { annotations: { ...metadata.annotations, [SOURCE_ANNOTATION]: source } };
}

function listFinalizers(answer: unknown): readonly string[] {
  const { kind, metadata } = answer as Partial<Resource>;
  if (kind === "Status") return [];
  if (metadata?.finalizers !== undefined) return metadata.finalizers;
  return kind === "Namespace" ? ["its content"] : [];
}

function isLostRace(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return ["WEFT_API_CONFLICT", "WEFT_API_ALREADY_EXISTS", "WEFT_API_NOT_FOUND"].includes(String(error.code));
}
