import { ENDPOINT_TYPE, formatServiceCluster } from "../../xds/names.ts";
import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { LayerCache, NO_RESOURCES } from "../layered-resources.ts";
import type { AccessModel, MeshModel, ServiceModel, ServicePortModel } from "../model/mesh-model.ts";
import { endpointsRecipe, withheldRecipe } from "./endpoints.ts";
import { ResourceSet } from "./resource-set.ts";

/** What of a model is another than before. */
export interface ModelChanges {
  /** Keys of `services`. */
  readonly services: readonly string[];
  /** Keys of `access`. */
  readonly access: readonly string[];
}

/** Whose view of endpoints is another than before: everybody's, or that of these callers ("<namespace>/<service account>"). */
export type ChangedCallers = "all" | ReadonlySet<string>;

/**
 * Which endpoints a proxy is given. Under `access: strict` it gets those of the Services that some TrafficTarget lets its
 * identity call; of all the others it gets the mark that they are withheld, which is the same for everybody. So a change of
 * endpoints is sent to those alone who may use them, and a new grant brings the endpoints with it. The instances' own
 * proxies decide about each request as ever: a caller with endpoints is not yet allowed anything.
 *
 * A port of which no service account is known yet is nobody's secret: it has no endpoints.
 */
export class EndpointViews {
  readonly #all: ResourceSet = new ResourceSet(ENDPOINT_TYPE);
  /** Withheld, as far as there is somebody who could be allowed. */
  readonly #withheld: ResourceSet = new ResourceSet(ENDPOINT_TYPE);
  readonly #ports: Map<string, PortAccess> = new Map();
  /** Names by the service accounts of their instances: what a change of access may concern. */
  readonly #byAccount: Map<string, Set<string>> = new Map();
  readonly #callers: Map<string, CallerView> = new Map();
  #enforced: boolean = false;

  /** `before`: the model of the last update, null at the first. */
  update(before: MeshModel | null, model: MeshModel, changes: ModelChanges): ChangedCallers {
    const enforced = model.settings.access === "strict";
    const wasEnforced = this.#enforced;
    this.#enforced = enforced;
    const [all, withheld] = [this.#all.resources, this.#withheld.resources];
    const changed = this.#updatePorts(before, model, changes);
    if (enforced !== wasEnforced) return "all";
    const isShared = enforced ? this.#withheld.resources !== withheld : this.#all.resources !== all;
    if (isShared) return "all";
    return enforced ? changed : NOBODY;
  }

  viewFor(caller: string): ResourcesByName {
    if (!this.#enforced) return this.#all.resources;
    const known = this.#callers.get(caller);
    return known === undefined ? this.#withheld.resources : known.layers.join(this.#withheld.resources, known.own);
  }

  #updatePorts(before: MeshModel | null, model: MeshModel, changes: ModelChanges): ReadonlySet<string> {
    const wanted = new Map<string, PortSource>();
    const removed = new Set<string>();
    for (const key of changes.services) {
      for (const { name } of listPorts(before?.services.get(key))) removed.add(name);
      for (const source of listPorts(model.services.get(key))) {
        removed.delete(source.name);
        wanted.set(source.name, source);
      }
    }
    for (const account of changes.access) {
      for (const name of this.#byAccount.get(account) ?? []) {
        const source = this.#ports.get(name)?.source;
        if (source !== undefined && !wanted.has(name) && !removed.has(name)) wanted.set(name, source);
      }
    }
    const draft = new CallerDraft(this.#callers);
    for (const name of removed) this.#removePort(name, draft);
    this.#all.change(
      [...wanted.values()].map(({ name, port }) => endpointsRecipe(name, port)),
      removed,
    );
    this.#withheld.change(
      [...wanted.values()].map((source) => toSharedRecipe(source, model.access)),
      removed,
    );
    for (const source of wanted.values()) this.#putPort(source, model.access, draft);
    return draft.finish();
  }

  #removePort(name: string, draft: CallerDraft): void {
    const known = this.#ports.get(name);
    if (known === undefined) return;
    this.#ports.delete(name);
    this.#unlist(known.source);
    for (const caller of known.callers) draft.delete(caller, name);
  }

  #putPort(source: PortSource, access: MeshModel["access"], draft: CallerDraft): void {
    const { name } = source;
    const resource = this.#all.resources.get(name);
    const known = this.#ports.get(name);
    if (resource === undefined) return;
    const callers = listCallers(source, access);
    for (const caller of known?.callers ?? NOBODY) if (!callers.has(caller)) draft.delete(caller, name);
    for (const caller of callers) draft.set(caller, resource);
    if (known !== undefined) this.#unlist(known.source);
    for (const account of listAccounts(source)) {
      const names = this.#byAccount.get(account);
      if (names === undefined) this.#byAccount.set(account, new Set([name]));
      else names.add(name);
    }
    this.#ports.set(name, { source, callers });
  }

  #unlist(source: PortSource): void {
    for (const account of listAccounts(source)) {
      const names = this.#byAccount.get(account);
      names?.delete(source.name);
      if (names?.size === 0) this.#byAccount.delete(account);
    }
  }
}

/** One port of a Service, under its cluster's name. */
interface PortSource {
  readonly name: string;
  readonly namespace: string;
  readonly port: ServicePortModel;
}

interface PortAccess {
  readonly source: PortSource;
  /** "<namespace>/<service account>" of those who get its endpoints. */
  readonly callers: ReadonlySet<string>;
}

interface CallerView {
  readonly own: ResourcesByName;
  readonly layers: LayerCache;
}

/** Changes of many callers' maps, each of which is copied once at most. */
class CallerDraft {
  readonly #callers: Map<string, CallerView>;
  readonly #changed: Map<string, Map<string, EncodedResource>> = new Map();

  constructor(callers: Map<string, CallerView>) {
    this.#callers = callers;
  }

  set(caller: string, resource: EncodedResource): void {
    if (this.#read(caller).get(resource.name) !== resource) this.#write(caller).set(resource.name, resource);
  }

  delete(caller: string, name: string): void {
    if (this.#read(caller).has(name)) this.#write(caller).delete(name);
  }

  finish(): ReadonlySet<string> {
    for (const [caller, own] of this.#changed) {
      if (own.size === 0) this.#callers.delete(caller);
      else this.#callers.set(caller, { own, layers: this.#callers.get(caller)?.layers ?? new LayerCache() });
    }
    return new Set(this.#changed.keys());
  }

  #read(caller: string): ResourcesByName {
    return this.#changed.get(caller) ?? this.#callers.get(caller)?.own ?? NO_RESOURCES;
  }

  #write(caller: string): Map<string, EncodedResource> {
    let own = this.#changed.get(caller);
    if (own === undefined) {
      own = new Map(this.#callers.get(caller)?.own);
      this.#changed.set(caller, own);
    }
    return own;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

function listPorts(service: ServiceModel | undefined): readonly PortSource[] {
  if (service === undefined) return [];
  const { namespace, name, ports } = service;
  return ports.map((port) => ({ name: formatServiceCluster(namespace, name, port.port), namespace, port }));
}

function listAccounts({ namespace, port }: PortSource): readonly string[] {
  return port.serviceAccounts.map((account) => `${namespace}/${account}`);
}

/** Everybody whom any target of any of the instances' identities names, whatever requests it allows. */
function listCallers(source: PortSource, access: MeshModel["access"]): ReadonlySet<string> {
  const callers = new Set<string>();
  for (const account of listAccounts(source)) {
    for (const target of access.get(account)?.targets ?? []) for (const caller of target.sources) callers.add(caller);
  }
  return callers;
}

/** What those get who are not allowed. */
function toSharedRecipe(source: PortSource, access: MeshModel["access"]): ReturnType<typeof endpointsRecipe> {
  const [destination] = listAccounts(source);
  if (destination === undefined) return endpointsRecipe(source.name, source.port);
  const rules: AccessModel | null = access.get(destination) ?? null;
  return withheldRecipe(source.name, source.port, { destination, access: rules });
}
