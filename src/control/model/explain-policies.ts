import type { Resource } from "../../resources/resource.ts";
import { type PolicySection, SECTIONS } from "../../resources/traffic-policy-spec.ts";
import { groupPolicies, mergeByPort } from "./compile-policies.ts";
import { ConditionLog } from "./condition-log.ts";
import { indexResources, keyOf } from "./resource-index.ts";

/** What is in force of one TrafficPolicy on one port of its Service. */
export interface PolicyInForce {
  /** "<namespace>/<name>". */
  readonly policy: string;
  readonly port: number;
  /** Of the requests that fit its matches; false: of all for which no policy with matches says otherwise. */
  readonly isNarrow: boolean;
  /** Of its own; never empty. */
  readonly sections: readonly PolicySection[];
}

/** For people: by the same rules as the model. `service` is "<namespace>/<name>". In order of port, then as they are tried. */
export function explainPolicies(resources: readonly Resource[], service: string): readonly PolicyInForce[] {
  const index = indexResources(resources);
  const found = index.services.get(service);
  if (found === undefined) return [];
  const context = { index, conditions: new ConditionLog() };
  const policies = groupPolicies(context).get(service) ?? [];
  return mergeByPort(found, policies, context).flatMap(({ port, merged }) => {
    const narrow = merged.narrow.map(({ policy, sections }) => ({ policy, sections, isNarrow: true }));
    const wide = [...new Set(merged.wide.values())].map((policy) => ({
      policy,
      sections: merged.wide,
      isNarrow: false,
    }));
    return [...narrow, ...wide].map(({ policy, sections, isNarrow }) => ({
      policy: keyOf(policy),
      port,
      isNarrow,
      sections: SECTIONS.filter((section) => sections.get(section) === policy),
    }));
  });
}
