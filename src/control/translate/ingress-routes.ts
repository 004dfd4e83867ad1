import { envoy } from "#gen/protos.js";
import type { IngressPort } from "../../proxy-node.ts";
import { EMPTY_CLUSTER, formatIngressRoutes } from "../../xds/names.ts";
import type { IngressHostModel, IngressPathModel, IngressTarget } from "../model/ingress-model.ts";
import type { MeshModel, ServicePortModel } from "../model/mesh-model.ts";
import type { ResourceRecipe } from "./resource-set.ts";
import { createServiceRoutes } from "./service-routes.ts";

type HeaderMatcher = envoy.config.route.v3.HeaderMatcher;
type Route = envoy.config.route.v3.Route;
type RouteMatch = envoy.config.route.v3.RouteMatch;
type VirtualHost = envoy.config.route.v3.VirtualHost;

const { RouteConfiguration } = envoy.config.route.v3;
const { PERMANENT_REDIRECT } = envoy.config.route.v3.RedirectAction.RedirectResponseCode;

/** What an ingress does with requests from outside: Ingresses first, and the entry's own Service gets the rest. */
export function listIngressRoutes(model: MeshModel, entries: readonly IngressPort[]): ResourceRecipe[] {
  const httpsPort = findHttpsPort(entries);
  return entries.map((entry) => {
    const name = formatIngressRoutes(entry.port);
    const table = new IngressTable(model, entry, entry.tls === true ? null : httpsPort);
    return {
      name,
      inputs: table.inputs(),
      encode: () => {
        const virtualHosts = table.createVirtualHosts();
        return RouteConfiguration.encode({ name, virtualHosts, ignorePortInHostMatching: true }).finish();
      },
    };
  });
}

/** Where requests in the clear are sent to; null = nowhere. */
function findHttpsPort(entries: readonly IngressPort[]): number | null {
  return entries.find((entry) => entry.tls === true)?.port ?? null;
}

class IngressTable {
  readonly #model: MeshModel;
  readonly #entry: IngressPort;
  /** Null: nothing is redirected. */
  readonly #httpsPort: number | null;

  constructor(model: MeshModel, entry: IngressPort, httpsPort: number | null) {
    this.#model = model;
    this.#entry = entry;
    this.#httpsPort = httpsPort;
  }

  /** Whatever the routes are made of. */
  inputs(): readonly unknown[] {
    const { hosts, defaultBackend } = this.#model.ingress;
    const { service, servicePort } = this.#entry;
    const inputs: unknown[] = [service, servicePort, this.#httpsPort, hosts, defaultBackend];
    const targets = hosts.flatMap((host) => [...host.paths.map(({ target }) => target), host.defaultBackend]);
    for (const target of [...targets, defaultBackend, { service, port: servicePort }]) {
      const port = target === null ? null : this.#findPort(target.service, target.port);
      inputs.push(port?.protocol, port?.splits, port?.routePolicies);
    }
    return inputs;
  }

  createVirtualHosts(): VirtualHost[] {
    const { hosts } = this.#model.ingress;
    const virtualHosts = hosts.filter(({ host }) => host !== "").map((host) => this.#createHost(host));
    const rest = this.#finish([this.#findHost("")]);
    // Without any route the host is unknown, which is what a client should hear.
    if (rest.length > 0) virtualHosts.push({ name: "ingress", domains: ["*"], routes: rest });
    return virtualHosts;
  }

  #createHost(model: IngressHostModel): VirtualHost {
    const { host } = model;
    const general = this.#findHost("");
    if (host.startsWith("*.")) {
      // Envoy's `*.` stands for any number of labels, and an Ingress's for exactly one.
      const routes = this.#finish([model, general], [toOneLabel(host)]);
      return { name: `ingress ${host}`, domains: [host], routes };
    }
    const wildcard = this.#findHost(`*${host.slice(host.indexOf("."))}`);
    return { name: `ingress ${host}`, domains: [host], routes: this.#finish([model, wildcard, general]) };
  }

  /** All rules of the hosts that stand for one name, most specific first, then their default backends. `guard` is for the first. */
  #finish(hosts: readonly (IngressHostModel | null)[], guard: readonly HeaderMatcher[] = []): Route[] {
    const routes: Route[] = [];
    const known = hosts.flatMap((host, at) => (host === null ? [] : [{ host, headers: at === 0 ? guard : [] }]));
    for (const { host, headers } of known) {
      if (host.isHttpsOnly && this.#httpsPort !== null) {
        routes.push(createRedirect(this.#httpsPort, headers));
        if (headers.length === 0) return routes;
      } else
        for (const path of host.paths) routes.push(...this.#createRoutes(path.target, toConditions(path, headers)));
    }
    for (const { host, headers } of known) {
      if (host.defaultBackend === null) continue;
      routes.push(...this.#createRoutes(host.defaultBackend, { native: ANY, paths: [], headers }));
      if (headers.length === 0) return routes;
    }
    const { defaultBackend } = this.#model.ingress;
    const { service, servicePort } = this.#entry;
    if (defaultBackend !== null) routes.push(...this.#createRoutes(defaultBackend, ANYTHING));
    else if (service !== "") routes.push(...this.#createRoutes({ ingress: "", service, port: servicePort }, ANYTHING));
    return routes;
  }

  /** The routes of the Service, splits and policies included, each for what the Ingress lets through. */
  #createRoutes(target: IngressTarget, conditions: Conditions): Route[] {
    const service = this.#model.services.get(target.service);
    const port = this.#findPort(target.service, target.port);
    const routes =
      service === undefined || port === null
        ? [{ match: ANY, route: { cluster: EMPTY_CLUSTER } }]
        : createServiceRoutes(service, port);
    return routes.map((route) => restrict(route, conditions));
  }

  #findHost(host: string): IngressHostModel | null {
    return this.#model.ingress.hosts.find((candidate) => candidate.host === host) ?? null;
  }

  #findPort(service: string, number: number): ServicePortModel | null {
    return this.#model.services.get(service)?.ports.find(({ port }) => port === number) ?? null;
  }
}

interface Conditions {
  /** The path, for a route that has none of its own. */
  readonly native: RouteMatch;
  /** The path, for a route that has one. */
  readonly paths: readonly HeaderMatcher[];
  readonly headers: readonly HeaderMatcher[];
}

const ANY: RouteMatch = { prefix: "/" };
const ANYTHING: Conditions = { native: ANY, paths: [], headers: [] };

function toConditions({ path, isExact }: IngressPathModel, headers: readonly HeaderMatcher[]): Conditions {
  if (isExact) return { native: { path }, paths: [toPathHeader(quote(path))], headers };
  if (path === "") return { native: ANY, paths: [], headers };
  return { native: { pathSeparatedPrefix: path }, paths: [toPathHeader(`${quote(path)}(?:/[^?]*)?`)], headers };
}

/** A rewrite of a prefix is about what the route itself matched, so such a route keeps its path. */
function restrict(route: Route, { native, paths, headers }: Conditions): Route {
  const match = route.match ?? ANY;
  const own = match.headers ?? [];
  const isPlain = match.prefix === "/" && !route.route?.prefixRewrite && !route.redirect?.prefixRewrite;
  const path = isPlain ? native : match;
  const all = [...own, ...(isPlain ? [] : paths), ...headers];
  return { ...route, match: all.length === 0 ? path : { ...path, headers: all } };
}

function createRedirect(port: number, headers: readonly HeaderMatcher[]): Route {
  const match = headers.length === 0 ? ANY : { ...ANY, headers: [...headers] };
  return { match, redirect: { httpsRedirect: true, portRedirect: port, responseCode: PERMANENT_REDIRECT } };
}

/** Envoy's `:path` has the query, ours has not; the pattern is for both. */
function toPathHeader(regex: string): HeaderMatcher {
  return { name: ":path", stringMatch: { safeRegex: { regex: `${regex}(?:\\?.*)?` } } };
}

function toOneLabel(wildcard: string): HeaderMatcher {
  return { name: ":authority", stringMatch: { safeRegex: { regex: `[^.]+${quote(wildcard.slice(1))}(?::[0-9]+)?` } } };
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
