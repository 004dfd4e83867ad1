import {
  HTTPS_REDIRECT_ANNOTATION,
  type Ingress,
  type IngressBackend,
  type IngressPath,
  type IngressRule,
} from "../../resources/ingress.ts";
import { readTlsSecret } from "../../resources/read-tls-secret.ts";
import { chooseIngresses } from "./choose-ingresses.ts";
import { compareText } from "./compare-text.ts";
import type { ConditionLog } from "./condition-log.ts";
import {
  type HostCertificate,
  type IngressHostModel,
  type IngressModel,
  type IngressPathModel,
  type IngressTarget,
  NO_INGRESS,
  type ServerCertificateModel,
} from "./ingress-model.ts";
import { keyOf, type ResourceIndex } from "./resource-index.ts";

/**
 * Joins all Ingresses that are weft's. Where two of them say something of the same host and path, or the same host's
 * certificate, the older one counts and the other hears of it.
 */
export function compileIngress(index: ResourceIndex, log: ConditionLog): IngressModel {
  const chosen = chooseIngresses(index.ingresses, index.ingressClasses, log);
  if (chosen.length === 0) return NO_INGRESS;
  const draft = new IngressDraft(index, log);
  for (const ingress of chosen) draft.add(ingress);
  return draft.finish();
}

interface HostDraft {
  readonly paths: Map<string, IngressPathModel>;
  defaultBackend: IngressTarget | null;
}

class IngressDraft {
  readonly #index: ResourceIndex;
  readonly #log: ConditionLog;
  readonly #hosts: Map<string, HostDraft> = new Map();
  readonly #certificates: Map<string, HostCertificate> = new Map();
  readonly #secrets: Map<string, ServerCertificateModel> = new Map();
  /** Whose TLS a host has, and whether it wants plain requests sent there. */
  readonly #tlsHosts: Map<string, boolean> = new Map();
  /** Which Ingress each certificate came from. */
  readonly #certificateOwners: Map<string, string> = new Map();
  #defaultBackend: IngressTarget | null = null;

  constructor(index: ResourceIndex, log: ConditionLog) {
    this.#index = index;
    this.#log = log;
  }

  add(ingress: Ingress): void {
    const fallback = ingress.spec.defaultBackend;
    const target = fallback === undefined ? null : this.#resolve(ingress, fallback);
    if (target !== null && ingress.spec.rules.length === 0) this.#takeDefault(ingress, target);
    for (const rule of ingress.spec.rules) this.#addRule(ingress, rule, target);
    this.#addTls(ingress, target);
  }

  finish(): IngressModel {
    const hosts = [...this.#hosts].map(([host, { paths, defaultBackend }]): IngressHostModel => ({
      host,
      paths: [...paths.values()].sort(compareSpecificity),
      defaultBackend,
      isHttpsOnly: this.#tlsHosts.get(host) ?? this.#tlsHosts.get(widen(host)) ?? false,
    }));
    return {
      hosts: hosts.sort((one, other) => compareText(one.host, other.host)),
      defaultBackend: this.#defaultBackend,
      certificates: [...this.#certificates.values()].sort((one, other) => compareText(one.host, other.host)),
      secrets: [...this.#secrets.values()].sort((one, other) => compareText(one.name, other.name)),
    };
  }

  /** Of an Ingress without rules; with rules it is for the other paths of its hosts. */
  #takeDefault(ingress: Ingress, target: IngressTarget): void {
    if (this.#defaultBackend === null) {
      this.#defaultBackend = target;
      return;
    }
    this.#conflict(ingress, `The default backend is that of the older Ingress "${this.#defaultBackend.ingress}"`);
  }

  #addRule(ingress: Ingress, { host, http }: IngressRule, fallback: IngressTarget | null): void {
    this.#hostOf(host).defaultBackend ??= fallback;
    for (const written of http?.paths ?? []) this.#addPath(ingress, host, written);
  }

  #addPath(ingress: Ingress, host: string, written: IngressPath): void {
    const { paths } = this.#hostOf(host);
    const target = this.#resolve(ingress, written.backend);
    const isExact = written.pathType === "Exact";
    const canonical = toCanonical(written.path);
    const path = isExact ? canonical : canonical.replace(/\/$/, "");
    const key = `${isExact ? "=" : "^"}${path}`;
    const other = paths.get(key);
    if (other === undefined) {
      paths.set(key, { path, isExact, target });
      return;
    }
    const place = `"${host === "" ? "*" : host}${written.path}" (${written.pathType})`;
    const owner = other.target.ingress;
    this.#conflict(
      ingress,
      owner === keyOf(ingress)
        ? `${place} is there twice; the first counts`
        : `${place} belongs to the older Ingress "${owner}"`,
    );
  }

  #hostOf(host: string): HostDraft {
    const known = this.#hosts.get(host);
    if (known !== undefined) return known;
    const draft: HostDraft = { paths: new Map(), defaultBackend: null };
    this.#hosts.set(host, draft);
    return draft;
  }

  #addTls(ingress: Ingress, fallback: IngressTarget | null): void {
    const { metadata, spec } = ingress;
    const isRedirected = metadata.annotations?.[HTTPS_REDIRECT_ANNOTATION] !== "false";
    for (const { hosts: written, secretName } of spec.tls) {
      const hosts = written.length > 0 ? written : spec.rules.length > 0 ? spec.rules.map(({ host }) => host) : [""];
      for (const host of hosts) {
        // A host without a rule has TLS, too, and what is sent there in the clear is redirected.
        this.#hostOf(host).defaultBackend ??= fallback;
        if (!this.#tlsHosts.has(host)) this.#tlsHosts.set(host, isRedirected);
      }
      if (secretName === undefined) continue;
      const secret = this.#readSecret(ingress, secretName);
      if (secret === null) continue;
      for (const host of hosts) this.#addCertificate(ingress, host, secret);
    }
  }

  #addCertificate(ingress: Ingress, host: string, secret: ServerCertificateModel): void {
    const other = this.#certificates.get(host);
    if (other === undefined) {
      this.#certificates.set(host, { host, secret: secret.name });
      this.#certificateOwners.set(host, keyOf(ingress));
      this.#secrets.set(secret.name, secret);
    } else if (other.secret !== secret.name) {
      const owner = this.#certificateOwners.get(host) ?? "";
      this.#conflict(
        ingress,
        `The certificate for "${host === "" ? "*" : host}" is that of the older Ingress "${owner}"`,
      );
    }
  }

  #readSecret(ingress: Ingress, name: string): ServerCertificateModel | null {
    const key = `${ingress.metadata.namespace}/${name}`;
    const secret = this.#index.secrets.get(key);
    const read = secret === undefined ? { fault: "there is none of that name" } : readTlsSecret(secret);
    if ("content" in read) {
      const { certificateChainPem, keyPem } = read.content;
      return { name: key, certificateChainPem, keyPem };
    }
    this.#log.add(ingress, "ResolvedRefs", {
      reason: secret === undefined ? "SecretNotFound" : "InvalidCertificate",
      message: `The Secret "${key}" cannot be used: ${read.fault}. Its hosts get the gateway's own certificate`,
    });
    return null;
  }

  #resolve(ingress: Ingress, { service: { name, port } }: IngressBackend): IngressTarget {
    const key = `${ingress.metadata.namespace}/${name}`;
    const service = this.#index.services.get(key);
    const found = service?.spec.ports.find((candidate) => {
      if (candidate.protocol !== "TCP") return false;
      return port.name === undefined ? candidate.port === port.number : candidate.name === port.name;
    });
    if (found !== undefined) return { ingress: keyOf(ingress), service: key, port: found.port };
    const wanted = port.name === undefined ? String(port.number) : `"${port.name}"`;
    this.#log.add(ingress, "ResolvedRefs", {
      reason: service === undefined ? "ServiceNotFound" : "PortNotFound",
      message:
        service === undefined
          ? `There is no Service "${key}", so its requests are answered with 503`
          : `The Service "${key}" has no TCP port ${wanted}, so its requests are answered with 503`,
    });
    return { ingress: keyOf(ingress), service: "", port: 0 };
  }

  #conflict(ingress: Ingress, message: string): void {
    this.#log.add(ingress, "Conflicted", { reason: "OlderIngress", message });
  }
}

/** The wildcard that stands for the host; a host that is one already stays as it is. */
function widen(host: string): string {
  const dot = host.indexOf(".");
  return dot < 0 ? host : `*${host.slice(dot)}`;
}

function compareSpecificity(one: IngressPathModel, other: IngressPathModel): number {
  return (
    other.path.length - one.path.length ||
    Number(other.isExact) - Number(one.isExact) ||
    compareText(one.path, other.path)
  );
}

/** As the proxy writes request paths (RFC 3986 section 6.2.2): unreserved characters unescaped, other escapes in capitals. */
function toCanonical(path: string): string {
  return path.replace(/%[0-9a-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
  });
}
