import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { readApiAccess } from "../../../src/apiserver/api-access.ts";
import { encodeProxyHeader } from "../../../src/capture/encode-proxy-header.ts";
import { KINDS } from "../../../src/resources/registry.ts";
import type { Resource } from "../../../src/resources/resource.ts";
import { call, type CallAnswer } from "../http-call.ts";
import { type CommandResult, Mesh } from "../mesh.ts";
import { waitUntil } from "../wait-until.ts";

/**
 * Three apps that speak HTTP on port 9091 (`app-a`, `app-b`, `app-c`), one that does not (`bytes`, port 9000, declared), and
 * one of whose port nothing is declared (`sniffed`, port 7000). Nothing is allowed but what a test applies.
 */
const YAML = `mesh: smi
egress: deny
services:
  app-a: { command: node smi-app.mjs, port: 9091 }
  app-b: { command: node smi-app.mjs, port: 9091 }
  app-c: { command: node smi-app.mjs, port: 9091 }
  bytes: { command: node tcp-echo.mjs, port: 9000, protocol: tcp }
  sniffed: { command: node smi-app.mjs, port: 7000, protocol: detect }
`;

const APPS = ["app-a", "app-b", "app-c", "bytes", "sniffed"] as const;
export type App = (typeof APPS)[number];

export interface Request {
  readonly to: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Echo {
  readonly app: string;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message: string;
}

const ALLOWED = "allowed";
const LIMIT_MS = 10_000;

/** A mesh on real processes in which each test applies its own resources, and takes them away again. */
export class Lab {
  readonly mesh: Mesh;
  readonly #outbound: ReadonlyMap<string, number>;
  readonly #inbound: ReadonlyMap<string, number>;
  /** What the running test has applied. */
  #applied: Resource[] = [];
  #fences = 0;

  static async start(runtime: "node" | "bun"): Promise<Lab> {
    const mesh = await Mesh.start({ yaml: YAML, runtime });
    const outbound = new Map<string, number>();
    const inbound = new Map<string, number>();
    for (const app of APPS) {
      outbound.set(app, await mesh.outboundPort(`${app}-0`));
      inbound.set(app, await mesh.inboundPort(`${app}-0`));
    }
    return new Lab(mesh, outbound, inbound);
  }

  private constructor(mesh: Mesh, outbound: ReadonlyMap<string, number>, inbound: ReadonlyMap<string, number>) {
    this.mesh = mesh;
    this.#outbound = outbound;
    this.#inbound = inbound;
  }

  stop(): Promise<void> {
    return this.mesh.stop();
  }

  /** Resolves when every proxy acts by them. Resources in namespace "default" that say no other. */
  async apply(...resources: readonly Draft[]): Promise<void> {
    for (const draft of resources) await this.#write(toResource(draft));
    await this.settle();
  }

  /** As `apply`, for what stays after the test. */
  async keep(draft: Draft): Promise<void> {
    const resource = toResource(draft);
    await this.mesh.api().apply(resource);
    this.#applied = this.#applied.filter((other) => !isSame(other, resource));
    await this.settle();
  }

  async #write(resource: Resource): Promise<void> {
    await this.mesh.api().apply(resource);
    if (!this.#applied.some((other) => isSame(other, resource))) this.#applied.push(resource);
  }

  async remove(...drafts: readonly Draft[]): Promise<void> {
    for (const draft of drafts) {
      const resource = toResource(draft);
      await this.mesh.api().delete(toKey(resource));
      this.#applied = this.#applied.filter((other) => !isSame(other, resource));
    }
    await this.settle();
  }

  /** What the test applied goes. */
  async clear(): Promise<void> {
    for (const resource of this.#applied.toReversed()) await this.mesh.api().delete(toKey(resource));
    this.#applied = [];
    await this.settle();
  }

  /**
   * Resolves when all proxies have everything written so far: a Service written last is known to each, and what a proxy gets comes in
   * the order of the writes.
   */
  async settle(): Promise<void> {
    const before = this.#fences;
    this.#fences += 1;
    const fence = (count: number): Resource => toResource(service(`fence-${count}`, [{ port: 80 }]));
    await this.mesh.api().apply(fence(this.#fences));
    if (before > 0) await this.mesh.api().delete(toKey(fence(before)));
    for (const app of APPS) {
      await waitUntil(`the proxy of ${app} has the new configuration`, async () => {
        const answer = await this.call(app, { to: `fence-${this.#fences}` });
        return answer.headers["x-weft-failure"] === "no_endpoint";
      });
    }
  }

  /** The API's own answer at a path, as JSON. */
  async raw(path: string): Promise<unknown> {
    const { endpoints, token } = readApiAccess(this.mesh.home);
    const answer = await fetch(`${endpoints.api}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Resolves with the message of a condition of a TrafficSplit, once it is written there. */
  condition(name: string, type: string): Promise<string> {
    const path = `/apis/split.smi-spec.io/v1alpha4/namespaces/default/trafficsplits/${name}`;
    return waitUntil(`${name} has the condition ${type}`, async () => {
      const { status } = (await this.raw(path)) as { readonly status?: { readonly conditions?: readonly Condition[] } };
      return (
        status?.conditions?.find((condition) => condition.type === type && condition.status === "False")?.message ??
        null
      );
    });
  }

  /** `weft apply` of a file's text, for what must be refused or warned about. */
  applyText(yaml: string): Promise<CommandResult> {
    return this.mesh.weft(["apply", "-f", "-"], yaml);
  }

  /** As `apply`, of a file's text in any version. `drafts` name what goes after the test. */
  async applyVersions(yaml: string, drafts: readonly Draft[]): Promise<void> {
    const { code, stderr } = await this.applyText(yaml);
    assert.equal(code, 0, stderr);
    const written = drafts.map(toResource);
    this.#applied = [...this.#applied.filter((other) => !written.some((one) => isSame(one, other))), ...written];
    await this.settle();
  }

  /** One request through the sidecar of `from`, on a connection of its own. */
  call(from: App, { to, path = "/", method = "GET", headers = {} }: Request): Promise<CallAnswer> {
    return call({ port: this.outboundPort(from), host: to, path, method, headers });
  }

  outboundPort(app: App): number {
    return this.#outbound.get(app) ?? assert.fail(`no outbound port of ${app}`);
  }

  /** Where the app itself listens, past its sidecar: how a driver outside the mesh reaches it. */
  async appPort(app: App): Promise<number> {
    return Number((await this.mesh.line(new RegExp(`${app} listens on (\\d+)`)))[1]);
  }

  /** Of the only inbound listener of its sidecar. */
  inboundPort(app: App): number {
    return this.#inbound.get(app) ?? assert.fail(`no inbound port of ${app}`);
  }

  async allows(from: App, request: Request): Promise<Echo> {
    const answer = await this.call(from, request);
    assert.equal(answer.status, 200, `${describe(from, request)} is ${ALLOWED}; got ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body) as Echo;
  }

  async denies(from: App, request: Request): Promise<CallAnswer> {
    const answer = await this.call(from, request);
    assert.equal(answer.status, 403, `${describe(from, request)} is denied; got ${answer.status} ${answer.body}`);
    assert.equal(answer.headers["x-weft-failure"], "access_denied");
    return answer;
  }

  async fails(from: App, request: Request, failure: string): Promise<CallAnswer> {
    const answer = await this.call(from, request);
    assert.equal(
      answer.headers["x-weft-failure"],
      failure,
      `${describe(from, request)}: ${answer.status} ${answer.body}`,
    );
    return answer;
  }

  /** Who answers `count` requests, each on a connection of its own unless `port` says otherwise. */
  async share(from: App, request: Request, count: number): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (let done = 0; done < count; done += 1) {
      const answer = await this.call(from, request);
      const app = answer.status === 200 ? (JSON.parse(answer.body) as Echo).app : `${answer.status}`;
      counts.set(app, (counts.get(app) ?? 0) + 1);
    }
    return counts;
  }

  /** Opaque bytes to a name and port of the mesh: what came back for `text`, or how the connection ended. */
  async exchange(from: App, to: string, port: number, text: string): Promise<string> {
    const socket = this.open(from, to, port);
    try {
      socket.write(text);
      return await readOnce(socket);
    } finally {
      socket.destroy();
    }
  }

  /** A connection as the capture preload would open it. */
  open(from: App, to: string, port: number): Socket {
    const socket = connect({ host: "127.0.0.1", port: this.outboundPort(from), allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.write(encodeProxyHeader(to, port));
    return socket;
  }
}

/** "closed" when it ends without a byte. */
export function readOnce(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(LIMIT_MS, () => reject(new Error(`nothing came in ${LIMIT_MS} ms`)));
    socket.once("data", (bytes) => resolve(bytes.toString("latin1")));
    socket.once("close", () => resolve("closed"));
    socket.once("end", () => resolve("closed"));
  });
}

/** A resource as a test writes it. */
export interface Draft {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export type Match = Readonly<Record<string, unknown>>;

export function group(name: string, matches: readonly Match[]): Draft {
  return {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "HTTPRouteGroup",
    metadata: { name },
    spec: { matches: matches.map((match, index) => ({ name: `m${index}`, ...match })) },
  };
}

export function tcpRoute(name: string, ports: readonly number[]): Draft {
  return {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "TCPRoute",
    metadata: { name },
    spec: { matches: { ports } },
  };
}

export interface TargetDraft {
  readonly to: string;
  readonly from: readonly (string | { readonly name: string; readonly namespace: string })[];
  /** "http:group", "http:group/match,match", "tcp:route", "udp:route". */
  readonly rules: readonly string[];
}

const RULE_KINDS: Readonly<Record<string, string>> = { http: "HTTPRouteGroup", tcp: "TCPRoute", udp: "UDPRoute" };

export function target(name: string, { to, from, rules }: TargetDraft): Draft {
  return {
    apiVersion: "access.smi-spec.io/v1alpha4",
    kind: "TrafficTarget",
    metadata: { name },
    spec: {
      destination: { kind: "ServiceAccount", name: to },
      sources: from.map((source) => ({
        kind: "ServiceAccount",
        ...(typeof source === "string" ? { name: source } : source),
      })),
      rules: rules.map((rule) => {
        const [kind = "", rest = ""] = rule.split(":");
        const [route = "", matches] = rest.split("/");
        return {
          kind: RULE_KINDS[kind],
          name: route,
          ...(matches === undefined ? {} : { matches: matches.split(",") }),
        };
      }),
    },
  };
}

/** `weights`: "app-b=1 app-c=3". */
export function split(name: string, root: string, weights: string, matches?: readonly string[]): Draft {
  return {
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name },
    spec: {
      service: root,
      backends: weights.split(" ").map((text) => {
        const [backend = "", weight = ""] = text.split("=");
        return { service: backend, weight: Number(weight) };
      }),
      ...(matches === undefined ? {} : { matches: matches.map((one) => ({ kind: "HTTPRouteGroup", name: one })) }),
    },
  };
}

export interface PortDraft {
  readonly port: number;
  readonly name?: string;
  readonly targetPort?: number;
  readonly appProtocol?: string;
}

export function service(name: string, ports: readonly PortDraft[]): Draft {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { ports } };
}

/** An instance of the Service `name`: the sidecar of `account`, at `port` on loopback. */
export function endpoint(name: string, account: string, port: number, portName: string = ""): Draft {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}.${account}`,
      labels: {
        "kubernetes.io/service-name": name,
        "weft.dev/service-account": account,
        "weft.dev/workload": `${account}-0`,
      },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ name: portName, port }],
  };
}

export const ANY_HTTP: Draft = group("any-http", [{ pathRegex: ".*", methods: ["*"] }]);
export const ANY_TCP: Draft = tcpRoute("any-tcp", []);

/** Everything may call app-b and app-c: for what is not about access. */
export function openAll(...sources: readonly App[]): readonly Draft[] {
  return [
    ANY_TCP,
    ...["app-b", "app-c", "bytes", "sniffed"].map((to) =>
      target(`open-${to}`, { to, from: sources, rules: ["tcp:any-tcp"] }),
    ),
  ];
}

function toResource(draft: Draft): Resource {
  const { metadata, ...rest } = draft;
  const definition = KINDS.find(({ kind }) => kind === draft.kind);
  const isNamespaced = definition?.namespaced !== false;
  return { ...rest, metadata: { namespace: isNamespaced ? "default" : "", ...metadata } } as Resource;
}

function toKey({ apiVersion, kind, metadata }: Resource): {
  group: string;
  kind: string;
  namespace: string;
  name: string;
} {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return { group, kind, namespace: metadata.namespace, name: metadata.name };
}

function isSame(one: Resource, other: Resource): boolean {
  return JSON.stringify(toKey(one)) === JSON.stringify(toKey(other));
}

function describe(from: string, { to, path = "/", method = "GET", headers = {} }: Request): string {
  return `${from} -> ${method} ${to}${path} ${JSON.stringify(headers)}`;
}
