import { findKind, formatApiVersion, type KindDefinition } from "../../resources/registry.ts";
import { createFieldSet, type FieldSet } from "./field-set.ts";
import type { Owner, Owners } from "./owners.ts";

/** A kind in one version; a KindDefinition will do. */
export type VersionedKind = Pick<KindDefinition, "group" | "version" | "topFields"> & { readonly kind: string };

type TopFields = Readonly<Record<string, string>>;

/** The owners, each with its places as `kind` has them. Those who wrote in a version that is not served are left out. */
export function toVersion(owners: Owners, kind: VersionedKind): Owners {
  return mapSets(owners, kind, (set, own) => (own === kind.topFields ? set : toTop(toSpec(set, own), kind.topFields)));
}

/** What `toVersion` made, each with its places as its own version has them. */
export function toOwnVersions(owners: Owners, kind: VersionedKind): Owners {
  return mapSets(owners, kind, (set, own) => (own === kind.topFields ? set : toTop(toSpec(set, kind.topFields), own)));
}

function mapSets(
  owners: Owners,
  kind: VersionedKind,
  move: (set: FieldSet, own: TopFields | undefined) => FieldSet,
): Owners {
  const moved = new Map<string, Owner>();
  for (const [id, owner] of owners) {
    const isSame = owner.apiVersion === formatApiVersion(kind.group, kind.version);
    const definition = isSame ? kind : findKind(owner.apiVersion, kind.kind);
    if (definition === null) continue;
    moved.set(id, { ...owner, set: move(owner.set, definition.topFields) });
  }
  return moved;
}

/** Fields at the top go under `spec`. */
function toSpec(set: FieldSet, topFields: TopFields | undefined): FieldSet {
  if (topFields === undefined) return set;
  const [top, spec] = [createFieldSet(), createFieldSet()];
  for (const step of set.members) {
    const name = topFields[step.slice(2)];
    if (name === undefined) top.members.add(step);
    else spec.members.add(`f:${name}`);
  }
  const children = new Map<string, FieldSet>();
  const below = new Map<string, FieldSet>();
  for (const [step, child] of set.children) {
    const name = topFields[step.slice(2)];
    if (name === undefined) children.set(step, child);
    else below.set(`f:${name}`, child);
  }
  if (spec.members.size > 0 || below.size > 0) children.set("f:spec", { members: spec.members, children: below });
  return { members: top.members, children };
}

/** Fields under `spec` go to the top; `spec` itself is no field there. */
function toTop(set: FieldSet, topFields: TopFields | undefined): FieldSet {
  if (topFields === undefined) return set;
  const names = new Map(Object.entries(topFields).map(([top, below]) => [`f:${below}`, `f:${top}`]));
  const members = new Set([...set.members].filter((step) => step !== "f:spec"));
  const children = new Map([...set.children].filter(([step]) => step !== "f:spec"));
  const spec = set.children.get("f:spec");
  for (const step of spec?.members ?? []) members.add(names.get(step) ?? step);
  for (const [step, child] of spec?.children ?? []) children.set(names.get(step) ?? step, child);
  return { members, children };
}
