import type { ApiClient } from "../apiserver/api-client.ts";
import { KINDS } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";

/** Every resource of the mesh. Lists of different kinds may be a moment apart. */
export async function listEverything(client: ApiClient): Promise<readonly Resource[]> {
  const lists = await Promise.all(KINDS.map((kind) => client.list({ group: kind.group, kind: kind.kind })));
  return lists.flatMap((list) => list.items);
}
