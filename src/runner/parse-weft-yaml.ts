import { deepFreeze } from "../lib/deep-freeze.ts";
import type { Problem } from "../resources/problem.ts";
import { checkSchema, createProblem, type SchemaSource, sortProblems } from "../resources/schema-problems.ts";
import { parseYamlDocuments } from "../resources/yaml-document.ts";
import {
  type AddressSource,
  type CommandSource,
  formatVersionService,
  formatWorkload,
  INGRESS_ACCOUNT,
  type IngressEntry,
  type ServiceEntry,
  type StoreEntry,
  type VersionEntry,
  type WeftYaml,
} from "./weft-yaml.ts";
import {
  weftYamlSchema,
  type WrittenIngress,
  type WrittenInstances,
  type WrittenService,
  type WrittenStore,
  type WrittenWeftYaml,
} from "./weft-yaml-schema.ts";

export interface ParsedWeftYaml {
  /** Frozen; null when there is an error. */
  readonly config: WeftYaml | null;
  /** All of them, warnings too, ordered by position. */
  readonly problems: readonly Problem[];
  /** Where things stand in the file, for problems found later. */
  readonly source: SchemaSource;
}

const DEFAULT_SERVICE_PORT = 80;
/** It becomes a label's value. */
const MAX_WORKLOAD_LENGTH = 63;

/** Reads a weft.yaml. `file` is only named, never opened. Never throws. */
export function parseWeftYaml(text: string, file: string): ParsedWeftYaml {
  const { documents, problems } = parseYamlDocuments(text, file);
  if (problems.length > 0) return { config: null, problems, source: { file } };
  const [document, second] = documents;
  if (document === undefined || second !== undefined) {
    const found = document === undefined ? "an empty file" : `${documents.length} documents`;
    const place = second?.locate([], "value") ?? { line: 1, column: 1 };
    const expected = "one document with mesh and services";
    return {
      config: null,
      problems: [{ severity: "error", file, ...place, path: "", found, expected }],
      source: { file },
    };
  }
  const source: SchemaSource = { file, locate: document.locate };
  const checked = checkSchema(weftYamlSchema, document.value, source);
  if (checked.value === null) return { config: null, problems: checked.problems, source };
  const found = new Problems(source);
  const config = toConfig(checked.value, found);
  checkNames(config, found);
  return { config: found.hasErrors() ? null : deepFreeze(config), problems: sortProblems(found.all), source };
}

class Problems {
  readonly all: Problem[] = [];
  readonly #source: SchemaSource;

  constructor(source: SchemaSource) {
    this.#source = source;
  }

  add(path: readonly PropertyKey[], found: string, expected: string, part: "key" | "value" = "value"): void {
    this.all.push(createProblem(path, { found, expected }, { ...this.#source, part }));
  }

  warn(path: readonly PropertyKey[], found: string, expected: string): void {
    this.all.push(createProblem(path, { found, expected }, { ...this.#source, severity: "warning" }));
  }

  hasErrors(): boolean {
    return this.all.some((problem) => problem.severity === "error");
  }
}

function toConfig(written: WrittenWeftYaml, problems: Problems): WeftYaml {
  const services = Object.entries(written.services).map(([name, service]) =>
    toService(name, service, { zone: written.zone ?? "", problems }),
  );
  return {
    mesh: written.mesh,
    trustDomain: written.trustDomain ?? `${written.mesh}.mesh`,
    access: written.access,
    egress: written.egress,
    certificateLifetime: written.certificateLifetime,
    ingress: written.ingress.map((entry) => toIngress(entry, services)),
    ingressWorkers: written.ingressWorkers ?? 1,
    zone: written.zone ?? "",
    store: written.store === undefined ? null : toStore(written.store),
    services,
    resources: written.resources,
  };
}

function toStore(written: string | WrittenStore): StoreEntry {
  if (typeof written === "string") return { url: written, files: {} };
  const { url, ...files } = written;
  return { url, files };
}

function toIngress(written: WrittenIngress, services: readonly ServiceEntry[]): IngressEntry {
  const portOf = (name: string): number => {
    return services.find((candidate) => candidate.name === name)?.port ?? DEFAULT_SERVICE_PORT;
  };
  const { port, tls = null, bind, service = "" } = written;
  const passthrough = Object.entries(written.passthrough ?? {}).map(([host, name]) => {
    return { host, service: name, servicePort: portOf(name) };
  });
  return { port, tls, bind, service, servicePort: service === "" ? 0 : portOf(service), passthrough };
}

interface ServiceContext {
  readonly zone: string;
  readonly problems: Problems;
}

function toService(name: string, written: WrittenService, context: ServiceContext): ServiceEntry {
  const { problems } = context;
  const path = ["services", name];
  const zone = written.zone ?? context.zone;
  const versions: VersionEntry[] = [];
  if (written.versions === undefined) {
    const source = toSource(written, {}, path, problems);
    if (source !== null) versions.push({ name: "", source, zone });
  } else {
    for (const field of ["command", "address", "replicas", "appPort"] as const) {
      if (written[field] === undefined) continue;
      problems.add([...path, field], `${field} beside versions`, `${field} inside each version`, "key");
    }
    for (const [version, instances] of Object.entries(written.versions)) {
      const source = toSource(instances, written.env ?? {}, [...path, "versions", version], problems);
      if (source !== null) versions.push({ name: version, source, zone: instances.zone ?? zone });
    }
    if (Object.keys(written.versions).length === 0) {
      problems.add([...path, "versions"], "an empty object", "at least one version");
    }
  }
  return {
    name,
    port: written.port ?? defaultPort(written, versions),
    protocol: written.protocol,
    workers: written.workers ?? 1,
    ...(written.workloadApi === true ? { workloadApi: true } : {}),
    allow: written.allow ?? null,
    versions,
  };
}

/** Nobody expects a database on port 80; everybody expects a web service there. */
function defaultPort(written: WrittenService, versions: readonly VersionEntry[]): number {
  const source = versions[0]?.source;
  const isOpaque = written.protocol === "tcp" || written.protocol === "udp" || written.protocol === "detect";
  return isOpaque && source?.kind === "address" ? source.port : DEFAULT_SERVICE_PORT;
}

function toSource(
  written: WrittenInstances,
  sharedEnv: Readonly<Record<string, string>>,
  path: readonly PropertyKey[],
  problems: Problems,
): CommandSource | AddressSource | null {
  if (written.address !== undefined) {
    for (const field of ["command", "replicas", "appPort", "env"] as const) {
      if (written[field] === undefined) continue;
      problems.add(
        [...path, field],
        `${field} beside address`,
        "none: weft does not start what is at an address",
        "key",
      );
    }
    return { kind: "address", ...written.address };
  }
  if (written.command === undefined) {
    const found = written.env === undefined && written.replicas === undefined ? "nothing to run" : "no command";
    problems.add(path, found, "command, address or versions", "key");
    return null;
  }
  if (written.env?.["PORT"] !== undefined) {
    problems.add(
      [...path, "env", "PORT"],
      "PORT, which weft assigns",
      "appPort, when the app must listen on a port of its own",
      "key",
    );
  }
  const replicas = written.replicas ?? 1;
  if (written.appPort !== undefined && replicas > 1) {
    problems.add(
      [...path, "appPort"],
      `one port for ${replicas} replicas`,
      "replicas: 1, or no appPort (each instance then gets its own PORT)",
    );
  }
  return {
    kind: "command",
    command: written.command,
    replicas,
    appPort: written.appPort ?? null,
    env: { ...sharedEnv, ...written.env },
  };
}

/** Names that would meet elsewhere: as a Service, as a workload, as an account or as a listener. */
function checkNames(config: WeftYaml, problems: Problems): void {
  const services = new Map<string, string>(
    config.services.map((service) => [service.name, `the service ${service.name}`]),
  );
  const workloads = new Map<string, string>();
  for (const service of config.services) {
    if (service.name === INGRESS_ACCOUNT) {
      problems.add(
        ["services", service.name],
        `"${service.name}"`,
        "another name: this one is the ingress gateway's",
        "key",
      );
    }
    for (const version of service.versions) checkVersion(service, version, { services, workloads, problems });
    for (const [position, name] of (service.allow ?? []).entries()) {
      if (name === INGRESS_ACCOUNT || services.get(name)?.startsWith("the service ") === true) continue;
      problems.warn(
        ["services", service.name, "allow", position],
        `unknown name "${name}"`,
        "a service of this file, or ingress",
      );
    }
  }
  const ports = new Set<number>();
  for (const [position, entry] of config.ingress.entries()) {
    checkIngress(config, position, entry, problems);
    for (const field of ["port", "tls"] as const) {
      const port = entry[field];
      if (port === null) continue;
      if (port !== 0 && ports.has(port)) {
        problems.add(["ingress", position, field], String(port), "a port that no other entry has");
      }
      ports.add(port);
    }
  }
}

function checkIngress(config: WeftYaml, position: number, entry: IngressEntry, problems: Problems): void {
  const find = (name: string): ServiceEntry | undefined => config.services.find((service) => service.name === name);
  if (entry.service !== "" && find(entry.service) === undefined) {
    problems.warn(["ingress", position, "service"], `unknown name "${entry.service}"`, "a service of this file");
  }
  for (const { host, service: name } of entry.passthrough) {
    const path = ["ingress", position, "passthrough", host];
    const service = find(name);
    if (service === undefined) problems.warn(path, `unknown name "${name}"`, "a service of this file");
    else if (service.protocol !== "tcp" && service.protocol !== "detect") {
      const expected = "a service with protocol tcp or detect: TLS goes to it unopened";
      problems.add(path, `"${name}", which has protocol ${service.protocol}`, expected);
    }
  }
}

interface TakenNames {
  readonly services: Map<string, string>;
  readonly workloads: Map<string, string>;
  readonly problems: Problems;
}

function checkVersion(service: ServiceEntry, version: VersionEntry, taken: TakenNames): void {
  const path = version.name === "" ? ["services", service.name] : ["services", service.name, "versions", version.name];
  const owner = version.name === "" ? `the service ${service.name}` : `version ${version.name} of ${service.name}`;
  if (version.name !== "") {
    const name = formatVersionService(service.name, version.name);
    const other = taken.services.get(name);
    if (other !== undefined) {
      taken.problems.add(path, `"${name}", which is ${other}`, "a version whose Service name is free", "key");
    }
    taken.services.set(name, owner);
  }
  const count = version.source.kind === "command" ? version.source.replicas : 1;
  const longest = formatWorkload(service.name, version.name, count - 1);
  if (longest.length > MAX_WORKLOAD_LENGTH) {
    const expected = `at most ${MAX_WORKLOAD_LENGTH} characters for service, version and number`;
    taken.problems.add(path, `an instance named "${longest}"`, expected, "key");
  }
  for (let i = 0; i < count; i += 1) {
    const workload = formatWorkload(service.name, version.name, i);
    const other = taken.workloads.get(workload);
    if (other !== undefined) {
      taken.problems.add(path, `an instance "${workload}" of ${owner} and of ${other}`, "names that differ", "key");
      break;
    }
    taken.workloads.set(workload, owner);
  }
}
