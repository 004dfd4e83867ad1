import { checkReferences } from "../../resources/check-references.ts";
import type { KnownResource } from "../../resources/known-resource.ts";
import { listReferencedKinds } from "../../resources/referenced-kinds.ts";
import type { Resource } from "../../resources/resource.ts";
import type { RestContext } from "./rest-context.ts";

/** Warns of what is legal and probably not meant, in the words of `weft apply`. `resource` is valid. */
export async function warnOf(
  { store, clock }: RestContext,
  resource: Resource,
  warn: (text: string) => void,
): Promise<void> {
  const kinds = listReferencedKinds(resource);
  if (kinds === null) return;
  const lists = await Promise.all(
    kinds.map(({ isElsewhere, ...kind }) => {
      return store.list(kind, isElsewhere ? undefined : resource.metadata.namespace);
    }),
  );
  const existing = lists.flatMap((list) => list.items);
  const known = resource as KnownResource;
  for (const problem of checkReferences([known], existing, {
    wallMs: clock.wallMs(),
    knowsEndpoints: true,
    knowsTargets: true,
  })) {
    const path = problem.path === "" ? "" : `${problem.path}: `;
    warn(`${path}found ${problem.found}; expected ${problem.expected}`);
  }
}
