import type { ApiClient } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { KindDefinition } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { findNearestName } from "./nearest-name.ts";

/** The resource, or WEFT_CLI_NOT_FOUND that says which name or namespace was probably meant. */
export async function findResource(
  client: ApiClient,
  definition: KindDefinition,
  wanted: { readonly namespace: string; readonly name: string },
): Promise<Resource> {
  const kind = { group: definition.group, kind: definition.kind };
  const namespace = definition.namespaced ? wanted.namespace : "";
  const found = await client.get({ ...kind, namespace, name: wanted.name });
  if (found !== null) return found;
  const { items } = await client.list(kind);
  const place = namespace === "" ? "" : ` in namespace "${namespace}"`;
  throw new WeftError(
    "WEFT_CLI_NOT_FOUND",
    `Cannot find ${definition.kind} "${wanted.name}"${place}; expected a name that \`weft get ${definition.plural}\` shows`,
    {
      ...hintFor(items, { namespace, name: wanted.name }),
    },
  );
}

function hintFor(
  items: readonly Resource[],
  wanted: { readonly namespace: string; readonly name: string },
): { readonly hint?: string } {
  const elsewhere = items.find((item) => item.metadata.name === wanted.name);
  if (elsewhere !== undefined)
    return {
      hint: `There is one in namespace "${elsewhere.metadata.namespace}": add -n ${elsewhere.metadata.namespace}`,
    };
  const here = items.filter((item) => item.metadata.namespace === wanted.namespace);
  const nearest = findNearestName(
    wanted.name,
    here.map((item) => item.metadata.name),
  );
  return nearest === null ? {} : { hint: `Did you mean ${nearest}?` };
}
