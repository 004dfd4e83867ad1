import type { ServiceModel } from "../model/mesh-model.ts";

/** What HTTP means by a URL without a port. */
const DEFAULT_HTTP_PORT = 80;

/** The names under which a client in `clientNamespace` may call a Service; lower case, without a trailing dot. */
export function listHostnames(service: ServiceModel, clientNamespace: string): string[] {
  const { namespace, name } = service;
  const isLocal = namespace === clientNamespace;
  // The root of a split that is no Service may be any DNS name. It means something in the split's own namespace only.
  if (name.includes(".")) return isLocal ? [name] : [];
  const full = [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
  return isLocal ? [name, ...full] : full;
}

/** As in a Host header: with the port, and without it where that means the same. */
export function listAuthorities(hostnames: readonly string[], port: number): string[] {
  const withPort = hostnames.map((name) => `${name}:${port}`);
  return port === DEFAULT_HTTP_PORT ? [...hostnames, ...withPort] : withPort;
}
