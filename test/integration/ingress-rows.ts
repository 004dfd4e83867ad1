import type { Resource } from "../../src/resources/resource.ts";
import type { MadeCertificate } from "./ingress-certificates.ts";

/** `expected`: the service that answers, or the status. */
export type Row = readonly [behaviour: string, url: string, expected: string | number];

export function backend(name: string, port: number | string = 80): object {
  return {
    service: { name, port: typeof port === "number" ? { number: port } : { name: port } },
  };
}
export function path(text: string, pathType: string, name: string, port?: number | string): object {
  return {
    path: text,
    pathType,
    backend: backend(name, port),
  };
}

export function ingress(
  name: string,
  spec: object,
  annotations: Record<string, string> = {},
  namespace = "default",
): Resource {
  const metadata = { name, namespace, annotations };
  return { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec };
}

export function ingressClass(name: string, controller: string, isDefault = false): Resource {
  const annotations: Record<string, string> = isDefault
    ? { "ingressclass.kubernetes.io/is-default-class": "true" }
    : {};
  const metadata = { name, namespace: "", annotations };
  return { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata, spec: { controller } };
}

export function tlsSecret(name: string, made: MadeCertificate): Resource {
  const encode = (text: string): string => Buffer.from(text).toString("base64");
  const data = { "tls.crt": encode(made.certificate), "tls.key": encode(made.key) };
  const metadata = { name, namespace: "default" };
  return { apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", metadata, data };
}

export const PATH_ROWS: readonly Row[] = [
  ["Exact: the same path", "http://paths.test/exact", "web"],
  ["Exact: a slash behind it is another path", "http://paths.test/exact/", 404],
  ["Exact: what goes on behind it is another path", "http://paths.test/exact/more", 404],
  ["Exact: case counts", "http://paths.test/Exact", 404],
  ["Exact with a slash at its end: not without it", "http://paths.test/slash", 404],
  ["Exact with a slash at its end: with it", "http://paths.test/slash/", "web"],
  ["Exact: the query is no part of the path", "http://paths.test/exact?a=/b", "web"],
  ["Prefix: the same path", "http://paths.test/pre", "api"],
  ["Prefix: a slash behind it", "http://paths.test/pre/", "api"],
  ["Prefix: more elements behind it", "http://paths.test/pre/a/b", "api"],
  ["Prefix: not half an element", "http://paths.test/prefix", 404],
  ["Prefix: case counts", "http://paths.test/PRE", 404],
  ["Prefix with a slash at its end: also without it", "http://paths.test/dir", "api"],
  ["Prefix with a slash at its end: with it", "http://paths.test/dir/x", "api"],
  ["Prefix of several elements", "http://paths.test/aaa/bb", "shop"],
  ["Prefix of several elements: not half of the last", "http://paths.test/aaa/bbb", 404],
  ["the longest prefix is taken", "http://paths.test/pre/long/x", "shop"],
  ["an exact path before the same prefix", "http://paths.test/both", "web"],
  ["behind the exact path the prefix", "http://paths.test/both/x", "shop"],
  ["ImplementationSpecific is Prefix", "http://paths.test/impl/x", "web"],
  ["ImplementationSpecific: not half an element", "http://paths.test/implx", 404],
  ["dot segments are resolved before paths are compared", "http://paths.test/x/../exact", "web"],
  ["percent-encoded letters are the letters", "http://paths.test/%65xact", "web"],
  ["a backend's port by name", "http://paths.test/named", "web"],
  ["a backend's port that does not exist", "http://paths.test/noport", 503],
  ["a backend that does not exist", "http://paths.test/noservice", 503],
  ["a service that does not allow the ingress", "http://paths.test/closed", 403],
  ["the port of the Host field does not count", "http://paths.test:PORT/exact", "web"],
  ["the host in capitals", "http://PATHS.TEST/exact", "web"],
  ["the host with a dot at its end", "http://paths.test./exact", "web"],
  ["an exact host before the wildcard", "http://one.wild.test/", "web"],
  ["a wildcard stands for one label", "http://two.wild.test/", "api"],
  ["a wildcard does not stand for two labels", "http://a.b.wild.test/", 404],
  ["a wildcard does not stand for none", "http://wild.test/", 404],
  ["a rule without host is for every host", "http://elsewhere.test/general", "shop"],
  ["a rule without host is for hosts of others, too", "http://paths.test/general", "shop"],
  ["an unknown host and path without default backend", "http://elsewhere.test/", 404],
  ["of two Ingresses with one host both count", "http://paths.test/second", "shop"],
  ["an Ingress of another class is left alone", "http://foreign.test/", 404],
  ["an Ingress of a class that does not exist is left alone", "http://noclass.test/", 404],
  ["an Ingress of weft's class, by name", "http://classed.test/", "web"],
  ["an Ingress of weft's class, by the old annotation", "http://annotated.test/", "web"],
  ["the default backend of an Ingress is for the other paths of its hosts", "http://own.test/other", "api"],
  ["… and its rules count before it", "http://own.test/rule", "web"],
];

export const RESOURCES: readonly Resource[] = [
  ingressClass("weft", "weft.dev/ingress"),
  ingressClass("nginx", "k8s.io/ingress-nginx"),
  ingress("paths", {
    rules: [
      {
        host: "paths.test",
        http: {
          paths: [
            path("/exact", "Exact", "web"),
            path("/slash/", "Exact", "web"),
            path("/pre", "Prefix", "api"),
            path("/dir/", "Prefix", "api"),
            path("/aaa/bb", "Prefix", "shop"),
            path("/pre/long", "Prefix", "shop"),
            path("/both", "Prefix", "shop"),
            path("/both", "Exact", "web"),
            path("/impl", "ImplementationSpecific", "web"),
            path("/named", "Exact", "named", "main"),
            path("/noport", "Exact", "web", 81),
            path("/noservice", "Exact", "nobody"),
            path("/closed", "Exact", "closed"),
          ],
        },
      },
    ],
  }),
  ingress("hosts", {
    rules: [
      { host: "*.wild.test", http: { paths: [path("/", "Prefix", "api")] } },
      { host: "one.wild.test", http: { paths: [path("/", "Prefix", "web")] } },
      { http: { paths: [path("/general", "Prefix", "shop")] } },
    ],
  }),
  ingress("second", { rules: [{ host: "paths.test", http: { paths: [path("/second", "Prefix", "shop")] } }] }),
  ingress("foreign", {
    ingressClassName: "nginx",
    rules: [{ host: "foreign.test", http: { paths: [path("/", "Prefix", "web")] } }],
  }),
  ingress("noclass", {
    ingressClassName: "nobody",
    rules: [{ host: "noclass.test", http: { paths: [path("/", "Prefix", "web")] } }],
  }),
  ingress("classed", {
    ingressClassName: "weft",
    rules: [{ host: "classed.test", http: { paths: [path("/", "Prefix", "web")] } }],
  }),
  ingress(
    "annotated",
    { rules: [{ host: "annotated.test", http: { paths: [path("/", "Prefix", "web")] } }] },
    { "kubernetes.io/ingress.class": "weft" },
  ),
  ingress("own", {
    defaultBackend: backend("api"),
    ingressClassName: "weft",
    rules: [{ host: "own.test", http: { paths: [path("/rule", "Exact", "web")] } }],
  }),
];
