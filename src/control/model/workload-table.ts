import { finishWorkload, type WorkloadDraft } from "./compile-endpoints.ts";
import type { WorkloadModel } from "./mesh-model.ts";
import { shareStructure } from "./share-structure.ts";

/** The instances of all Services, where each Service can be replaced by itself. An instance may be behind several. */
export class WorkloadTable {
  /** By key of the Service. */
  readonly #byService: Map<string, ReadonlyMap<string, WorkloadDraft>> = new Map();
  /** By key of the instance, then of the Service. */
  readonly #drafts: Map<string, Map<string, WorkloadDraft>> = new Map();
  readonly #changed: Set<string> = new Set();
  #workloads: ReadonlyMap<string, WorkloadModel> = new Map();

  /** `instances` by "<namespace>/<workload>": all that the Service has. */
  replace(service: string, instances: Map<string, WorkloadDraft>): void {
    const before = this.#byService.get(service) ?? NONE;
    const next = shareStructure(before, instances);
    if (next === before) return;
    if (next.size === 0) this.#byService.delete(service);
    else this.#byService.set(service, next);
    for (const key of before.keys()) if (!next.has(key)) this.#remove(key, service);
    for (const [key, draft] of next) {
      if (before.get(key) === draft) continue;
      const drafts = this.#drafts.get(key);
      if (drafts === undefined) this.#drafts.set(key, new Map([[service, draft]]));
      else drafts.set(service, draft);
      this.#changed.add(key);
    }
  }

  /** The same object when no instance is another. */
  finish(): ReadonlyMap<string, WorkloadModel> {
    let next: Map<string, WorkloadModel> | null = null;
    for (const key of this.#changed) {
      const before = this.#workloads.get(key);
      const drafts = this.#drafts.get(key);
      const model = drafts === undefined ? undefined : shareStructure(before, join([...drafts.values()]));
      if (model === before) continue;
      next ??= new Map(this.#workloads);
      if (model === undefined) next.delete(key);
      else next.set(key, model);
    }
    this.#changed.clear();
    if (next !== null) this.#workloads = next;
    return this.#workloads;
  }

  #remove(key: string, service: string): void {
    const drafts = this.#drafts.get(key);
    drafts?.delete(service);
    if (drafts?.size === 0) this.#drafts.delete(key);
    this.#changed.add(key);
  }
}

const NONE: ReadonlyMap<string, WorkloadDraft> = new Map();

/** Of one instance; not empty. */
function join(drafts: readonly WorkloadDraft[]): WorkloadModel {
  const [first] = drafts;
  if (first === undefined) throw new Error("An instance is behind a Service at least");
  const ports = new Map(drafts.flatMap((draft) => [...draft.ports]));
  return finishWorkload({ namespace: first.namespace, workload: first.workload, ports });
}
