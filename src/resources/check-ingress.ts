import type { Ingress, IngressBackend } from "./ingress.ts";
import { LEGACY_CLASS_ANNOTATION } from "./ingress.ts";
import { type NamedResources, unknownName, type Warn } from "./named-resources.ts";
import type { Secret } from "./secret.ts";
import type { Service } from "./service.ts";

/** Backends, certificates and a class that are not there. */
export function checkIngress(ingress: Ingress, index: NamedResources, warn: Warn): void {
  const { namespace } = ingress.metadata;
  const { defaultBackend, ingressClassName, rules, tls } = ingress.spec;
  const checkBackend = ({ service }: IngressBackend, path: readonly PropertyKey[]): void => {
    const found = index.find("Service", namespace, service.name) as Service | null;
    if (found === null) {
      const expected = `a Service of namespace "${namespace}" (requests are answered with 503)`;
      warn([...path, "service", "name"], unknownName(service.name), expected);
      return;
    }
    const { number, name } = service.port;
    if (found.spec.ports.some((port) => port.port === number || (name !== undefined && port.name === name))) return;
    const ports = found.spec.ports.map((port) => (port.name === undefined ? port.port : `${port.port} (${port.name})`));
    const expected = `a port of Service "${service.name}", which has ${ports.join(", ") || "none"} (requests are answered with 503)`;
    warn(
      [...path, "service", "port", number === undefined ? "name" : "number"],
      number === undefined ? JSON.stringify(name) : String(number),
      expected,
    );
  };
  if (defaultBackend !== undefined) checkBackend(defaultBackend, ["spec", "defaultBackend"]);
  for (const [position, rule] of rules.entries()) {
    for (const [at, { backend }] of (rule.http?.paths ?? []).entries()) {
      checkBackend(backend, ["spec", "rules", position, "http", "paths", at, "backend"]);
    }
  }
  for (const [position, { secretName }] of tls.entries()) {
    if (secretName === undefined) continue;
    const found = index.find("Secret", namespace, secretName) as Secret | null;
    if (found?.type === "kubernetes.io/tls") continue;
    const what = found === null ? unknownName(secretName) : `${JSON.stringify(secretName)} of type ${found.type}`;
    const expected = `a Secret of type kubernetes.io/tls of namespace "${namespace}" (clients get a certificate that they do not trust)`;
    warn(["spec", "tls", position, "secretName"], what, expected);
  }
  const legacy = ingress.metadata.annotations?.[LEGACY_CLASS_ANNOTATION];
  const path =
    ingressClassName === undefined
      ? ["metadata", "annotations", LEGACY_CLASS_ANNOTATION]
      : ["spec", "ingressClassName"];
  const className = ingressClassName ?? legacy;
  if (className === undefined || index.find("IngressClass", "", className) !== null) return;
  warn(path, unknownName(className), "an IngressClass (without it this Ingress is left alone)");
}
