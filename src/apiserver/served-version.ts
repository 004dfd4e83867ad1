import { formatApiVersion, KINDS, type KindDefinition, toServedVersion } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { invalidDetailsOf } from "./resource-target.ts";
import { StatusError } from "./status.ts";

/** More would only make the answer longer. */
const MAX_NAMED = 10;

/**
 * A stored object in the version of `definition`. Throws StatusError NotAcceptable for one that the version cannot say:
 * read there it would mean more than it does.
 */
export function readInVersion(definition: KindDefinition, stored: Resource): Resource {
  const served = toServedVersion(definition, stored);
  if (served.loss === null) return served.object;
  throw cannotSay(definition, [{ stored, loss: served.loss }]);
}

/** The same for many. All that the version cannot say are named, ten at most. */
export function readAllInVersion(definition: KindDefinition, items: readonly Resource[]): readonly Resource[] {
  const objects: Resource[] = [];
  const refused: Refused[] = [];
  for (const stored of items) {
    const served = toServedVersion(definition, stored);
    if (served.loss === null) objects.push(served.object);
    else refused.push({ stored, loss: served.loss });
  }
  if (refused.length > 0) throw cannotSay(definition, refused);
  return objects;
}

interface Refused {
  readonly stored: Resource;
  readonly loss: string;
}

function cannotSay(definition: KindDefinition, refused: readonly Refused[]): StatusError {
  const { group, kind } = definition;
  const newest = KINDS.find((known) => known.group === group && known.kind === kind) ?? definition;
  const named = refused.slice(0, MAX_NAMED).map(({ stored: { metadata }, loss }) => ({
    field: `${metadata.namespace}/${metadata.name}`,
    message: loss,
  }));
  const list = named.map(({ field, message }) => `"${field}" would lose ${message}`).join("; ");
  const more = refused.length > named.length ? `; and ${refused.length - named.length} more` : "";
  return new StatusError(
    "NotAcceptable",
    `Cannot show ${kind} in ${formatApiVersion(group, definition.version)}: ${list}${more}; expected ${formatApiVersion(group, newest.version)}, which says all of it`,
    {
      ...invalidDetailsOf({ definition, namespace: "", name: refused[0]?.stored.metadata.name ?? "" }),
      causes: named.map((cause) => ({ reason: "FieldValueNotSupported", ...cause })),
    },
  );
}
