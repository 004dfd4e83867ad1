import { envoy } from "#gen/protos.js";
import type { BoundAddress, InboundPort, IngressPort } from "../../proxy-node.ts";
import {
  formatInboundListener,
  formatIngressListener,
  formatIngressRoutes,
  formatLocalCluster,
  formatOutboundRoutes,
  formatServiceCluster,
  OUTBOUND_LISTENER,
} from "../../xds/names.ts";
import type { ProxyNode } from "../config-source.ts";
import type { MeshModel, WorkloadModel } from "../model/mesh-model.ts";
import { listHostnames } from "./hostnames.ts";
import { type AccessRules, createHttpManager } from "./http-manager.ts";
import { createRules } from "./rbac.ts";
import type { ResourceRecipe } from "./resource-set.ts";
import { createLocalRoutes } from "./routes.ts";
import { listShares } from "./split-shares.ts";
import { createTcpAccessFilter, createTcpProxy } from "./tcp-filters.ts";
import { createDownstreamTls } from "./tls-sockets.ts";

type FilterChain = envoy.config.listener.v3.FilterChain;
type Listener = envoy.config.listener.v3.Listener;

const { Listener } = envoy.config.listener.v3;
const { INBOUND, OUTBOUND } = envoy.config.core.v3.TrafficDirection;

/** A listener for each socket that the proxy says it has bound. */
export function listListeners(model: MeshModel, node: ProxyNode, trustDomain: string): ResourceRecipe[] {
  const { outbound, inbound, ingress } = node.metadata;
  const recipes: ResourceRecipe[] = [];
  if (outbound !== null) recipes.push(outboundRecipe(model, node, outbound));
  for (const port of inbound) recipes.push(inboundRecipe(model, node, port, trustDomain));
  for (const entry of ingress) recipes.push(ingressRecipe(entry));
  return recipes;
}

/** HTTP by RDS; connections that name an opaque TCP port of a Service go to that, untouched. */
function outboundRecipe(model: MeshModel, node: ProxyNode, bound: BoundAddress): ResourceRecipe {
  const inputs: unknown[] = [bound.address, bound.port, node.namespace];
  for (const service of model.services.values()) {
    for (const { port, protocol, splits } of service.ports) {
      if (protocol === "tcp") inputs.push(service.namespace, service.name, port, splits);
    }
  }
  const create = (): Listener => ({
    name: OUTBOUND_LISTENER,
    address: toAddress(bound),
    trafficDirection: OUTBOUND,
    filterChains: createTcpChains(model, node.namespace),
    defaultFilterChain: {
      filters: [
        createHttpManager({
          statPrefix: OUTBOUND_LISTENER,
          routes: formatOutboundRoutes(node.namespace),
          access: null,
        }),
      ],
    },
  });
  return recipe(OUTBOUND_LISTENER, inputs, create);
}

function createTcpChains(model: MeshModel, clientNamespace: string): FilterChain[] {
  const chains: FilterChain[] = [];
  for (const service of model.services.values()) {
    const serverNames = listHostnames(service, clientNamespace);
    if (serverNames.length === 0) continue;
    for (const { port, protocol, splits } of service.ports) {
      if (protocol !== "tcp") continue;
      const name = formatServiceCluster(service.namespace, service.name, port);
      // Opaque ports have unconditional splits only, and at most one.
      const split = splits[0];
      const shares = split === undefined ? [{ cluster: name, weight: 1 }] : listShares(split, service.namespace, port);
      chains.push({
        name,
        filterChainMatch: { serverNames, destinationPort: { value: port } },
        filters: [createTcpProxy(name, shares)],
      });
    }
  }
  return chains;
}

/** Mutual TLS, then access control, then the app. */
function inboundRecipe(model: MeshModel, node: ProxyNode, port: InboundPort, trustDomain: string): ResourceRecipe {
  const name = formatInboundListener(port.appPort);
  const access = model.access.get(`${node.namespace}/${node.serviceAccount}`) ?? null;
  const workload = model.workloads.get(`${node.namespace}/${node.workload}`) ?? null;
  const enforced = model.settings.access === "strict";
  const create = (): Listener => {
    const guarded = { ports: listKnownPorts(port, workload), protocol: port.protocol };
    const rules = createRules(access, guarded, trustDomain);
    return {
      name,
      address: toAddress(port),
      trafficDirection: INBOUND,
      filterChains: [createInboundChain(name, port, { rules, enforced })],
    };
  };
  const { address, appPort, protocol } = port;
  return recipe(name, [address, port.port, appPort, protocol, access, workload, enforced], create);
}

function createInboundChain(name: string, port: InboundPort, access: AccessRules): FilterChain {
  const cluster = formatLocalCluster(port.appPort);
  if (port.protocol === "tcp") {
    const filters = [createTcpAccessFilter(name, access), createTcpProxy(name, [{ cluster, weight: 1 }])];
    return { name, transportSocket: createDownstreamTls([]), filters };
  }
  const manager = createHttpManager({ statPrefix: name, routes: createLocalRoutes(name, cluster), access });
  return { name, transportSocket: createDownstreamTls(["h2", "http/1.1"]), filters: [manager] };
}

/** The app's own port, and the ports of the Services whose endpoints lead to it (directly, or to the proxy's socket). */
function listKnownPorts(port: InboundPort, workload: WorkloadModel | null): ReadonlySet<number> {
  const ports = new Set([port.appPort]);
  for (const known of workload?.ports ?? []) {
    if (known.port === port.port || known.port === port.appPort) ports.add(known.servicePort);
  }
  return ports;
}

function ingressRecipe(entry: IngressPort): ResourceRecipe {
  const name = formatIngressListener(entry.port);
  const create = (): Listener => ({
    name,
    address: toAddress(entry),
    defaultFilterChain: {
      filters: [
        createHttpManager({ statPrefix: name, routes: formatIngressRoutes(entry.port), access: null, isEdge: true }),
      ],
    },
  });
  return recipe(name, [entry.address, entry.port], create);
}

function toAddress(bound: BoundAddress): envoy.config.core.v3.Address {
  return { socketAddress: { address: bound.address, portValue: bound.port } };
}

function recipe(name: string, inputs: readonly unknown[], create: () => Listener): ResourceRecipe {
  return { name, inputs, encode: () => Listener.encode(create()).finish() };
}
