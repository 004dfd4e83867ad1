import { RE2JS } from "re2js";

// Who may call whom, by the words of SMI (TrafficTarget v1alpha3, specs v1alpha4) and of docs/smi.md where SMI is silent.
// Written from those texts, over resources as users write them; it shares nothing with the mesh but the regular expressions.

export interface WrittenMatch {
  readonly name: string;
  readonly pathRegex?: string;
  readonly methods?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Written {
  readonly name: string;
  readonly namespace: string;
}

export interface WrittenSubject {
  readonly name: string;
  readonly namespace?: string;
}

export interface WrittenRule {
  readonly kind: "HTTPRouteGroup" | "TCPRoute" | "UDPRoute";
  readonly name: string;
  readonly matches?: readonly string[];
}

export interface WrittenTarget extends Written {
  readonly destination: WrittenSubject;
  readonly rules: readonly WrittenRule[];
  readonly sources: readonly WrittenSubject[];
}

export interface WrittenPolicies {
  readonly groups: readonly (Written & { readonly matches: readonly WrittenMatch[] })[];
  readonly tcpRoutes: readonly (Written & { readonly ports?: readonly number[] })[];
  readonly udpRoutes: readonly (Written & { readonly ports?: readonly number[] })[];
  readonly targets: readonly WrittenTarget[];
}

/** One call, as it arrives at an instance of the service account `to`. */
export interface Call {
  readonly from: { readonly namespace: string; readonly name: string } | null;
  readonly to: { readonly namespace: string; readonly name: string };
  /** Every number that the port has: of the app, and of the Services that lead to it. */
  readonly ports: readonly number[];
  /** Datagrams: `request` is null. */
  readonly isUdp: boolean;
  /** Null = opaque bytes; `declared`: the port is said to be opaque, rather than found to be. */
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly (readonly [string, string])[];
  } | null;
  readonly declared: boolean;
}

/** True when any TrafficTarget allows the call. */
export function isAllowedBySpec({ groups, tcpRoutes, udpRoutes, targets }: WrittenPolicies, call: Call): boolean {
  return targets.some(({ namespace, destination, rules, sources }) => {
    const is = (subject: WrittenSubject, who: Call["to"]): boolean =>
      subject.name === who.name && (subject.namespace ?? namespace) === who.namespace;
    if (call.from === null || !is(destination, call.to) || namespace !== call.to.namespace) return false;
    const { from, request } = call;
    if (!sources.some((source) => is(source, from))) return false;
    const http = rules.filter((rule) => rule.kind === "HTTPRouteGroup");
    const tcp = rules.filter((rule) => rule.kind === "TCPRoute");
    const named = (rule: WrittenRule) => (one: Written) => one.name === rule.name && one.namespace === namespace;
    const fitsPort = (routes: WrittenPolicies["tcpRoutes"]) => (rule: WrittenRule) => {
      const ports = routes.filter(named(rule)).map((route) => route.ports ?? []);
      return ports.some((list) => list.length === 0 || list.some((port) => call.ports.includes(port)));
    };
    if (call.isUdp) return rules.filter((rule) => rule.kind === "UDPRoute").some(fitsPort(udpRoutes));
    const fitsTcp = tcp.some(fitsPort(tcpRoutes));
    if (request === null) return fitsTcp && (call.declared || http.length === 0);
    const fitsHttp = http.some((rule) => {
      const wanted = rule.matches ?? [];
      const matches = groups.filter(named(rule)).flatMap((group) => group.matches);
      const chosen = matches.filter((match) => wanted.length === 0 || wanted.includes(match.name));
      return chosen.some((match) => fitsRequest(match, request));
    });
    return (http.length === 0 || fitsHttp) && (tcp.length === 0 || fitsTcp) && http.length + tcp.length > 0;
  });
}

function fitsRequest(match: WrittenMatch, request: NonNullable<Call["request"]>): boolean {
  const methods = match.methods ?? [];
  if (methods.length > 0 && !methods.includes("*") && !methods.includes(request.method)) return false;
  const { pathRegex = "" } = match;
  const path = request.path.replace(/\?.*/, "");
  const anyPath = pathRegex === "" || pathRegex === "*";
  if (!anyPath && !compile(pathRegex).matcher(path).lookingAt()) return false;
  return Object.entries(match.headers ?? {}).every(([name, regex]) => {
    const values = request.headers
      .filter(([other]) => other.toLowerCase() === name.toLowerCase())
      .map(([, value]) => value);
    const separator = name.toLowerCase() === "cookie" ? "; " : ", ";
    return values.length > 0 && compile(regex).matcher(values.join(separator)).find();
  });
}

const compiled = new Map<string, RE2JS>();

function compile(regex: string): RE2JS {
  const pattern = compiled.get(regex) ?? RE2JS.compile(regex);
  compiled.set(regex, pattern);
  return pattern;
}
