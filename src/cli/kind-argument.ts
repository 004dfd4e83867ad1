import { findCliName, type KindDefinition, KINDS } from "../resources/registry.ts";
import { findNearestName } from "./nearest-name.ts";
import { createUsageError } from "./usage-error.ts";

export interface KindArgument {
  readonly definition: KindDefinition;
  /** Null when every resource of the kind is meant. */
  readonly name: string | null;
}

/** `KIND`, `KIND NAME` or `KIND/NAME`. Throws a usage error with the nearest kind. */
export function parseKindArgument(word: string, name: string | undefined): KindArgument {
  const slash = word.indexOf("/");
  if (slash !== -1 && name !== undefined) {
    throw createUsageError(
      `Cannot read "${word}" with "${name}": found two names; expected KIND NAME or KIND/NAME`,
      "Leave one of them out",
    );
  }
  const definition = findCliName(slash === -1 ? word : word.slice(0, slash));
  if (definition === null) throw unknownKind(slash === -1 ? word : word.slice(0, slash));
  const chosen = slash === -1 ? name : word.slice(slash + 1);
  return { definition, name: chosen === undefined || chosen === "" ? null : chosen };
}

/**
 * `KIND`, several with commas between, or a category ("all", "weft"): each kind once, in the registry's order for a category. Throws
 * a usage error with the nearest kind.
 */
export function parseKindList(word: string): readonly KindDefinition[] {
  const kinds = word.split(",").flatMap((part) => {
    const members = KINDS.filter(({ categories }) => categories.includes(part.toLowerCase()));
    return members.length > 0 ? members : [parseKindArgument(part, undefined).definition];
  });
  return [...new Set(kinds)];
}

/** `services (svc), trafficsplits (ts), …`: what a KIND argument may be. */
export function listKinds(): string {
  return KINDS.map((kind) =>
    kind.shortNames.length === 0 ? kind.plural : `${kind.plural} (${kind.shortNames.join(", ")})`,
  ).join(", ");
}

function unknownKind(word: string): Error {
  const nearest = findNearestName(
    word.toLowerCase(),
    KINDS.flatMap((kind) => [kind.plural, kind.singular, ...kind.shortNames]),
  );
  const hint = nearest === null ? `Kinds: ${listKinds()}` : `Did you mean ${nearest}? Kinds: ${listKinds()}`;
  return createUsageError(`Cannot find the kind "${word}"; expected one that weft has`, hint);
}
