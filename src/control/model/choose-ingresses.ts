import { DEFAULT_CLASS_ANNOTATION, INGRESS_CONTROLLER, type IngressClass } from "../../resources/ingress-class.ts";
import { type Ingress, LEGACY_CLASS_ANNOTATION } from "../../resources/ingress.ts";
import { compareText } from "./compare-text.ts";
import type { ConditionLog } from "./condition-log.ts";

/**
 * The Ingresses that are weft's to serve, oldest first. An Ingress that names no class is weft's when a default class is,
 * or when no class at all is the default: in a mesh without Kubernetes there is nobody else.
 */
export function chooseIngresses(
  ingresses: readonly Ingress[],
  classes: readonly IngressClass[],
  log: ConditionLog,
): readonly Ingress[] {
  const defaults = classes.filter(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS_ANNOTATION] === "true");
  const takesUnnamed = defaults.length === 0 || defaults.some(isOurs);
  const byName = new Map(classes.map((item) => [item.metadata.name, item]));
  return [...ingresses].sort(compareAge).filter((ingress) => {
    const name = ingress.spec.ingressClassName ?? ingress.metadata.annotations?.[LEGACY_CLASS_ANNOTATION];
    if (name === undefined) return takesUnnamed;
    const named = byName.get(name);
    if (named !== undefined) return isOurs(named);
    log.add(ingress, "Accepted", {
      reason: "ClassNotFound",
      message: `There is no IngressClass "${name}", so nobody serves this Ingress`,
    });
    return false;
  });
}

function isOurs({ spec }: IngressClass): boolean {
  return spec.controller === INGRESS_CONTROLLER;
}

/** What was there first counts; what has no age yet is the youngest. */
function compareAge(one: Ingress, other: Ingress): number {
  return (
    compareText(one.metadata.creationTimestamp ?? "~", other.metadata.creationTimestamp ?? "~") ||
    compareText(one.metadata.namespace, other.metadata.namespace) ||
    compareText(one.metadata.name, other.metadata.name)
  );
}
