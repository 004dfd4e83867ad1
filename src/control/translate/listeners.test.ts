import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import type { PassthroughRule } from "../../proxy-node.ts";
import type { Resource } from "../../resources/resource.ts";
import { LISTENER_TYPE } from "../../xds/names.ts";
import {
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
  sampleTcpRoute,
} from "../model/sample-resources.ts";
import { decodeFrom, type SampleNode, sampleInbound, sampleNode, sampleSource } from "./sample-node.ts";

type Filter = envoy.config.listener.v3.Filter;
type Listener = envoy.config.listener.v3.Listener;
type Permission = envoy.config.rbac.v3.Permission;

const { Listener } = envoy.config.listener.v3;
const HCM = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3;

// ---- Outbound and ingress

test("a proxy has a listener for each socket that it bound", () => {
  const ingress = [{ address: "0.0.0.0", port: 8080, service: "default/web", servicePort: 80 }];
  const names = (options: SampleNode): unknown => [
    ...(sampleSource([]).viewFor(sampleNode(options)).get(LISTENER_TYPE)?.keys() ?? []),
  ];
  assert.deepEqual(names({ inbound: [sampleInbound()] }), ["outbound", "inbound/8000"]);
  assert.deepEqual(names({ ingress }), ["ingress/8080"]);
});

test("the outbound listener asks for the routes of its namespace", () => {
  const listener = listenerOf([], "outbound", { namespace: "shop" });
  assert.deepEqual(socketOf(listener), ["127.0.0.1", 15_001]);
  assert.equal(managerOf(listener.defaultFilterChain?.filters?.[0]).rds?.routeConfigName, "outbound/shop");
  assert.deepEqual(listener.filterChains ?? [], []);
});

test("the outbound listener has a chain for each opaque port, by every name of its Service", () => {
  const listener = listenerOf(
    [sampleService("db", { ports: [{ port: 5432, name: "tcp" }] }), sampleService("web")],
    "outbound",
  );
  assert.equal(listener.filterChains?.length, 1);
  const chain = listener.filterChains?.[0];
  assert.deepEqual(chain?.filterChainMatch?.serverNames, [
    "db",
    "db.default",
    "db.default.svc",
    "db.default.svc.cluster.local",
  ]);
  assert.equal(chain?.filterChainMatch?.destinationPort?.value, 5432);
  assert.equal(tcpProxyOf(chain?.filters?.[0]).cluster, "default/db:5432");
});

test("S22 connections to an opaque port are split by weight", () => {
  const ports = [{ port: 5432, name: "tcp" }];
  const resources = [
    sampleService("db", { ports }),
    sampleService("db-b", { ports }),
    sampleSplit("s", "db", { weights: { db: 9, "db-b": 1 } }),
  ];
  const chain = listenerOf(resources, "outbound").filterChains?.find(
    (candidate) => candidate.name === "default/db:5432",
  );
  assert.deepEqual(
    tcpProxyOf(chain?.filters?.[0]).weightedClusters?.clusters?.map(({ name, weight }) => [name, weight]),
    [
      ["default/db:5432", 9],
      ["default/db-b:5432", 1],
    ],
  );
});

const DETECT = [{ port: 7000, appProtocol: "detect" }];

test("a port that detects has a chain for opaque bytes and shares one for HTTP, and the bound of the wait", () => {
  const resources = [
    sampleService("a", { ports: DETECT }),
    sampleService("b", { ports: DETECT }),
    sampleService("c", { ports: [{ port: 7000, appProtocol: "tcp" }] }),
  ];
  const listener = listenerOf(resources, "outbound", { namespace: "other" });
  assert.deepEqual(
    listener.filterChains?.map(({ name, filterChainMatch: match }) => {
      return [name, match?.serverNames?.length, match?.destinationPort?.value, match?.applicationProtocols];
    }),
    [
      ["default/a:7000", 3, 7000, []],
      ["default/b:7000", 3, 7000, []],
      ["default/c:7000", 3, 7000, []],
      ["detect:7000", 6, 7000, ["http/1.0", "http/1.1", "h2c"]],
    ],
  );
  const http = managerOf(listener.filterChains?.[3]?.filters?.[0]);
  assert.equal(http.rds?.routeConfigName, "outbound/other");
  assert.deepEqual(
    [listener.listenerFiltersTimeout?.seconds, listener.listenerFiltersTimeout?.nanos],
    [0, 300_000_000],
  );
  assert.equal(listener.continueOnListenerFiltersTimeout, true);
  assert.deepEqual(
    listener.listenerFilters?.map(({ name }) => name),
    ["proxy_protocol", "tls_inspector", "http_inspector"].map((name) => `envoy.filters.listener.${name}`),
  );
});

test("opaque bytes of a port that detects never go to a backend that takes requests only", () => {
  const resources = [
    sampleService("root", { ports: DETECT }),
    sampleService("one", { ports: DETECT }),
    sampleService("two", { ports: [{ port: 7000, appProtocol: "http" }] }),
    sampleSplit("s", "root", { weights: { one: 1, two: 9 } }),
  ];
  const clusterOf = (listed: readonly Resource[]): unknown => {
    const chain = listenerOf(listed, "outbound").filterChains?.find(({ name }) => name === "default/root:7000");
    return tcpProxyOf(chain?.filters?.[0]).cluster;
  };
  assert.equal(clusterOf(resources), "default/one:7000");
  assert.equal(clusterOf([...resources.slice(0, 3), sampleSplit("s", "root", { weights: { two: 1 } })]), "none");
});

test("an ingress passes TLS on by server name, to services that take opaque bytes", () => {
  const rule = (host: string, service: string): PassthroughRule => ({ host, service, servicePort: 7000 });
  const passthrough = [rule("a.example", "default/a"), rule("*.b.example", "default/web"), rule("c.example", "x/gone")];
  const ingress = [{ address: "0.0.0.0", port: 8443, service: "", servicePort: 0, passthrough }];
  const resources = [
    sampleService("a", { ports: DETECT }),
    sampleService("web", { ports: [{ port: 7000, name: "http" }] }),
  ];
  const listener = listenerOf(resources, "ingress/8443", { ingress });
  assert.deepEqual(
    listener.filterChains?.map(({ filterChainMatch: match, filters, transportSocket }) => {
      return [match?.serverNames, match?.transportProtocol, tcpProxyOf(filters?.[0]).cluster, transportSocket];
    }),
    [
      [["a.example"], "tls", "default/a:7000", null],
      [["*.b.example"], "tls", "none", null],
      [["c.example"], "tls", "none", null],
    ],
  );
});

test("the ingress listener is plain and takes the peer's address for the client's", () => {
  const ingress = [{ address: "0.0.0.0", port: 8080, service: "default/web", servicePort: 80 }];
  const listener = listenerOf([], "ingress/8080", { ingress });
  assert.deepEqual(socketOf(listener), ["0.0.0.0", 8080]);
  assert.equal(listener.defaultFilterChain?.transportSocket, null);
  const manager = managerOf(listener.defaultFilterChain?.filters?.[0]);
  assert.equal(manager.rds?.routeConfigName, "ingress/8080");
  assert.equal(manager.useRemoteAddress?.value, true);
});

// ---- Inbound

test("an inbound listener demands a client certificate over TLS 1.3", () => {
  const chain = listenerOf([], "inbound/8000").filterChains?.[0];
  const TLS = envoy.extensions.transport_sockets.tls.v3;
  const context = TLS.DownstreamTlsContext.decode(chain?.transportSocket?.typedConfig?.value ?? new Uint8Array());
  assert.equal(context.requireClientCertificate?.value, true);
  const common = context.commonTlsContext;
  assert.equal(common?.tlsParams?.tlsMinimumProtocolVersion, TLS.TlsParameters.TlsProtocol.TLSv1_3);
  assert.equal(common?.validationContextSdsSecretConfig?.name, "trust-bundle");
  assert.deepEqual(
    common?.tlsCertificateSdsSecretConfigs?.map((secret) => secret.name),
    ["identity"],
  );
});

test("an inbound listener leads to the app, without a time limit of its own", () => {
  const manager = managerOf(listenerOf([], "inbound/8000").filterChains?.[0]?.filters?.[0]);
  const route = manager.routeConfig?.virtualHosts?.[0]?.routes?.[0]?.route;
  assert.equal(route?.cluster, "local:8000");
  assert.deepEqual([route?.timeout?.seconds, route?.timeout?.nanos], [0, 0]);
  assert.equal(manager.normalizePath?.value, true);
});

const GROUP = sampleGroup("g", [
  { name: "a", pathRegex: "/a", methods: ["GET"] },
  { name: "b", pathRegex: "/b" },
]);
const ALL = sampleTcpRoute("all", []);

test("A1 strict access without targets has rules that allow nothing", () => {
  assert.deepEqual(accessOf([]), { enforced: true, policies: {} });
});

test("A24 permissive access only counts what the rules would deny", () => {
  const target = sampleTarget("t", "web", { sources: ["a"], rules: ["TCPRoute/all"] });
  assert.deepEqual(accessOf([sampleMesh({ access: "permissive" }), ALL, target]), {
    enforced: false,
    policies: { "default/t": { who: ["default/a"], what: ["any"] } },
  });
});

test("A9 A8 matches are alternatives, and all parts of a match must hold", () => {
  const target = sampleTarget("t", "web", { sources: ["b/x", "a"], rules: ["HTTPRouteGroup/g"] });
  assert.deepEqual(accessOf([GROUP, target]).policies, {
    "default/t": { who: ["b/x", "default/a"], what: ["path /a & :method GET", "path /b"] },
  });
});

test("A13 each target is a policy of its own", () => {
  const resources = [
    GROUP,
    sampleTarget("one", "web", { sources: ["a"], rules: ["HTTPRouteGroup/g/a"] }),
    sampleTarget("two", "web", { sources: ["b"], rules: ["HTTPRouteGroup/g/b"] }),
    sampleTarget("other", "db", { sources: ["c"], rules: ["HTTPRouteGroup/g"] }),
  ];
  assert.deepEqual(accessOf(resources).policies, {
    "default/one": { who: ["default/a"], what: ["path /a & :method GET"] },
    "default/two": { who: ["default/b"], what: ["path /b"] },
  });
});

test("A12 A16 a target that allows nothing or nobody is no policy, least of all one for anybody", () => {
  const resources = [
    GROUP,
    sampleTarget("nobody", "web", { sources: [], rules: ["HTTPRouteGroup/g"] }),
    sampleTarget("nothing", "web", { sources: ["a"], rules: ["HTTPRouteGroup/gone"] }),
    sampleTarget("nowhere", "web", { sources: ["a"], rules: ["TCPRoute/gone"] }),
  ];
  assert.deepEqual(accessOf(resources), { enforced: true, policies: {} });
});

// The app listens on 8000 behind a socket on 9000; Service web leads there from port 80, Service alias from 81.
const PORTS: readonly Resource[] = [
  sampleService("web"),
  sampleService("alias", { ports: [{ port: 81 }] }),
  sampleSlice("w", "web", { port: 9000, workload: "web-0" }),
  sampleSlice("w-alias", "alias", { port: 9000, workload: "web-0", ready: false }),
  sampleService("elsewhere", { ports: [{ port: 82 }] }),
  sampleSlice("w-else", "elsewhere", { port: 9999, workload: "web-0" }),
];
const portCases: readonly (readonly [ports: readonly number[], opens: boolean])[] = [
  [[], true],
  [[80], true],
  [[81], true],
  [[8000], true],
  [[7, 80], true],
  [[82], false],
  [[9000], false],
  [[7], false],
];
for (const [ports, opens] of portCases) {
  test(`A25 a TCPRoute of ports [${ports.join(", ")}] ${opens ? "opens" : "does not open"} the app`, () => {
    const target = sampleTarget("t", "web", { sources: ["a"], rules: ["TCPRoute/r"] });
    const resources = [...PORTS, sampleTcpRoute("r", ports), target];
    assert.equal("default/t" in accessOf(resources).policies, opens);
    assert.equal("default/t" in accessOf(resources, "tcp").policies, opens);
  });
}

test("A20 on an HTTP port TCP and HTTP rules of one target must both hold", () => {
  const rules = (tcp: string): readonly string[] => [`TCPRoute/${tcp}`, "HTTPRouteGroup/g/b"];
  const resources = [
    ...PORTS,
    GROUP,
    sampleTcpRoute("right", [80]),
    sampleTcpRoute("wrong", [7]),
    sampleTarget("both", "web", { sources: ["a"], rules: rules("right") }),
    sampleTarget("one", "web", { sources: ["a"], rules: rules("wrong") }),
  ];
  assert.deepEqual(accessOf(resources).policies, { "default/both": { who: ["default/a"], what: ["path /b"] } });
});

test("on an opaque port TCP rules alone count", () => {
  const resources = [
    GROUP,
    ALL,
    sampleTarget("http", "web", { sources: ["a"], rules: ["HTTPRouteGroup/g"] }),
    sampleTarget("both", "web", { sources: ["a"], rules: ["HTTPRouteGroup/g", "TCPRoute/all"] }),
  ];
  assert.deepEqual(accessOf(resources, "tcp").policies, { "default/both": { who: ["default/a"], what: ["any"] } });
});

test("a port that detects tells links of opaque bytes by their protocol, and has rules of its own for them", () => {
  const resources = [
    GROUP,
    ALL,
    sampleTarget("http", "web", { sources: ["a"], rules: ["HTTPRouteGroup/g/b"] }),
    sampleTarget("both", "web", { sources: ["b"], rules: ["HTTPRouteGroup/g/b", "TCPRoute/all"] }),
    sampleTarget("tcp", "web", { sources: ["c"], rules: ["TCPRoute/all"] }),
  ];
  const chains = listenerOf(resources, "inbound/8000", { inbound: [sampleInbound("detect")] }).filterChains ?? [];
  assert.deepEqual(
    chains.map(({ filterChainMatch: match }) => match?.applicationProtocols ?? []),
    [[], ["weft-tcp"]],
  );
  const http = managerOf(chains[0]?.filters?.[0]).httpFilters?.[0]?.typedConfig?.value ?? new Uint8Array();
  const opaque = chains[1]?.filters?.[0]?.typedConfig?.value ?? new Uint8Array();
  const names = (rules: envoy.config.rbac.v3.RBAC | null | undefined): string[] => Object.keys(rules?.policies ?? {});
  assert.deepEqual(names(envoy.extensions.filters.http.rbac.v3.RBAC.decode(http).rules), [
    "default/both",
    "default/http",
    "default/tcp",
  ]);
  assert.deepEqual(names(envoy.extensions.filters.network.rbac.v3.RBAC.decode(opaque).rules), ["default/tcp"]);
});

test("an opaque inbound port decides before it connects to the app", () => {
  const filters = listenerOf([], "inbound/8000", { inbound: [sampleInbound("tcp")] }).filterChains?.[0]?.filters;
  assert.deepEqual(
    filters?.map((filter) => filter.name),
    ["envoy.filters.network.rbac", "envoy.filters.network.tcp_proxy"],
  );
  assert.equal(tcpProxyOf(filters?.[1]).cluster, "local:8000");
});

function listenerOf(resources: readonly Resource[], name: string, node: SampleNode = {}): Listener {
  const view = sampleSource(resources).viewFor(sampleNode({ inbound: [sampleInbound()], ...node }));
  return decodeFrom(view, LISTENER_TYPE, name, Listener);
}

function socketOf(listener: Listener): unknown {
  const socket = listener.address?.socketAddress;
  return [socket?.address, socket?.portValue];
}

function managerOf(
  filter: Filter | undefined,
): envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager {
  return HCM.decode(filter?.typedConfig?.value ?? new Uint8Array());
}

function tcpProxyOf(filter: Filter | undefined): envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy {
  return TcpProxy.decode(filter?.typedConfig?.value ?? new Uint8Array());
}

interface AccessSummary {
  readonly enforced: boolean;
  readonly policies: Readonly<Record<string, { readonly who: readonly string[]; readonly what: readonly string[] }>>;
}

/** The access rules of an app on port 8000 of workload web-0 with service account web. */
function accessOf(resources: readonly Resource[], protocol: "http" | "tcp" = "http"): AccessSummary {
  const listener = listenerOf(resources, "inbound/8000", { inbound: [sampleInbound(protocol)] });
  const first = listener.filterChains?.[0]?.filters?.[0];
  const filter = protocol === "tcp" ? first : managerOf(first).httpFilters?.[0];
  const bytes = filter?.typedConfig?.value ?? new Uint8Array();
  const rbac =
    protocol === "tcp"
      ? envoy.extensions.filters.network.rbac.v3.RBAC.decode(bytes)
      : envoy.extensions.filters.http.rbac.v3.RBAC.decode(bytes);
  const rules = rbac.rules ?? rbac.shadowRules;
  assert.ok(rules, "neither rules nor shadow rules");
  assert.equal(rules.action, envoy.config.rbac.v3.RBAC.Action.ALLOW);
  const policies = Object.entries(rules.policies ?? {}).map(([name, policy]) => {
    const who = (policy.principals ?? []).map((principal) => nameOf(principal));
    return [name, { who, what: (policy.permissions ?? []).map(describe) }] as const;
  });
  return { enforced: rbac.rules != null, policies: Object.fromEntries(policies) };
}

function nameOf(principal: envoy.config.rbac.v3.Principal): string {
  const id = principal.authenticated?.principalName?.exact ?? "";
  const parts = /^spiffe:\/\/shop\.mesh\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id);
  assert.ok(parts, `principal ${id}`);
  return `${parts[1]}/${parts[2]}`;
}

function describe(permission: Permission): string {
  if (permission.any === true) return "any";
  if (permission.andRules != null) return (permission.andRules.rules ?? []).map(describe).join(" & ");
  if (permission.urlPath != null) return `path ${permission.urlPath.path?.prefix}`;
  return `${permission.header?.name} ${permission.header?.stringMatch?.exact}`;
}
