import type { EndpointSlice } from "../../resources/endpoint-slice.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Service } from "../../resources/service.ts";
import type { TrafficTarget } from "../../resources/traffic-target.ts";
import { compareText } from "./compare-text.ts";
import { compileTarget, joinTargets } from "./compile-access.ts";
import { collectWorkloads, type WorkloadDraft } from "./compile-endpoints.ts";
import { compileIngress } from "./compile-ingress.ts";
import { compileSettings } from "./compile-model.ts";
import type { PortPolicies } from "./compile-policies.ts";
import { compileAllPolicies, compileBareRoot, compileService, reportServiceSlices } from "./compile-services.ts";
import { compileSplits, type SplitTable } from "./compile-splits.ts";
import { ConditionLog } from "./condition-log.ts";
import { LiveIndex } from "./live-index.ts";
import { type IngressModel, NO_INGRESS } from "./ingress-model.ts";
import type { AccessModel, Condition, MeshModel, ServiceModel, TargetModel } from "./mesh-model.ts";
import { carriedPorts } from "./service-ports.ts";
import { shareStructure } from "./share-structure.ts";
import { WorkloadTable } from "./workload-table.ts";

/**
 * `compileModel` for resources that change one by one: the same model, at the cost of what changed. What one kind says of
 * another is in four parts, each compiled again only when a kind it reads has changed: splits, policies, Services with
 * their endpoints (each by itself), and access (each target by itself). Endpoints, which change most, touch one Service.
 */
export class ModelCompiler {
  readonly #index: LiveIndex = new LiveIndex();
  #parts: Parts = new Parts();

  /** It counts from the next `compile` on, in place of an earlier one of the same kind and name. */
  put(resource: Resource): void {
    this.#index.put(resource);
  }

  delete(resource: Resource): void {
    this.#index.delete(resource);
  }

  /** The model of all resources as of now; the same object when nothing in it changed. */
  compile(): MeshModel {
    const changes = this.#index.takeChanges();
    try {
      return this.#parts.update(this.#index, changes);
    } catch (error) {
      // Half of it may be of one state and half of another: from here on all of it is made anew.
      this.#parts = new Parts();
      throw error;
    }
  }
}

const SPLIT_KINDS: readonly string[] = ["TrafficSplit", "Service", "HTTPRouteGroup"];
const POLICY_KINDS: readonly string[] = [...SPLIT_KINDS, "TrafficPolicy", "ServiceAccount"];
const INGRESS_KINDS: readonly string[] = ["Ingress", "IngressClass", "Secret", "Service"];
/** What TrafficTargets refer to. */
const TARGET_RULE_KINDS: readonly string[] = ["HTTPRouteGroup", "TCPRoute", "UDPRoute", "IdentityBinding"];

/** Everything compiled, and of what. */
class Parts {
  #isNew: boolean = true;
  #splits: Map<string, SplitTable> = new Map();
  #policies: Map<string, ReadonlyMap<number, PortPolicies>> = new Map();
  readonly #services: Map<string, CompiledService> = new Map();
  readonly #workloads: WorkloadTable = new WorkloadTable();
  #targets: Map<TrafficTarget, CompiledTarget> = new Map();
  /** Of each part that has any. */
  readonly #conditions: Map<string, readonly Condition[]> = new Map();
  #ingress: IngressModel = NO_INGRESS;
  #model: MeshModel | null = null;

  update(index: LiveIndex, { kinds, slices }: { kinds: ReadonlySet<string>; slices: ReadonlySet<string> }): MeshModel {
    const isAll = this.#isNew;
    const has = (some: readonly string[]): boolean => isAll || some.some((kind) => kinds.has(kind));
    const before = this.#model;
    if (has(SPLIT_KINDS)) this.#compileSplits(index);
    if (has(POLICY_KINDS)) this.#compilePolicies(index);
    const keys = has(POLICY_KINDS) ? listServiceKeys(index, this.#splits, this.#services) : slices;
    const services = this.#compileServices(index, keys);
    const access = has(["TrafficTarget", ...TARGET_RULE_KINDS])
      ? this.#compileAccess(index, has(TARGET_RULE_KINDS))
      : (before?.access ?? new Map<string, AccessModel>());
    if (has(INGRESS_KINDS)) this.#compileIngress(index);
    const model: MeshModel = {
      settings: shareStructure(before?.settings, compileSettings(index.mesh)),
      services,
      access,
      workloads: this.#workloads.finish(),
      ingress: this.#ingress,
      conditions: this.#joinConditions(),
    };
    this.#isNew = false;
    if (before === null || !isSameModel(before, model)) this.#model = model;
    return this.#model ?? model;
  }

  #compileSplits(index: LiveIndex): void {
    const log = new ConditionLog();
    this.#splits = shareStructure(this.#splits, compileSplits(index, log));
    this.#note("splits", log);
  }

  #compilePolicies(index: LiveIndex): void {
    const log = new ConditionLog();
    this.#policies = shareStructure(this.#policies, compileAllPolicies(index, this.#splits, log));
    this.#note("policies", log);
  }

  #compileIngress(index: LiveIndex): void {
    const log = new ConditionLog();
    this.#ingress = shareStructure(this.#ingress, compileIngress(index, log));
    this.#note("ingress", log);
  }

  /** All models, those of `keys` made anew where what they are made of is another. */
  #compileServices(index: LiveIndex, keys: Iterable<string>): ReadonlyMap<string, ServiceModel> {
    const before = this.#model?.services ?? new Map<string, ServiceModel>();
    const changed = new Map<string, ServiceModel | null>();
    for (const key of keys) {
      const model = this.#compileOne(index, key);
      if (model !== (before.get(key) ?? null)) changed.set(key, model);
    }
    if (changed.size === 0) return before;
    return replaceEntries(before, changed);
  }

  #compileOne(index: LiveIndex, key: string): ServiceModel | null {
    const source: ServiceSource = {
      service: index.services.get(key),
      slices: index.slices.get(key) ?? NO_SLICES,
      splits: this.#splits.get(key),
      policies: this.#policies.get(key),
    };
    const known = this.#services.get(key);
    if (known !== undefined && isSameSource(known.source, source)) return known.model;
    const { service, slices, splits } = source;
    let fresh: ServiceModel | null = null;
    if (service !== undefined) fresh = compileService(service, slices, source);
    else if (splits !== undefined) fresh = compileBareRoot(key, splits);
    const model = fresh === null ? null : shareStructure(known?.model, fresh);
    const log = new ConditionLog();
    reportServiceSlices(service, slices, log);
    this.#note(`slices ${key}`, log);
    const instances = new Map<string, WorkloadDraft>();
    if (service !== undefined) for (const port of carriedPorts(service)) collectWorkloads(slices, port, instances);
    this.#workloads.replace(key, instances);
    if (fresh === null && slices.length === 0) this.#services.delete(key);
    else this.#services.set(key, { source, model });
    return model;
  }

  /** `isAll`: what targets refer to has changed. */
  #compileAccess(index: LiveIndex, isAll: boolean): ReadonlyMap<string, AccessModel> {
    const known = isAll ? new Map<TrafficTarget, CompiledTarget>() : this.#targets;
    const next = new Map<TrafficTarget, CompiledTarget>();
    const all = new ConditionLog();
    const access = joinTargets(index, (target) => {
      const compiled = known.get(target) ?? compileOneTarget(target, index);
      next.set(target, compiled);
      all.addAll(compiled.conditions);
      return compiled.model;
    });
    this.#targets = next;
    this.#note("access", all);
    const before = this.#model?.access;
    return before === undefined ? access : (shareStructure(before, access) as ReadonlyMap<string, AccessModel>);
  }

  #note(part: string, log: ConditionLog): void {
    const found = log.list();
    if (found.length === 0) this.#conditions.delete(part);
    else this.#conditions.set(part, found);
  }

  #joinConditions(): readonly Condition[] {
    const log = new ConditionLog();
    for (const found of this.#conditions.values()) log.addAll(found);
    return shareStructure(this.#model?.conditions, log.list());
  }
}

interface ServiceSource {
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly splits: SplitTable | undefined;
  readonly policies: ReadonlyMap<number, PortPolicies> | undefined;
}

interface CompiledService {
  readonly source: ServiceSource;
  /** Null: only slices have the name. */
  readonly model: ServiceModel | null;
}

interface CompiledTarget {
  readonly model: TargetModel | null;
  readonly conditions: readonly Condition[];
}

const NO_SLICES: readonly EndpointSlice[] = [];

function compileOneTarget(target: TrafficTarget, index: LiveIndex): CompiledTarget {
  const log = new ConditionLog();
  return { model: compileTarget(target, index, log), conditions: log.list() };
}

function listServiceKeys(
  index: LiveIndex,
  splits: ReadonlyMap<string, SplitTable>,
  known: ReadonlyMap<string, CompiledService>,
): ReadonlySet<string> {
  return new Set([...index.services.keys(), ...index.slices.keys(), ...splits.keys(), ...known.keys()]);
}

function isSameSource(one: ServiceSource, other: ServiceSource): boolean {
  return (
    one.service === other.service &&
    one.slices === other.slices &&
    one.splits === other.splits &&
    one.policies === other.policies
  );
}

/** Null takes an entry away. In order of key. */
function replaceEntries<T>(
  before: ReadonlyMap<string, T>,
  changed: ReadonlyMap<string, T | null>,
): ReadonlyMap<string, T> {
  const next = new Map(before);
  let isInOrder = true;
  for (const [key, value] of changed) {
    if (value === null) next.delete(key);
    else {
      isInOrder &&= next.has(key);
      next.set(key, value);
    }
  }
  return isInOrder ? next : new Map([...next].sort(([one], [other]) => compareText(one, other)));
}

function isSameModel(one: MeshModel, other: MeshModel): boolean {
  return (
    one.settings === other.settings &&
    one.services === other.services &&
    one.access === other.access &&
    one.workloads === other.workloads &&
    one.ingress === other.ingress &&
    one.conditions === other.conditions
  );
}
