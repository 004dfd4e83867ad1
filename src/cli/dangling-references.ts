import type { MeshModel } from "../control/model/mesh-model.ts";
import { checkReferences } from "../resources/check-references.ts";
import type { KnownResource } from "../resources/known-resource.ts";
import type { Resource } from "../resources/resource.ts";

export interface DanglingReference {
  /** `TrafficSplit/reviews`. */
  readonly resource: string;
  readonly namespace: string;
  /** `spec.sources[1].name: found unknown name "nobody"; expected …`. */
  readonly problem: string;
}

/** Names that nothing has, of resources that no condition of the model speaks of already. */
export function describeReferences(model: MeshModel, resources: readonly Resource[]): readonly DanglingReference[] {
  const spoken = new Set(
    model.conditions.map((condition) => `${condition.kind} ${condition.namespace}/${condition.name}`),
  );
  const silent = resources.filter(
    ({ kind, metadata }) => !spoken.has(`${kind} ${metadata.namespace}/${metadata.name}`),
  );
  // What the API server has was validated when it was stored. The "file" of a problem tells whose it is.
  const sources = new Map(silent.map((resource, index) => [resource, { file: String(index) }]));
  return checkReferences(silent as readonly KnownResource[], resources, { sources }).flatMap((problem) => {
    const resource = silent[Number(problem.file)];
    if (resource === undefined) return [];
    const { kind, metadata } = resource;
    const text = `${problem.path}: found ${problem.found}; expected ${problem.expected}`;
    return [{ resource: `${kind}/${metadata.name}`, namespace: metadata.namespace, problem: text }];
  });
}
